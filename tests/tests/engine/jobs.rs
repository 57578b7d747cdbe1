//! Jobs: pods that end, until enough have ended well.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use setpoint_dataflow::{Outcome, Placed};
use setpoint_schemas::{
    COMPLETION_INDEX, ContainerObserved, ContainerState, Input, Observation, PodObserved, PodPhase,
    PodUid, Verb,
};
use setpoint_tests::manifests::{item, job, patch};

use crate::story::{Story, node, session, told};

const KEY: &str = "batch/Job/default/work";

/// The Job `work` with this said of it beside its template.
fn work(more: &Value) -> Value {
    job("default", "work", 100, more)
}

fn apply(story: &mut Story, ms: i64, more: &Value) -> Outcome {
    story.asks(ms, vec![item(Verb::Apply, &work(more))])
}

fn change(story: &mut Story, ms: i64, spec: &Value) -> Outcome {
    let body = json!({"spec": spec});
    let item = patch(Verb::MergePatch, ("batch/v1", "Job"), "default", "work", &body);
    story.asks(ms, vec![item])
}

/// A pod ends so, with this exit code of its container.
fn ends(story: &mut Story, uid: &PodUid, code: i32) -> Input {
    let phase = if code == 0 { PodPhase::Succeeded } else { PodPhase::Failed };
    let on = story.placed[uid].clone();
    let sequence = story.next_sequence();
    let container = ContainerObserved {
        name: "main".to_owned(),
        id: String::new(),
        image: String::new(),
        state: ContainerState::Terminated,
        ready: false,
        restarts: 0,
        exit_code: Some(code),
        reason: String::new(),
        message: String::new(),
        started_ms: 1,
        finished_ms: 2,
        started: true,
        last: None,
    };
    let sample = setpoint_schemas::samples::pod_observed();
    Input::Pod(Observation::of(&PodObserved {
        uid: uid.clone(),
        node: node(&on),
        session: session(&on),
        sequence,
        phase,
        ready: false,
        reason: String::new(),
        containers: vec![container],
        ..sample
    }))
}

/// The pods that have not been told to have ended, in order.
fn active(story: &Story, ended: &BTreeSet<PodUid>) -> Vec<PodUid> {
    story.placed.keys().filter(|uid| !ended.contains(uid)).cloned().collect()
}

/// All pods that run end so.
fn all_end(story: &mut Story, ms: i64, ended: &mut BTreeSet<PodUid>, code: i32) -> Outcome {
    let uids = active(story, ended);
    let words = uids.iter().map(|uid| ends(story, uid, code)).collect();
    ended.extend(uids);
    story.at(ms, words)
}

/// The conditions that hold, with their reasons.
fn conditions(status: &Value) -> String {
    let all = status["conditions"].as_array().cloned().unwrap_or_default();
    let text = |c: &Value, name: &str| c[name].as_str().unwrap_or_default().to_owned();
    let told = all.iter().filter(|c| c["status"] == "True");
    told.map(|c| format!("{} {}", text(c, "type"), text(c, "reason")))
        .collect::<Vec<_>>()
        .join(", ")
}

#[test]
fn a_job_runs_as_many_at_once_as_it_may_until_enough_succeeded() {
    let mut story = Story::with_living_nodes(&["a", "b"]);
    let mut ended = BTreeSet::new();
    let outcome = apply(&mut story, 1, &json!({"completions": 5, "parallelism": 2}));
    assert_eq!(told(&outcome), "Accept 1, Place 2");
    let status = story.status(2, KEY);
    assert_eq!((&status["active"], &status["ready"]), (&json!(2), &json!(0)));
    assert!(status["startTime"].is_string());
    for succeeded in [2, 4] {
        let outcome = all_end(&mut story, 10 * succeeded, &mut ended, 0);
        let left = (5 - succeeded).min(2);
        assert_eq!(outcome.placements.len() as i64, 2 + left, "those that finished, and new ones");
        assert_eq!(story.status(10 * succeeded + 1, KEY)["succeeded"], succeeded);
    }
    let outcome = all_end(&mut story, 60, &mut ended, 0);
    let is_told = outcome.resources.iter().any(|(key, r)| {
        key.to_string() == KEY && r.as_ref().is_some_and(|r| r.status.contains("Complete"))
    });
    assert!(is_told, "it is told in the very epoch");
    let status = story.status(61, KEY);
    assert_eq!(
        conditions(&status),
        "SuccessCriteriaMet CompletionsReached, Complete CompletionsReached"
    );
    assert_eq!((&status["succeeded"], &status["active"]), (&json!(5), &Value::Null));
    assert!(status["completionTime"].is_string());
    assert_eq!(story.placed.len(), 5, "finished pods stay to be seen");
    assert_eq!(told(&story.at(1_000_000, vec![])), "", "and nothing follows any more");
    let delete = patch(Verb::Delete, ("batch/v1", "Job"), "default", "work", &json!({}));
    assert_eq!(told(&story.asks(1_000_001, vec![delete])), "Accept 1, Stop 5");
}

#[test]
fn pods_that_finished_hold_no_room() {
    let mut story = Story::with_living_nodes(&["a"]);
    let mut ended = BTreeSet::new();
    // One pod fills the node.
    let big = job("default", "work", 2_000, &json!({"completions": 3}));
    let outcome = story.asks(1, vec![item(Verb::Apply, &big)]);
    assert_eq!(told(&outcome), "Accept 1, Place 1");
    for ms in [10, 20] {
        assert_eq!(told(&all_end(&mut story, ms, &mut ended, 0)), "Place 1");
    }
    all_end(&mut story, 30, &mut ended, 0);
    assert_eq!(conditions(&story.status(31, KEY)).matches("Complete").count(), 1);
    let web = crate::story::web(20, "v1");
    assert_eq!(told(&story.asks(40, web)), "Accept 1, Place 20", "the node is free");
}

#[test]
fn failed_pods_are_replaced_after_a_growing_pause_until_there_are_too_many() {
    let mut story = Story::with_living_nodes(&["a"]);
    let mut ended = BTreeSet::new();
    apply(&mut story, 1, &json!({"backoffLimit": 2}));
    let mut now = 1_000;
    for pause_ms in [10_000, 20_000] {
        let outcome = all_end(&mut story, now, &mut ended, 1);
        assert_eq!(told(&outcome), "", "it waits");
        assert!(outcome.due_ms.is_some_and(|due_ms| due_ms <= now + pause_ms), "and is looked at");
        now += pause_ms;
        assert_eq!(told(&story.at(now - 1, vec![])), "");
        assert_eq!(told(&story.at(now, vec![])), "Place 1");
    }
    assert_eq!(told(&all_end(&mut story, now + 1, &mut ended, 1)), "Rollout 1");
    let status = story.status(now + 2, KEY);
    let reason = "BackoffLimitExceeded";
    assert_eq!(conditions(&status), format!("FailureTarget {reason}, Failed {reason}"));
    assert_eq!(status["failed"], 3);
    assert_eq!(status["completionTime"], Value::Null, "only of one that succeeded");
}

#[test]
fn indexes_are_given_once_each_and_tried_again_when_they_fail() {
    let mut story = Story::with_living_nodes(&["a", "b"]);
    let indexed = json!({"completions": 3, "parallelism": 3, "completionMode": "Indexed"});
    let outcome = apply(&mut story, 1, &indexed);
    let index = |change: &setpoint_dataflow::PlacementChange| {
        let placement = change.placement.as_ref().expect("placed");
        let pattern = &placement.pattern;
        assert_eq!(pattern.labels[COMPLETION_INDEX], pattern.annotations[COMPLETION_INDEX]);
        assert!(pattern.spec.contains("JOB_COMPLETION_INDEX"));
        let index = pattern.annotations[COMPLETION_INDEX].clone();
        assert!(placement.name.as_str().starts_with(&format!("work-{index}-")), "{placement:?}");
        (index, change.uid.clone())
    };
    let mut pods: Vec<(String, PodUid)> = outcome.placements.iter().map(index).collect();
    pods.sort();
    let indexes: Vec<&str> = pods.iter().map(|(index, _)| index.as_str()).collect();
    assert_eq!(indexes, ["0", "1", "2"]);
    let words = vec![ends(&mut story, &pods[0].1, 0), ends(&mut story, &pods[1].1, 1)];
    story.at(100, words);
    let again = story.at(10_100, vec![]);
    let again: Vec<String> = again.placements.iter().map(|change| index(change).0).collect();
    assert_eq!(again, ["1"], "and no other");
    let word = ends(&mut story, &pods[2].1, 0);
    story.at(10_200, vec![word]);
    let status = story.status(10_300, KEY);
    assert_eq!((&status["completedIndexes"], &status["succeeded"]), (&json!("0,2"), &json!(2)));
    assert_eq!(conditions(&status), "");
}

#[test]
fn an_index_has_a_limit_of_its_own() {
    let mut story = Story::with_living_nodes(&["a"]);
    let mut ended = BTreeSet::new();
    let limited = json!({"completions": 2, "parallelism": 2, "completionMode": "Indexed",
        "backoffLimitPerIndex": 1});
    apply(&mut story, 1, &limited);
    let pods = active(&story, &ended);
    let words: Vec<Input> = vec![ends(&mut story, &pods[0], 1), ends(&mut story, &pods[1], 0)];
    ended.extend(pods);
    story.at(100, words);
    assert_eq!(told(&story.at(10_100, vec![])), "Place 1", "it is tried once more");
    assert_eq!(told(&all_end(&mut story, 10_200, &mut ended, 1)), "Rollout 1");
    let status = story.status(10_300, KEY);
    assert_eq!(conditions(&status), "FailureTarget FailedIndexes, Failed FailedIndexes");
    assert_eq!(status["failed"], 2);
    let failed = status["failedIndexes"].as_str().unwrap_or_default();
    assert_ne!(failed, status["completedIndexes"].as_str().unwrap_or_default());
    assert_eq!(failed.len(), 1);
}

#[test]
fn a_policy_says_what_failures_mean() {
    let policy = json!({"podFailurePolicy": {"rules": [
        {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}},
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]},
    ]}, "backoffLimit": 0, "completions": 2, "parallelism": 2});
    let mut story = Story::with_living_nodes(&["a", "b", "c"]);
    apply(&mut story, 1, &policy);
    // A pod that leaves for a taint did not fail by itself.
    let pods = active(&story, &BTreeSet::new());
    let on = story.placed[&pods[0]].clone();
    let taint = json!({"spec": {"taints": [{"key": "out", "effect": "NoExecute"}]}});
    let tainted = story.asks(10, vec![patch(Verb::MergePatch, ("v1", "Node"), "", &on, &taint)]);
    assert!(told(&tainted).contains("Stop"), "{}", told(&tainted));
    assert_eq!(conditions(&story.status(20, KEY)), "");
    let word = {
        let left = active(&story, &BTreeSet::new());
        ends(&mut story, &left[0], 42)
    };
    story.at(30, vec![word]);
    let status = story.status(40, KEY);
    assert!(conditions(&status).starts_with("FailureTarget PodFailurePolicy"), "{status}");
    let message = status["conditions"][0]["message"].as_str().unwrap_or_default();
    let end = "container main failed with exit code 42 matching FailJob rule at index 0";
    assert!(message.ends_with(end), "{message}");
}

#[test]
fn a_deadline_ends_it_and_a_time_to_live_deletes_it() {
    let mut story = Story::with_living_nodes(&["a"]);
    let bounded = json!({"activeDeadlineSeconds": 60, "ttlSecondsAfterFinished": 30});
    apply(&mut story, 1_000, &bounded);
    let uid = story.only_pod();
    assert_eq!(told(&story.at(60_999, vec![])), "");
    assert_eq!(told(&story.at(61_000, vec![])), "Stop 1");
    let status = story.status(61_001, KEY);
    assert_eq!(conditions(&status), "FailureTarget DeadlineExceeded", "its pod still stops");
    story.at(65_000, vec![crate::story::has("a", 1_000, &[])]);
    assert!(!story.placed.contains_key(&uid));
    let reason = "DeadlineExceeded";
    let status = story.status(65_001, KEY);
    assert_eq!(conditions(&status), format!("FailureTarget {reason}, Failed {reason}"));
    assert_eq!(told(&story.at(94_999, vec![])), "");
    let outcome = story.at(95_000, vec![]);
    let is_gone = outcome.resources.iter().any(|(key, r)| key.to_string() == KEY && r.is_none());
    assert!(is_gone, "{:?}", outcome.resources);
}

#[test]
fn a_suspended_job_has_no_pods_and_goes_on_where_it_was() {
    let mut story = Story::with_living_nodes(&["a"]);
    let mut ended = BTreeSet::new();
    apply(&mut story, 1, &json!({"completions": 3, "parallelism": 2}));
    let first = active(&story, &ended)[0].clone();
    let word = ends(&mut story, &first, 0);
    ended.insert(first);
    story.at(10, vec![word]);
    assert_eq!(told(&change(&mut story, 20, &json!({"suspend": true}))), "Accept 1, Stop 2");
    let status = story.status(21, KEY);
    assert_eq!(conditions(&status), "Suspended JobSuspended");
    assert_eq!((&status["startTime"], &status["succeeded"]), (&Value::Null, &json!(1)));
    assert_eq!(status["failed"], Value::Null, "who goes for it has not failed");
    assert_eq!(told(&change(&mut story, 30, &json!({"suspend": false}))), "Accept 1, Place 2");
    all_end(&mut story, 40, &mut ended, 0);
    let status = story.status(41, KEY);
    let reached = "SuccessCriteriaMet CompletionsReached";
    assert_eq!(conditions(&status), reached, "who was suspended still stops");
    assert_eq!(status["succeeded"], 3);
}

#[test]
fn a_pod_that_waits_for_the_last_of_a_failed_one_is_not_started_before() {
    let mut story = Story::with_living_nodes(&["a"]);
    apply(&mut story, 1, &json!({"podReplacementPolicy": "Failed"}));
    let uid = story.only_pod();
    let placements = story.engine.everything().placements;
    let name = placements[0].placement.as_ref().expect("placed").name.to_string();
    let delete = patch(Verb::Delete, ("v1", "Pod"), "default", &name, &json!({}));
    assert_eq!(told(&story.asks(10, vec![delete])), "Accept 1, Stop 1");
    assert_eq!(story.status(11, KEY)["terminating"], 1);
    assert_eq!(told(&story.at(20_000, vec![])), "", "the pause is over, and it still stops");
    let gone = crate::story::observed(&uid, "a", 2_000, PodPhase::Gone);
    assert_eq!(told(&story.at(20_001, vec![gone])), "Place 1");
    assert_eq!(story.status(20_002, KEY)["failed"], 1, "who is deleted counts as failed");
}

#[test]
fn a_finished_pod_is_counted_once_whatever_is_said_of_it_later() {
    let mut story = Story::with_living_nodes(&["a"]);
    let mut ended = BTreeSet::new();
    apply(&mut story, 1, &json!({"completions": 2}));
    let uid = story.only_pod();
    all_end(&mut story, 10, &mut ended, 0);
    let again = ends(&mut story, &uid, 0);
    assert_eq!(told(&story.at(20, vec![again])), "");
    let sequence = story.next_sequence();
    let lives = crate::story::observed(&uid, "a", sequence, PodPhase::Running);
    story.at(30, vec![lives]);
    let sequence = story.next_sequence();
    story.at(40, vec![crate::story::observed(&uid, "a", sequence, PodPhase::Gone)]);
    assert_eq!(story.status(50, KEY)["succeeded"], 1);
    assert!(story.placed.contains_key(&uid), "it stays to be seen");
    let restart = |story: &mut Story| {
        let all = story.engine.everything().placements;
        let placement = all.iter().find(|c| c.uid == uid).and_then(|c| c.placement.clone());
        let name = placement.expect("placed").name.to_string();
        patch(Verb::RestartPod, ("v1", "Pod"), "default", &name, &json!({}))
    };
    let item = restart(&mut story);
    assert_eq!(told(&story.asks(60, vec![item])), "Refuse 1");
}

#[test]
fn only_the_latest_of_very_many_finished_pods_are_kept() {
    let names: Vec<String> = (0..20).map(|number| format!("n{number:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut story = Story::with_living_nodes(&names);
    let mut ended = BTreeSet::new();
    let small = job("default", "work", 10, &json!({"completions": 1_200, "parallelism": 400}));
    story.asks(1, vec![item(Verb::Apply, &small)]);
    // As many at once as the nodes have room for.
    let mut round = 0;
    while story.status(10 * round + 5, KEY)["succeeded"] != 1_200 {
        round += 1;
        assert!(round < 100, "it comes to its end");
        all_end(&mut story, 10 * round, &mut ended, 0);
    }
    assert!((900..=1_000).contains(&story.placed.len()), "{} of 1,200", story.placed.len());
}

#[test]
fn a_leader_without_any_memory_counts_no_pod_twice() {
    let mut story = Story::with_living_nodes(&["a"]);
    let mut ended = BTreeSet::new();
    let limited = json!({"completions": 4, "parallelism": 2, "completionMode": "Indexed",
        "backoffLimitPerIndex": 3});
    apply(&mut story, 1, &limited);
    let pods = active(&story, &ended);
    let words = vec![ends(&mut story, &pods[0], 0), ends(&mut story, &pods[1], 1)];
    ended.extend(pods);
    story.at(100, words);
    let before = story.status(200, KEY);
    let placed: Vec<Placed> = story.compacted_placements();
    let outcome = story.rebuilt(300, placed);
    let after = story.status(301, KEY);
    for field in ["succeeded", "failed", "completedIndexes", "failedIndexes", "startTime"] {
        assert_eq!(before[field], after[field], "{field}");
    }
    assert!(!told(&outcome).contains("Stop"), "{}", told(&outcome));
}
