//! Requests: all or nothing, and once.

use serde_json::json;
use setpoint_dataflow::Outcome;
use setpoint_ingest::entry::Writer;
use setpoint_ingest::record_bytes_max;
use setpoint_schemas::avro::Codec;
use setpoint_schemas::{Input, RequestItem, Verb};
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

/// By one who applies and forces nothing.
fn unforced(id: &str, manager: &str, item: RequestItem) -> Input {
    let request = manifests::request(id, vec![item]);
    let field_manager = manager.to_owned();
    Input::Request(Box::new(setpoint_schemas::Request { field_manager, force: false, ..request }))
}

#[test]
fn the_tour_can_be_taken_again_after_a_scale_and_an_undo() {
    let mut story = Story::with_nodes(&["a"]);
    let apply = |replicas: i64, image: &str| web(replicas, image).remove(0);
    let change = |verb: Verb, subresource: &str, body: serde_json::Value| {
        let patch = manifests::patch(verb, ("apps/v1", "Deployment"), "default", "web", &body);
        RequestItem { subresource: subresource.to_owned(), ..patch }
    };
    let undo = change(Verb::RolloutUndo, "", json!({"toRevision": 0}));
    let scale = change(Verb::MergePatch, "scale", json!({"spec": {"replicas": 5}}));
    let tour = [
        ("one", "apply", apply(3, "v1"), ""),
        ("two", "apply", apply(3, "v2"), ""),
        ("three", "setpoint", undo, ""),
        ("four", "kubectl", scale, ""),
        (
            "five",
            "apply",
            apply(3, "v2"),
            "spec.replicas was 5, set by scale; now 3, spec.template stays at revision 3: revision 2 \
             was undone; apply another template, or `rollout undo --to-revision 2`",
        ),
        (
            "six",
            "apply",
            apply(3, "v1"),
            "spec.template is that of revision 3 again, which is not pinned any more",
        ),
        ("eight", "apply", apply(3, "v2"), ""),
    ];
    for (at, (id, manager, item, message)) in (1..).zip(tour) {
        let outcome = story.at(at, vec![unforced(id, manager, item)]);
        let verdict = &outcome.verdicts[0];
        assert!(verdict.accepted, "{id}: {verdict:?}");
        assert_eq!(verdict.items[0].message, message, "{id}");
    }
    let stranger = story.at(9, vec![unforced("seven", "other", apply(4, "v1"))]);
    assert_eq!(stranger.verdicts[0].items[0].code, 409);
}

#[test]
fn patches_never_make_a_resource_too_large_for_its_record() {
    let mut story = Story::with_nodes(&["a"]);
    let config = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "default"},
        "data": {},
    });
    story.asks(1, vec![item(Verb::Apply, &config)]);
    let grow = |n: i64| {
        let patch = json!({"data": {format!("k{n}"): "x".repeat(900 << 10)}}).to_string();
        RequestItem { body: patch, ..item(Verb::MergePatch, &config) }
    };
    let codes: Vec<u16> = (2..8).map(|n| fits(story.asks(n, vec![grow(n)]))[0]).collect();
    assert_eq!(codes, [200, 200, 200, 413, 413, 413]);
    let shrink = RequestItem {
        body: json!({"data": {"k2": null}}).to_string(),
        ..item(Verb::MergePatch, &config)
    };
    assert_eq!(fits(story.asks(9, vec![shrink])), [200]);
    assert_eq!(fits(story.asks(10, vec![grow(10)])), [200]);
}

#[test]
fn updates_of_a_large_template_and_many_refusals_fit_into_their_records() {
    let mut story = Story::with_nodes(&["a"]);
    for n in 1..14 {
        let mut large = deployment("default", "web", 1, 100, &format!("v{n}"));
        let note = json!({"note": format!("{n}{}", "\"".repeat(300 << 10))});
        large["spec"]["template"]["metadata"]["annotations"] = note;
        assert!(fits(story.asks(n, vec![item(Verb::Apply, &large)]))[0] <= 201);
    }
    let wrong = |n| item(Verb::Apply, &deployment(&format!("nowhere-{n}"), "web", 1, 100, "v1"));
    let codes = fits(story.asks(20, (0..2_000).map(wrong).collect()));
    assert_eq!((codes.len(), codes[0]), (2_000, 404));
}

/// The codes of an outcome's verdict, all of whose records the log takes.
fn fits(outcome: Outcome) -> Vec<u16> {
    let writer = Writer::new(Codec::single_object(), "/setpoint/test");
    let resources = outcome.resources.iter().filter_map(|(_, resource)| resource.as_ref());
    let desired = resources.map(|resource| writer.desired(resource));
    let placed = outcome.placements.iter().filter_map(|change| change.placement.as_ref());
    let placed = placed.map(|placement| writer.placement(placement));
    let decided = outcome.decisions.iter().map(|decision| writer.decision(&decision.record()));
    for entry in desired.chain(placed).chain(decided) {
        let entry = entry.expect("it encodes");
        let headers: usize =
            entry.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        let bytes = entry.key.len() + headers + entry.value.map_or(0, |value| value.len());
        assert!(bytes <= record_bytes_max(entry.topic), "{} of {bytes} bytes", entry.topic);
    }
    outcome.verdicts.iter().flat_map(|verdict| verdict.items.iter().map(|i| i.code)).collect()
}

#[test]
fn what_is_deleted_and_made_again_in_one_epoch_is_another_object_with_other_pods() {
    let mut story = Story::with_nodes(&["a", "b"]);
    story.asks(1, web(2, "v1"));
    story.all_run(2);
    let former = story.placed.clone();
    let mut again = vec![item(Verb::Delete, &deployment("default", "web", 2, 100, "v1"))];
    again.extend(web(2, "v2"));
    let outcome = story.asks(3, again);
    assert_eq!(told(&outcome), "Accept 1, Place 2, Stop 2", "no revision begins: it is the first");
    assert_eq!(story.placed.len(), 2);
    assert!(story.placed.keys().all(|uid| !former.contains_key(uid)));
}
