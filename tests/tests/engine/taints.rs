//! Taints of effect `NoExecute`: who leaves a node, and when.

use serde_json::{Value, json};
use setpoint_dataflow::{Epoch, Outcome};
use setpoint_schemas::{Action, PodPhase, RequestItem, Verb};
use setpoint_tests::manifests::{bare_pod, daemon_set, deployment, item, patch};

use crate::story::{Story, observed, reason, told};

/// Sets the taints of a node: key and, where it has one, since when.
fn tainted(node: &str, taints: &[(&str, Option<&str>)]) -> Vec<RequestItem> {
    let taint = |(key, since): &(&str, Option<&str>)| {
        let mut taint = json!({"key": key, "value": "x", "effect": "NoExecute"});
        if let Some(since) = since {
            taint["timeAdded"] = json!(since);
        }
        taint
    };
    let taints: Vec<Value> = taints.iter().map(taint).collect();
    vec![patch(Verb::MergePatch, ("v1", "Node"), "", node, &json!({"spec": {"taints": taints}}))]
}

/// `web` with two pods, one a node, that bear `out` for so many seconds.
fn web_bears(seconds: Option<i64>) -> Vec<RequestItem> {
    let mut web = deployment("default", "web", 2, 1_100, "v1");
    let toleration = json!({"key": "out", "operator": "Exists", "tolerationSeconds": seconds,
        "effect": "NoExecute"});
    web["spec"]["template"]["spec"]["tolerations"] = json!([toleration]);
    vec![item(Verb::Apply, &web)]
}

/// A pod that names its node and bears `out` for so many seconds.
fn tool_bears(name: &str, node: &str, seconds: i64) -> Value {
    let mut pod = bare_pod("default", name, 100, "v1");
    pod["spec"]["nodeName"] = json!(node);
    pod["spec"]["tolerations"] = json!([{"key": "out", "operator": "Exists",
        "tolerationSeconds": seconds, "effect": "NoExecute"}]);
    pod
}

/// A pod that runs once, on the only node, and has ended there by then.
fn ended(seconds: i64) -> Story {
    let mut story = Story::with_nodes(&["a"]);
    let mut pod = tool_bears("tool", "a", seconds);
    pod["spec"]["restartPolicy"] = json!("Never");
    story.asks(1, vec![item(Verb::Apply, &pod)]);
    let ends = observed(&story.only_pod(), "a", 1, PodPhase::Succeeded);
    assert_eq!(told(&story.at(2, vec![ends])), "");
    story
}

/// What the ledger names as the cause of the first stop.
fn why_stopped(outcome: &Outcome) -> String {
    let stop = outcome.ledger().into_iter().find(|decision| decision.action == Action::Stop);
    stop.expect("one stops").causes[0].text.clone()
}

fn on(story: &Story, node: &str) -> usize {
    story.placed.values().filter(|name| *name == node).count()
}

fn taints_of(outcome: &Outcome) -> Vec<Value> {
    let node = outcome.resources.iter().find(|(key, _)| &*key.kind.kind == "Node");
    let body = node.and_then(|(_, node)| node.as_ref()).map(|node| node.body.clone());
    let body: Value = serde_json::from_str(&body.unwrap_or_default()).expect("JSON");
    body["spec"]["taints"].as_array().cloned().unwrap_or_default()
}

#[test]
fn who_does_not_bear_a_taint_leaves_at_once_and_comes_elsewhere() {
    let mut story = Story::with_nodes(&["a", "b"]);
    story.asks(1, vec![item(Verb::Apply, &deployment("default", "web", 2, 100, "v1"))]);
    let daemons = vec![item(Verb::Apply, &daemon_set("default", "logger", 100, "v1"))];
    assert_eq!(told(&story.asks(2, daemons)), "Accept 1, Place 2");
    story.all_run(3);
    assert_eq!((on(&story, "a"), on(&story, "b")), (2, 2));

    let outcome = story.asks(1_001, tainted("a", &[("out", None)]));
    assert_eq!(told(&outcome), "Accept 1, Place 1, Stop 2");
    let why = "it does not bear the taint out=x:NoExecute of its node a";
    assert_eq!(reason(&outcome, Action::Stop), why);
    assert_eq!(taints_of(&outcome)[0]["timeAdded"], "1970-01-01T00:00:02Z", "rounded up");
    assert_eq!((on(&story, "a"), on(&story, "b")), (0, 3));
    assert_eq!(told(&story.asks(5_000, tainted("a", &[]))), "Accept 1, Place 1", "a daemon again");
}

#[test]
fn who_bears_a_taint_for_some_seconds_leaves_after_them() {
    let mut story = Story::with_nodes(&["a", "b"]);
    story.asks(1, web_bears(Some(10)));
    story.all_run(2);
    story.renew(5_000, &["a", "b"]);
    assert_eq!(told(&story.asks(6_000, tainted("a", &[("out", None)]))), "Accept 1");
    // Said again without the time, it is as old as before.
    let again = story.asks(9_000, tainted("a", &[("out", None)]));
    assert!(again.resources.is_empty(), "nothing changes");
    story.renew(10_000, &["a", "b"]);
    assert_eq!(told(&story.at(15_999, vec![])), "");
    let outcome = story.at(16_000, vec![]);
    assert_eq!(told(&outcome), "Stop 1, Wait 1", "the other node is full");
    assert_eq!(on(&story, "b"), 1);
}

#[test]
fn the_cause_is_the_request_that_brought_the_taint_and_later_the_node_as_it_was_heard_last() {
    let mut story = Story::with_nodes(&["a", "b"]);
    story.asks(1, web_bears(Some(10)));
    let at_once =
        story.asks(2, vec![item(Verb::Apply, &deployment("default", "db", 1, 100, "v1"))]);
    let db = at_once.placements[0].node.to_string();
    story.all_run(3);
    story.renew(5_000, &["a", "b"]);
    let outcome = story.asks(6_000, tainted(&db, &[("out", None)]));
    assert_eq!(why_stopped(&outcome), format!("tester asks to MergePatch Node {db}"));
    story.renew(10_000, &["a", "b"]);
    // Who asks for something else of the node meanwhile is not the cause.
    let cordon = json!({"spec": {"unschedulable": true}});
    let cordon = vec![patch(Verb::MergePatch, ("v1", "Node"), "", &db, &cordon)];
    let outcome = story.asks(16_000, cordon);
    let why = format!(
        "node {db} renewed its lease (#10001); its resource bears out=x:NoExecute since \
         1970-01-01T00:00:06Z"
    );
    assert_eq!(why_stopped(&outcome), why);
}

#[test]
fn a_pod_that_lives_again_leaves_as_if_it_had_never_ended() {
    for (lives, complete) in
        [(PodPhase::Gone, true), (PodPhase::Running, true), (PodPhase::Gone, false)]
    {
        let mut story = ended(0);
        assert_eq!(told(&story.asks(3, tainted("a", &[("out", None)]))), "Accept 1");
        let again = observed(&story.only_pod(), "a", 2, lives);
        let epoch = Epoch { complete, ..story.epoch(4, vec![again]) };
        let mut decided = vec![told(&story.decide(epoch))];
        decided.push(told(&story.at(5, vec![])));
        decided.retain(|told| !told.is_empty());
        assert_eq!(decided, ["Stop 1, Wait 1"], "{lives:?} {complete}");

        let mut story = ended(10);
        story.asks(6_000, tainted("a", &[("out", None)]));
        let again = observed(&story.only_pod(), "a", 2, lives);
        let epoch = Epoch { complete, ..story.epoch(7_000, vec![again]) };
        assert_eq!(told(&story.decide(epoch)), "");
        story.renew(10_000, &["a"]);
        assert_eq!(told(&story.at(15_999, vec![])), "");
        assert!(told(&story.at(16_000, vec![])).contains("Stop 1"), "{lives:?} {complete}");
    }
}

#[test]
fn nodes_are_left_in_the_order_of_their_names_whoever_had_to_leave_first() {
    let mut story = Story::with_nodes(&["a", "b"]);
    let first = tool_bears("first", "a", 4);
    let others = [tool_bears("second", "a", 7), tool_bears("other", "b", 5)];
    let all = [&first].into_iter().chain(&others).map(|pod| item(Verb::Apply, pod)).collect();
    story.asks(1_000, all);
    story.all_run(1_001);
    for node in ["a", "b"] {
        story.asks(2_000, tainted(node, &[("out", Some("1970-01-01T00:00:00Z"))]));
    }
    story.asks(4_000, vec![item(Verb::Delete, &first)]);
    story.renew(4_500, &["a", "b"]);
    // Whose times these were is gone on one node, and an engine from the checkpoint does not know it.
    let stops = story.at(10_000, vec![]).ledger().into_iter();
    let left: Vec<String> =
        stops.filter(|d| d.action == Action::Stop).map(|decision| decision.node).collect();
    assert_eq!(left, ["a", "b"]);
}

#[test]
fn a_daemon_stays_on_a_node_that_is_away_whatever_time_its_template_says() {
    let mut story = Story::with_nodes(&["a", "b"]);
    let mut daemons = daemon_set("default", "logger", 100, "v1");
    daemons["spec"]["template"]["spec"]["tolerations"] = json!([{"operator": "Exists",
        "key": "node.kubernetes.io/unreachable", "effect": "NoExecute", "tolerationSeconds": 1}]);
    story.asks(1, vec![item(Verb::Apply, &daemons)]);
    story.all_run(2);
    let away = ["not-ready", "unreachable"].map(|mark| format!("node.kubernetes.io/{mark}"));
    let body = away.map(|key| json!({"key": key, "effect": "NoExecute"}));
    let body = json!({"spec": {"taints": body}});
    let outcome = story.asks(3, vec![patch(Verb::MergePatch, ("v1", "Node"), "", "a", &body)]);
    assert_eq!(told(&outcome), "Accept 1");
    story.renew(5_000, &["a", "b"]);
    assert_eq!(told(&story.at(6_000, vec![])), "");
}

#[test]
fn a_taint_that_goes_in_time_moves_nobody_and_one_borne_for_ever_neither() {
    let mut story = Story::with_nodes(&["a", "b"]);
    story.asks(1, web_bears(Some(10)));
    story.all_run(2);
    story.renew(5_000, &["a", "b"]);
    story.asks(6_000, tainted("a", &[("out", None)]));
    story.asks(7_000, tainted("a", &[]));
    story.renew(15_000, &["a", "b"]);
    assert_eq!(told(&story.at(17_000, vec![])), "");

    let mut story = Story::with_nodes(&["a", "b"]);
    story.asks(1, web_bears(None));
    story.all_run(2);
    story.asks(3, tainted("a", &[("out", Some("1970-01-01T00:00:00Z"))]));
    story.renew(10_000, &["a", "b"]);
    assert_eq!(told(&story.at(12_000, vec![])), "");
}

#[test]
fn a_pod_that_comes_to_a_tainted_node_stays_for_its_seconds_from_then_on() {
    let mut story = Story::with_nodes(&["a", "b"]);
    story.asks(1, tainted("a", &[("out", Some("1970-01-01T00:00:00Z"))]));
    story.asks(5_000, web_bears(Some(4)));
    story.all_run(5_001);
    assert_eq!((on(&story, "a"), on(&story, "b")), (1, 1));
    story.renew(5_002, &["a", "b"]);
    assert_eq!(told(&story.at(8_999, vec![])), "");
    assert_eq!(told(&story.at(9_000, vec![])), "Stop 1, Wait 1");
}

#[test]
fn a_pod_that_names_its_node_waits_while_it_would_have_to_leave_at_once() {
    let mut story = Story::with_nodes(&["a", "b"]);
    let mut pod = bare_pod("default", "tool", 100, "v1");
    pod["spec"]["nodeName"] = json!("a");
    story.asks(1, vec![item(Verb::Apply, &pod)]);
    story.all_run(2);
    let outcome = story.asks(3, tainted("a", &[("out", None)]));
    assert_eq!(told(&outcome), "Accept 1, Stop 1, Wait 1");
    let waiting: Vec<&str> = story.waiting.values().map(|pod| &*pod.reason).collect();
    assert!(
        matches!(waiting[..], [why] if why.contains("untolerated taint {out: x}")),
        "{waiting:?}"
    );
}
