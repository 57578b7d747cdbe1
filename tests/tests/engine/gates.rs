//! Scheduling gates: a pod that has some is offered to nobody, and nothing wakes it but their end.

use serde_json::{Value, json};
use setpoint_schemas::{Action, Verb};
use setpoint_tests::manifests::{bare_pod, daemon_set, deployment, item, near, of_priority, patch};

use crate::story::{Story, joins, reason, told, web};

const GATED: &str = "Scheduling is blocked due to non-empty scheduling gates";

fn gated(mut object: Value, gates: &[&str]) -> Value {
    let gates: Vec<Value> = gates.iter().map(|name| json!({"name": name})).collect();
    let spec = if object["kind"] == "Pod" { "/spec" } else { "/spec/template/spec" };
    object.pointer_mut(spec).expect("a pod's spec")["schedulingGates"] = json!(gates);
    object
}

/// The gates that a Pod is left with, told by this verb; its code and message.
fn left_with(story: &mut Story, verb: Verb, gates: &Value) -> (u16, String) {
    let body = match verb {
        Verb::JsonPatch => {
            json!([{"op": "replace", "path": "/spec/schedulingGates", "value": gates}])
        }
        _ => json!({"spec": {"schedulingGates": gates}}),
    };
    let ms = story.engine.time_ms() + 1;
    let item = patch(verb, ("v1", "Pod"), "default", "tool", &body);
    let outcome = story.asks(ms, vec![item]);
    let answer = &outcome.verdicts[0].items[0];
    (answer.code, answer.message.clone())
}

#[test]
fn a_gated_pod_waits_whatever_happens_and_is_placed_when_its_last_gate_is_gone() {
    let mut story = Story::with_nodes(&["a"]);
    let tool = gated(bare_pod("default", "tool", 100, "v1"), &["one", "two"]);
    let outcome = story.asks(1, vec![item(Verb::Apply, &near_web(tool))]);
    assert_eq!(told(&outcome), "Accept 1, Wait 1");
    assert_eq!(reason(&outcome, Action::Wait), GATED);
    let waits: Vec<_> = story.waiting.values().cloned().collect();
    assert!(waits.len() == 1 && waits[0].gated && waits[0].reason == GATED, "{waits:?}");
    assert_eq!(told(&story.at(2, vec![joins("b", 2_000)])), "", "a node wakes it not");
    assert_eq!(told(&story.asks(3, web(1, "v1"))), "Accept 1, Place 1", "nor does its company");
    let outcome = story.asks(4, web(0, "v1"));
    assert_eq!(told(&outcome), "Accept 1, Stop 1", "nor that it goes");

    let less = json!([{"name": "two"}]);
    assert_eq!(left_with(&mut story, Verb::MergePatch, &less).0, 200);
    assert_eq!(story.waiting.values().next().map(|pod| &*pod.reason), Some(GATED));
    let (code, message) = left_with(&mut story, Verb::JsonPatch, &json!([{"name": "three"}]));
    let wanted = "Pod \"tool\" is invalid: spec.schedulingGates[0].name: Forbidden: only deletion is \
                  allowed, but found new scheduling gate 'three'";
    assert_eq!((code, message.as_str()), (422, wanted));
    story.asks(20, web(1, "v1"));
    let delete = json!([{"$patch": "delete", "name": "two"}]);
    assert_eq!(left_with(&mut story, Verb::StrategicMergePatch, &delete), (200, String::new()));
    assert!(story.waiting.is_empty());
    assert!(story.placed.contains_key(&waits[0].uid), "the one that waited");
}

/// A Pod that wants to be near the web.
fn near_web(mut pod: Value) -> Value {
    let web = near(deployment("default", "other", 1, 100, "v1"), "web");
    pod["spec"]["affinity"] = web["spec"]["template"]["spec"]["affinity"].clone();
    pod
}

#[test]
fn a_pod_is_released_by_apply_and_by_replacing_it_too() {
    for verb in [Verb::Apply, Verb::Update] {
        let mut story = Story::with_nodes(&["a"]);
        let tool = bare_pod("default", "tool", 100, "v1");
        story.asks(1, vec![item(Verb::Create, &gated(tool.clone(), &["one"]))]);
        let outcome = story.asks(2, vec![item(verb, &gated(tool.clone(), &[]))]);
        assert!(outcome.verdicts[0].accepted, "{verb:?}: {:?}", outcome.verdicts);
        assert_eq!((story.placed.len(), story.waiting.len()), (1, 0), "{verb:?}");
        let outcome = story.asks(3, vec![item(verb, &gated(tool, &["one"]))]);
        assert!(!outcome.verdicts[0].accepted, "never again");
    }
}

#[test]
fn a_gated_pod_stops_nobody_however_high_and_takes_no_room() {
    let mut story = Story::with_nodes(&["a"]);
    story.asks(1, vec![item(Verb::Apply, &deployment("default", "low", 1, 1_500, "v1"))]);
    story.all_run(2);
    let high = of_priority(deployment("default", "high", 2, 1_500, "v1"), 10);
    let outcome = story.asks(3, vec![item(Verb::Apply, &gated(high.clone(), &["one"]))]);
    assert_eq!(told(&outcome), "Accept 1, Wait 1");
    assert_eq!(high_waits(&story), [(true, false), (true, false)]);
    assert_eq!(told(&story.at(4, vec![joins("b", 2_000)])), "");
    story.asks(5, vec![item(Verb::Apply, &gated(high.clone(), &[]))]);
    assert_eq!(high_waits(&story), [(false, true)], "one has room, the other makes some");
    story.asks(6, vec![item(Verb::Apply, &gated(high, &["two"]))]);
    let waits = high_waits(&story);
    assert!(!waits.is_empty() && waits.iter().all(|pod| *pod == (true, false)), "{waits:?}");
}

/// Of each pod that waits of the high ones, whether it is gated and whether it has room promised.
fn high_waits(story: &Story) -> Vec<(bool, bool)> {
    let high = story.waiting.values().filter(|pod| &*pod.workload.name == "high");
    high.map(|pod| (pod.gated, pod.nominated.is_some())).collect()
}

#[test]
fn a_gated_daemon_set_waits_on_every_node_that_it_is_meant_for() {
    let mut story = Story::with_nodes(&["a", "b"]);
    let mut logger = daemon_set("default", "logger", 100, "v1");
    let not_b = json!({"key": "kubernetes.io/hostname", "operator": "NotIn", "values": ["b"]});
    logger["spec"]["template"]["spec"]["affinity"] = json!({"nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution":
            {"nodeSelectorTerms": [{"matchExpressions": [not_b]}]}}});
    let outcome = story.asks(1, vec![item(Verb::Apply, &gated(logger.clone(), &["one"]))]);
    assert_eq!(told(&outcome), "Accept 1, Wait 1");
    assert_eq!(told(&story.asks(2, web(2, "v1"))), "Accept 1, Place 2");
    assert_eq!(told(&story.asks(3, web(1, "v1"))), "Accept 1, Stop 1");
    assert_eq!(told(&story.at(4, vec![joins("c", 2_000)])), "Wait 1", "one for the new node");
    assert!(story.waiting.len() == 2 && story.waiting.values().all(|pod| pod.gated));
    let status = story.status(5, "apps/DaemonSet/default/logger");
    assert_eq!(status["desiredNumberScheduled"], json!(2));
    let waited = story.waiting.clone();
    story.asks(6, vec![item(Verb::Apply, &gated(logger, &[]))]);
    assert!(story.waiting.is_empty());
    assert!(waited.keys().all(|uid| story.placed.contains_key(uid)), "those that waited");
}
