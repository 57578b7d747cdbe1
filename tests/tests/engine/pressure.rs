//! Nodes that are short of memory or process ids: whom they take, and whom not.

use serde_json::{Value, json};
use setpoint_schemas::{
    Condition, ConditionStatus, Input, MEMORY_PRESSURE, PID_PRESSURE, PodPhase, RequestItem, Verb,
};
use setpoint_tests::manifests::{self, bare_pod, daemon_set, item};

use crate::story::{Story, node, observed, session, told};

fn says(name: &str, condition: &str, status: ConditionStatus) -> Input {
    let mut record = manifests::node(&node(name), &session(name), 2_000);
    record.conditions.push(Condition {
        kind: condition.to_owned(),
        status,
        reason: String::new(),
        message: String::new(),
        transition_ms: 0,
    });
    Input::Node(Box::new(record))
}

fn apply(object: &Value) -> RequestItem {
    item(Verb::Apply, object)
}

/// A pod that asks for nothing.
fn best_effort(name: &str) -> Value {
    let mut pod = bare_pod("default", name, 100, "v1");
    pod["spec"]["containers"][0]["resources"] = json!({});
    pod
}

fn why(story: &Story) -> String {
    story.waiting.values().next().map(|pod| pod.reason.clone()).unwrap_or_default()
}

#[test]
fn a_node_that_is_short_of_memory_takes_only_pods_that_ask_for_some() {
    let mut story = Story::with_nodes(&["a"]);
    story.at(1, vec![says("a", MEMORY_PRESSURE, ConditionStatus::True)]);
    let asking = bare_pod("default", "asking", 100, "v1");
    assert_eq!(told(&story.asks(2, vec![apply(&asking)])), "Accept 1, Place 1");
    story.asks(3, vec![apply(&best_effort("modest"))]);
    let taint = "1 node(s) had untolerated taint {node.kubernetes.io/memory-pressure: }";
    assert!(why(&story).contains(taint), "{}", why(&story));
    let daemon = daemon_set("default", "logger", 100, "v1");
    assert_eq!(told(&story.asks(4, vec![apply(&daemon)])), "Accept 1, Place 1");
    let better = story.at(5, vec![says("a", MEMORY_PRESSURE, ConditionStatus::False)]);
    assert_eq!(told(&better), "Place 1");
    assert!(story.waiting.is_empty());
}

#[test]
fn a_node_that_is_short_of_process_ids_takes_no_new_pods() {
    let mut story = Story::with_nodes(&["a"]);
    story.at(1, vec![says("a", PID_PRESSURE, ConditionStatus::True)]);
    story.asks(2, vec![apply(&bare_pod("default", "web", 100, "v1"))]);
    let taint = "1 node(s) had untolerated taint {node.kubernetes.io/pid-pressure: }";
    assert!(why(&story).contains(taint), "{}", why(&story));
}

#[test]
fn a_bare_pod_that_its_node_evicted_stays_as_failed() {
    let mut story = Story::with_nodes(&["a", "b"]);
    story.asks(1, vec![apply(&best_effort("modest"))]);
    let (uid, on) = (story.only_pod(), story.placed.values().next().expect("placed").clone());
    let outcome = story.at(2, vec![observed(&uid, &on, 2, PodPhase::Failed)]);
    assert_eq!(told(&outcome), "");
    assert_eq!(story.placed.len(), 1);
}
