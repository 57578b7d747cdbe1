//! Requests: all or nothing, and once.

use setpoint_schemas::{Input, Verb};
use setpoint_tests::manifests::{self, deployment, item};

use crate::story::{Story, told, web};

#[test]
fn a_request_is_all_or_nothing() {
    let mut story = Story::with_nodes(&["a"]);
    let lost = deployment("nowhere", "web", 1, 100, "v1");
    let mut items = web(1, "v1");
    items.push(item(Verb::Apply, &lost));
    let outcome = story.asks(1, items);
    assert_eq!(told(&outcome), "Refuse 1");
    assert!(!outcome.verdicts[0].accepted);
    let codes: Vec<u16> = outcome.verdicts[0].items.iter().map(|item| item.code).collect();
    assert_eq!(codes, [0, 404]);
}

#[test]
fn a_record_that_repeats_a_request_is_answered_as_before_and_not_decided_again() {
    let mut story = Story::with_nodes(&["a"]);
    let asked = manifests::request("once", web(2, "v1"));
    let asked = || Input::Request(Box::new(asked.clone()));
    let first = story.at(1, vec![asked()]);
    assert_eq!(told(&first), "Accept 1, Place 2");
    assert_eq!(first.verdicts[0].items[0].result, "created");
    // In between it was scaled: the repeated request does not undo that.
    story.asks(2, web(3, "v1"));
    let again = story.at(3, vec![asked(), asked()]);
    assert_eq!(told(&again), "");
    assert_eq!(again.verdicts, [first.verdicts[0].clone(), first.verdicts[0].clone()]);
    assert_eq!(story.placed.len(), 3);
    // A refusal is remembered as well.
    let wrong = deployment("nowhere", "web", 1, 100, "v1");
    let wrong = manifests::request("wrong", vec![item(Verb::Apply, &wrong)]);
    let wrong = || Input::Request(Box::new(wrong.clone()));
    let refused = story.at(4, vec![wrong()]);
    story.asks(5, vec![item(Verb::Apply, &manifests::namespace("nowhere"))]);
    let again = story.at(6, vec![wrong()]);
    assert_eq!((told(&again), &again.verdicts), (String::new(), &refused.verdicts));
    assert_eq!(again.verdicts[0].items[0].code, 404);
}
