//! Evictions: what waits for another pod in its place, what budgets keep, and what is told of it.

use serde_json::json;
use setpoint_dataflow::{ItemVerdict, Outcome};
use setpoint_schemas::{Action, Input, PodUid, RequestItem, Verb};
use setpoint_tests::manifests::{budget, deployment, item, request, stateful_set};

use crate::story::{Story, reason, told, web};

/// Asks for the eviction of a pod.
fn eviction(story: &Story, uid: &PodUid) -> RequestItem {
    let placements = story.engine.everything().placements.into_iter();
    let mut placements = placements.filter_map(|change| change.placement);
    let name = placements.find(|placement| placement.uid == *uid).map(|p| p.name.to_string());
    let metadata = json!({"name": name.unwrap_or_default(), "namespace": "default"});
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata});
    RequestItem { subresource: "eviction".to_owned(), ..item(Verb::Delete, &pod) }
}

fn evict(story: &mut Story, ms: i64, uid: &PodUid) -> Outcome {
    let item = eviction(story, uid);
    story.asks(ms, vec![item])
}

fn verdict(outcome: &Outcome) -> &ItemVerdict {
    &outcome.verdicts[0].items[0]
}

#[test]
fn the_only_pod_goes_after_another_is_available_in_its_place() {
    let mut story = Story::with_nodes(&["a", "b"]);
    story.asks(1, web(1, "v1"));
    story.all_run(2);
    let first = story.only_pod();

    let outcome = evict(&mut story, 3, &first);
    assert_eq!(told(&outcome), "Accept 1, Place 1, Wait 1");
    let said = verdict(&outcome);
    assert_eq!((said.result, said.code), ("configured", 200));
    let awaits = "another pod is made in its place first: 0 others are available, and 1 are wanted";
    assert!(said.message.starts_with(awaits), "{}", said.message);
    assert_eq!(story.placed.len(), 2);

    let outcome = evict(&mut story, 4, &first);
    assert_eq!(told(&outcome), "Accept 1", "it is so already");
    assert_eq!(verdict(&outcome).result, "configured");

    let outcome = story.all_run(5);
    assert_eq!(told(&outcome), "Stop 1");
    assert!(reason(&outcome, Action::Stop).contains("another pod is there in its place"));
    assert!(!story.placed.contains_key(&first));
}

#[test]
fn an_eviction_that_waited_too_long_is_given_up_and_the_pod_stays() {
    let mut story = Story::with_nodes(&["a", "b"]);
    let mut patient = deployment("default", "web", 1, 100, "v1");
    patient["metadata"]["annotations"] = json!({"setpoint.dev/eviction-surge-ms": "1000"});
    story.asks(1, vec![item(Verb::Apply, &patient)]);
    story.all_run(2);
    let first = story.only_pod();
    evict(&mut story, 10, &first);
    assert_eq!(told(&story.at(1_009, vec![])), "");
    let outcome = story.at(1_010, vec![]);
    assert_eq!(told(&outcome), "Stop 1, Wait 1", "the other one never served");
    assert!(
        reason(&outcome, Action::Wait).starts_with("its eviction is given up, its time is over: ")
    );
    assert_eq!(story.only_pod(), first);
}

#[test]
fn a_workload_that_asks_for_it_has_its_pod_evicted_at_once() {
    let mut story = Story::with_nodes(&["a", "b"]);
    let mut hasty = deployment("default", "web", 1, 100, "v1");
    hasty["metadata"]["annotations"] = json!({"setpoint.dev/eviction-surge-ms": "0"});
    story.asks(1, vec![item(Verb::Apply, &hasty)]);
    story.all_run(2);
    let first = story.only_pod();
    let outcome = evict(&mut story, 3, &first);
    assert_eq!(told(&outcome), "Accept 1, Place 1, Stop 1");
    assert_eq!(verdict(&outcome).result, "deleted");
}

#[test]
fn a_leader_that_was_rebuilt_goes_on_waiting() {
    let mut story = Story::with_nodes(&["a", "b"]);
    story.asks(1, web(1, "v1"));
    story.all_run(2);
    let first = story.only_pod();
    evict(&mut story, 3, &first);
    let placements = story.compacted_placements();
    story.rebuilt(4, placements);
    assert_eq!(story.placed.len(), 2, "nobody knows yet that the other one serves");
    assert_eq!(told(&story.all_run(5)), "Stop 1");
    assert!(!story.placed.contains_key(&first));
}

#[test]
fn a_budget_keeps_a_pod_of_an_identity_and_is_asked_pod_by_pod() {
    let mut story = Story::with_nodes(&["a", "b"]);
    let set = stateful_set("default", "db", 2, 100, "v1");
    story.asks(1, vec![item(Verb::Apply, &set)]);
    story.all_run(2);
    story.all_run(3);
    let pods: Vec<PodUid> = story.placed.keys().cloned().collect();
    assert_eq!(pods.len(), 2);

    story.asks(4, vec![item(Verb::Apply, &budget("db", 2))]);
    let outcome = evict(&mut story, 5, &pods[0]);
    assert_eq!(told(&outcome), "Refuse 1");
    let said = verdict(&outcome);
    assert_eq!(
        (said.code, said.message.as_str()),
        (
            429,
            "Cannot evict pod as it would violate the pod's disruption budget. The disruption budget db \
             needs 2 healthy pods and has 2 currently"
        )
    );

    story.asks(6, vec![item(Verb::Apply, &budget("db", 1))]);
    let asked = pods.iter().enumerate().map(|(n, uid)| {
        let request = request(&format!("both-{n}"), vec![eviction(&story, uid)]);
        Input::Request(Box::new(request))
    });
    let asked = asked.collect();
    let outcome = story.at(7, asked);
    let codes: Vec<u16> = outcome.verdicts.iter().map(|verdict| verdict.items[0].code).collect();
    assert_eq!(codes, [200, 429], "what the first takes the second sees");
}

#[test]
fn what_cannot_be_waited_for_is_refused_at_the_door() {
    let mut story = Story::with_nodes(&["a"]);
    let mut wrong = deployment("default", "web", 1, 100, "v1");
    wrong["metadata"]["annotations"] = json!({"setpoint.dev/eviction-surge-ms": "5m"});
    let outcome = story.asks(1, vec![item(Verb::Apply, &wrong)]);
    let said = verdict(&outcome);
    assert_eq!(said.code, 422);
    assert!(
        said.message.contains("metadata.annotations[setpoint.dev/eviction-surge-ms]"),
        "{}",
        said.message
    );
    story.asks(2, web(2, "v1"));
    story.all_run(3);
    let both: Vec<RequestItem> = story.placed.keys().map(|uid| eviction(&story, uid)).collect();
    let outcome = story.asks(4, both);
    assert_eq!(verdict(&outcome).code, 422, "{}", verdict(&outcome).message);
}
