//! Pods that failed for good: replaced elsewhere, after waits that their workload chooses.

use serde_json::json;
use setpoint_dataflow::Outcome;
use setpoint_schemas::{Action, EVICTED, Input, Observation, PodObserved, PodPhase, Verb, samples};
use setpoint_tests::manifests::{daemon_set, deployment, item};

use crate::story::{Story, joins, node, observed, session, told};

/// One pod of a workload that says this of replacements, running on one of these nodes.
fn story(nodes: &[&str], says: &[(&str, &str)]) -> Story {
    let mut story = Story::with_nodes(nodes);
    let mut web = deployment("default", "web", 1, 100, "v1");
    for (name, value) in says {
        web["metadata"]["annotations"][format!("setpoint.dev/reschedule-{name}")] = json!(value);
    }
    story.asks(1, vec![item(Verb::Apply, &web)]);
    story
}

/// The only pod fails for good.
fn fails(story: &mut Story, ms: i64) -> Outcome {
    let uid = story.only_pod();
    let (node, sequence) = (story.placed[&uid].clone(), story.next_sequence());
    story.at(ms, vec![observed(&uid, &node, sequence, PodPhase::Failed)])
}

/// The only pod runs, and then its node evicts it.
fn is_evicted(story: &mut Story, ms: i64) -> Outcome {
    story.all_run(ms - 1);
    let uid = story.only_pod();
    let (on, sequence) = (story.placed[&uid].clone(), story.next_sequence());
    let observed = PodObserved {
        uid,
        node: node(&on),
        session: session(&on),
        sequence,
        phase: PodPhase::Failed,
        ready: false,
        reason: EVICTED.to_owned(),
        ..samples::pod_observed()
    };
    story.at(ms, vec![Input::Pod(Observation::of(&observed))])
}

#[test]
fn a_pod_that_starts_well_and_is_evicted_by_its_node_each_time_is_replaced_more_and_more_slowly() {
    let mut story = Story::with_living_nodes(&["a", "b"]);
    story.asks(1, vec![item(Verb::Apply, &deployment("default", "web", 1, 100, "v1"))]);
    assert_eq!(told(&is_evicted(&mut story, 1_000)), "Place 1, Stop 1", "the first at once");
    assert_eq!(told(&is_evicted(&mut story, 2_000)), "Stop 1", "though it ran in between");
    story.at(7_000, vec![]);
    assert_eq!(told(&story.at(11_999, vec![])), "");
    assert_eq!(told(&story.at(12_000, vec![])), "Place 1");
    assert_eq!(told(&is_evicted(&mut story, 13_000)), "Stop 1");
    [18_000, 23_000, 28_000].into_iter().for_each(|ms| drop(story.at(ms, vec![])));
    assert_eq!(told(&story.at(32_999, vec![])), "");
    assert_eq!(told(&story.at(33_000, vec![])), "Place 1");
    story.all_run(33_001);
    assert_eq!(told(&fails(&mut story, 34_000)), "Place 1, Stop 1", "that is another row");
}

#[test]
fn a_leader_that_is_rebuilt_knows_how_often_pods_were_evicted_soon() {
    let mut story = Story::with_living_nodes(&["a", "b"]);
    story.asks(1, vec![item(Verb::Apply, &deployment("default", "web", 1, 100, "v1"))]);
    is_evicted(&mut story, 1_000);
    assert_eq!(told(&is_evicted(&mut story, 2_000)), "Stop 1");
    story.status(2_001, "apps/Deployment/default/web");
    let placements = story.compacted_placements();
    story.rebuilt(3_000, placements);
    story.at(8_000, vec![]);
    assert_eq!(told(&story.at(11_999, vec![])), "");
    assert_eq!(told(&story.at(12_000, vec![])), "Place 1");
    assert_eq!(told(&is_evicted(&mut story, 13_000)), "Stop 1");
    [18_000, 23_000, 28_000].into_iter().for_each(|ms| drop(story.at(ms, vec![])));
    assert_eq!(told(&story.at(32_999, vec![])), "", "twenty seconds, the row goes on");
    assert_eq!(told(&story.at(33_000, vec![])), "Place 1");
}

#[test]
fn who_held_out_before_it_was_evicted_is_replaced_at_once() {
    let mut story = story(&["a", "b"], &[("healthy-ms", "5000")]);
    assert_eq!(told(&is_evicted(&mut story, 1_000)), "Place 1, Stop 1");
    assert_eq!(told(&is_evicted(&mut story, 7_000)), "Place 1, Stop 1", "it lived for six seconds");
}

#[test]
fn a_pod_that_failed_is_replaced_on_another_node_as_long_as_there_is_one() {
    let mut story = story(&["a", "b", "c"], &[("backoff-ms", "1")]);
    let mut tried = Vec::new();
    for ms in [10, 20, 30] {
        tried.push(story.placed[&story.only_pod()].clone());
        fails(&mut story, ms);
        story.at(ms + 5, vec![]);
    }
    tried.sort();
    assert_eq!(tried, ["a", "b", "c"], "each node once");
    assert_eq!(
        story.placed.len(),
        1,
        "a preference, and no more: it is placed where it failed before"
    );
}

#[test]
fn replacements_wait_by_the_curve_of_the_workload_and_for_the_end_of_its_interval() {
    let says = [
        ("backoff-ms", "100"),
        ("backoff-factor", "1"),
        ("attempts", "2"),
        ("interval-ms", "5000"),
    ];
    let mut story = story(&["a", "b"], &says);
    assert_eq!(told(&fails(&mut story, 1_000)), "Place 1, Stop 1", "the first follows at once");
    assert_eq!(told(&fails(&mut story, 2_000)), "Stop 1");
    assert_eq!(told(&story.at(2_099, vec![])), "");
    assert_eq!(told(&story.at(2_100, vec![])), "Place 1");
    assert_eq!(told(&fails(&mut story, 3_000)), "Stop 1");
    assert_eq!(told(&story.at(5_999, vec![])), "", "it was the third within the interval");
    assert_eq!(told(&story.at(6_000, vec![])), "Place 1");
}

/// A workload without pods, the second of which failed at 2 s, waits as long for the next one when its leader is
/// rebuilt.
fn waits_though_rebuilt(story: &mut Story, key: &str) {
    story.status(2_001, key);
    let placements = story.compacted_placements();
    story.rebuilt(3_000, placements);
    assert!(story.placed.is_empty());
    story.at(8_000, vec![]);
    assert_eq!(told(&story.at(11_999, vec![])), "", "ten seconds from the second failure on");
    assert_eq!(told(&story.at(12_000, vec![])), "Place 1");
}

#[test]
fn a_leader_that_is_rebuilt_knows_how_often_pods_were_replaced_and_where_they_failed() {
    let mut story = Story::with_living_nodes(&["a", "b", "c"]);
    story.asks(1, vec![item(Verb::Apply, &deployment("default", "web", 1, 100, "v1"))]);
    let mut tried = Vec::new();
    for (ms, expected) in [(1_000, "Place 1, Stop 1"), (2_000, "Stop 1")] {
        tried.push(story.placed[&story.only_pod()].clone());
        assert_eq!(told(&fails(&mut story, ms)), expected);
    }
    waits_though_rebuilt(&mut story, "apps/Deployment/default/web");
    tried.push(story.placed[&story.only_pod()].clone());
    tried.sort();
    assert_eq!(tried, ["a", "b", "c"], "rather not where it failed");
    assert_eq!(told(&fails(&mut story, 13_000)), "Stop 1");
    [18_000, 23_000, 28_000].into_iter().for_each(|ms| drop(story.at(ms, vec![])));
    assert_eq!(told(&story.at(32_999, vec![])), "", "the row goes on");
    assert_eq!(told(&story.at(33_000, vec![])), "Place 1");
}

/// A DaemonSet on one node that lives, whose pod failed twice there: at 1 s and at 2 s.
fn daemon_that_failed_twice() -> Story {
    let mut story = Story::with_living_nodes(&["a"]);
    story.asks(1, vec![item(Verb::Apply, &daemon_set("default", "logger", 100, "v1"))]);
    assert_eq!(told(&fails(&mut story, 1_000)), "Place 1, Stop 1", "the first follows at once");
    assert_eq!(told(&fails(&mut story, 2_000)), "Stop 1");
    story
}

#[test]
fn a_pod_that_has_no_other_node_waits_for_its_own_and_those_of_other_nodes_do_not() {
    let mut story = daemon_that_failed_twice();
    assert_eq!(told(&story.at(3_000, vec![joins("b", 2_000)])), "Place 1", "on the new node");
    story.at(7_000, vec![]);
    assert_eq!(told(&story.at(11_999, vec![])), "", "ten seconds from the second failure on");
    assert_eq!(told(&story.at(12_000, vec![])), "Place 1");
    let mut on: Vec<&str> = story.placed.values().map(String::as_str).collect();
    on.sort_unstable();
    assert_eq!(on, ["a", "b"]);
}

#[test]
fn a_leader_that_is_rebuilt_keeps_a_daemon_set_waiting_where_it_failed() {
    let mut story = daemon_that_failed_twice();
    waits_though_rebuilt(&mut story, "apps/DaemonSet/default/logger");
}

#[test]
fn attempts_without_an_interval_are_refused_by_their_path() {
    let mut story = Story::with_nodes(&["a"]);
    let mut web = deployment("default", "web", 1, 100, "v1");
    web["metadata"]["annotations"] = json!({"setpoint.dev/reschedule-attempts": "3"});
    let outcome = story.asks(1, vec![item(Verb::Apply, &web)]);
    let said = &outcome.verdicts[0].items[0];
    let path = "metadata.annotations[setpoint.dev/reschedule-attempts]: it bounds nothing without";
    assert!(said.code == 422 && said.message.contains(path), "{said:?}");
}

#[test]
fn what_says_nothing_of_restarts_is_refused_with_its_place() {
    let mut story = Story::with_nodes(&["a"]);
    let mut web = deployment("default", "web", 1, 100, "v1");
    web["spec"]["template"]["metadata"]["annotations"] =
        json!({"setpoint.dev/restart-attempts": "few"});
    let outcome = story.asks(1, vec![item(Verb::Apply, &web)]);
    let said = &outcome.verdicts[0].items[0];
    let path = "spec.template.metadata.annotations[setpoint.dev/restart-attempts]";
    assert!(said.code == 422 && said.message.contains(path), "{said:?}");
    assert!(outcome.decisions.iter().all(|decision| decision.action() == Action::Refuse));
}
