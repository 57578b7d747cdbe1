//! Updates of StatefulSets and DaemonSets that fail: they go back, too, and what is broken keeps nobody from it.

use serde_json::{Value, json};
use setpoint_dataflow::Outcome;
use setpoint_schemas::{PodPhase, PodUid, RequestItem, Verb};
use setpoint_tests::manifests::{daemon_set, item, patch, stateful_set};

use crate::reverting::{BACK, MONITOR, all_well, bad_crash, condition, said};
use crate::story::{Story, observed, told};

const DB: &str = "apps/StatefulSet/default/db";
const LOG: &str = "apps/DaemonSet/default/log";
const DEADLINE: (&str, &str) = ("update-deadline-ms", "10000");

fn noted(mut object: Value, annotations: &[(&str, &str)]) -> Value {
    for (name, value) in annotations {
        object["metadata"]["annotations"][format!("setpoint.dev/{name}")] = json!(value);
    }
    object
}

fn db(replicas: i64, image: &str, annotations: &[(&str, &str)]) -> Value {
    noted(stateful_set("default", "db", replicas, 100, image), annotations)
}

fn log(image: &str, annotations: &[(&str, &str)]) -> Value {
    noted(daemon_set("default", "log", 100, image), annotations)
}

fn apply(object: &Value) -> Vec<RequestItem> {
    vec![item(Verb::Apply, object)]
}

/// The placed pods, each with its image: those of a DaemonSet by their nodes.
fn pods(story: &Story) -> String {
    let placed = story.compacted_placements().into_iter().map(|placed| placed.placement);
    let told = placed.map(|placement| {
        let spec: Value = serde_json::from_str(&placement.pattern.spec).expect("JSON");
        let image = spec["containers"][0]["image"].as_str().unwrap_or("").to_owned();
        let name = placement.name.to_string();
        let name = if placement.at_most_one { name } else { placement.node.to_string() };
        format!("{name} {image}")
    });
    let mut told: Vec<String> = told.collect();
    told.sort();
    told.join(", ")
}

fn uid_of(story: &Story, name: &str) -> PodUid {
    let mut placed = story.compacted_placements().into_iter().map(|placed| placed.placement);
    placed.find(|placement| placement.name.as_str() == name).expect("it is placed").uid
}

/// Nothing is left of a pod.
fn gone(story: &mut Story, ms: i64, uid: &PodUid) -> Outcome {
    let sequence = story.next_sequence();
    story.at(ms, vec![observed(uid, "n1", sequence, PodPhase::Gone)])
}

/// A set of so many pods of the image `v1`, all of them well, whose last pod has just made way for one of
/// another image.
fn updating(replicas: i64, annotations: &[(&str, &str)], next: &Value) -> Story {
    let mut story = Story::with_living_nodes(&["n1"]);
    story.asks(1, apply(&db(replicas, "v1", annotations)));
    for ms in 2..10 {
        all_well(&mut story, ms);
    }
    let last = uid_of(&story, &format!("db-{}", replicas - 1));
    assert_eq!(told(&story.asks(10, apply(next))), "Accept 1, Rollout 1, Stop 1");
    gone(&mut story, 11, &last);
    story
}

#[test]
fn a_set_whose_update_is_late_goes_back_though_its_broken_pod_was_never_ready() {
    let annotations = [BACK, DEADLINE];
    let mut story = updating(2, &annotations, &db(2, "bad", &annotations));
    assert_eq!(pods(&story), "db-0 v1, db-1 bad");
    bad_crash(&mut story, 12);
    story.at(5_000, vec![]);
    let broken = uid_of(&story, "db-1");
    let outcome = story.at(10_020, vec![]);
    let why = "revision 2 failed: it made no progress for 10 s; back to the template of revision 1";
    assert_eq!(said(&outcome, "auto_revert"), [why]);
    assert_eq!(pods(&story), "db-0 v1", "the broken pod makes way at once, and no other one");
    gone(&mut story, 10_021, &broken);
    assert_eq!(pods(&story), "db-0 v1, db-1 v1");
    all_well(&mut story, 10_022);
    let status = story.status(10_023, DB);
    let pinned = "True Reverted revision 2 failed: it made no progress for 10 s; revision 3 stays";
    assert_eq!(condition(&status, "Pinned"), pinned);
    assert!(condition(&status, "Progressing").starts_with("True NewRevisionAvailable"), "{status}");
    assert_eq!(status["currentRevision"], status["updateRevision"]);
    let verdicts = story.asks(10_024, apply(&db(2, "bad", &annotations))).verdicts;
    assert!(verdicts[0].items[0].message.starts_with("spec.template stays at revision 3"));
    assert_eq!(pods(&story), "db-0 v1, db-1 v1");
}

#[test]
fn a_set_is_judged_by_how_its_new_pods_begin_and_goes_back_or_stands_still() {
    let annotations = [BACK, MONITOR];
    let mut story = updating(2, &annotations, &db(2, "bad", &annotations));
    let outcome = bad_crash(&mut story, 12);
    let why = "revision 2 failed: 1 of 2 new pods failed as they began, the last: CrashLoopBackOff; \
               back to the template of revision 1";
    assert_eq!(said(&outcome, "auto_revert"), [why]);
    assert_eq!(pods(&story), "db-0 v1");

    let annotations = [("update-failure-action", "pause"), MONITOR];
    let mut story = updating(2, &annotations, &db(2, "bad", &annotations));
    let outcome = bad_crash(&mut story, 12);
    let why = "it stands still: 1 of 2 new pods failed as they began, the last: CrashLoopBackOff";
    assert_eq!(said(&outcome, "update_failed"), [why]);
    assert_eq!(told(&all_well(&mut story, 13)), "", "nothing more is replaced");
    let status = story.status(14, DB);
    assert!(condition(&status, "Progressing").starts_with("False UpdateFailed"), "{status}");
    // `rollout resume` pauses it and lets it go on.
    for (ms, paused, expected) in [(15, json!("true"), "Accept 1"), (16, Value::Null, "")] {
        let notes = json!({"metadata": {"annotations": {"setpoint.dev/update-paused": paused}}});
        let kind = ("apps/v1", "StatefulSet");
        let outcome = story.asks(ms, vec![patch(Verb::MergePatch, kind, "default", "db", &notes)]);
        assert!(expected.is_empty() || told(&outcome) == expected, "{}", told(&outcome));
    }
    assert_eq!(pods(&story), "db-1 bad", "the rest of the same is tried");
}

#[test]
fn below_the_partition_nothing_is_touched_on_the_way_there_and_back() {
    let annotations = [BACK, DEADLINE];
    let with_partition = |image: &str, partition: i64| {
        let mut set = db(3, image, &annotations);
        set["spec"]["updateStrategy"] = json!({"rollingUpdate": {"partition": partition}});
        set
    };
    let mut story = updating(3, &annotations, &with_partition("bad", 2));
    bad_crash(&mut story, 12);
    story.at(5_000, vec![]);
    let broken = uid_of(&story, "db-2");
    story.at(10_020, vec![]);
    assert_eq!(pods(&story), "db-0 v1, db-1 v1");
    gone(&mut story, 10_021, &broken);
    all_well(&mut story, 10_022);
    assert_eq!(pods(&story), "db-0 v1, db-1 v1, db-2 v1");

    // What a part of the pods proves is no proof for all: it is complete, and not late.
    let mut story = updating(3, &annotations, &with_partition("v2", 2));
    all_well(&mut story, 12);
    story.at(5_000, vec![]);
    story.at(10_000, vec![]);
    assert_eq!(told(&story.at(15_000, vec![])), "");
    let further = story.asks(15_001, apply(&with_partition("v2", 0)));
    assert_eq!(told(&further), "Accept 1, Stop 1");
    story.at(20_000, vec![]);
    let outcome = story.at(25_010, vec![]);
    let why = "revision 2 failed: it made no progress for 10 s; back to the template of revision 1";
    assert_eq!(said(&outcome, "auto_revert"), [why], "the rest of it is judged as well");
}

#[test]
fn a_daemon_set_goes_back_on_its_broken_node_and_leaves_the_others_alone() {
    for by in [DEADLINE, MONITOR] {
        let annotations = [BACK, by];
        let mut story = Story::with_living_nodes(&["a", "b"]);
        story.asks(1, apply(&log("v1", &annotations)));
        all_well(&mut story, 2);
        assert_eq!(
            told(&story.asks(3, apply(&log("bad", &annotations)))),
            "Accept 1, Place 1, Rollout 1, Stop 1"
        );
        let mut outcome = bad_crash(&mut story, 4);
        if by == DEADLINE {
            assert_eq!(told(&outcome), "", "one is missing, so no other goes");
        }
        story.at(5_000, vec![]);
        if by == DEADLINE {
            outcome = story.at(10_020, vec![]);
        }
        assert_eq!(said(&outcome, "auto_revert").len(), 1, "by {by:?}");
        assert_eq!(pods(&story), "a v1, b v1", "by {by:?}");
        let stopped = outcome.placements.iter().filter(|change| change.placement.is_none());
        assert_eq!(stopped.count(), 1, "the broken one only");
        all_well(&mut story, 10_021);
        let status = story.status(10_022, LOG);
        assert!(condition(&status, "Pinned").starts_with("True Reverted revision 2 failed"));
        assert_eq!(status["updatedNumberScheduled"], json!(2));
    }
}

#[test]
fn a_daemon_set_updates_as_many_at_once_as_may_be_missing_or_waits_for_deletions() {
    for (strategy, stops) in [
        (json!({"rollingUpdate": {"maxUnavailable": 2}}), 2),
        (json!({"rollingUpdate": {"maxUnavailable": "100%"}}), 3),
        (json!({"type": "OnDelete"}), 0),
    ] {
        let mut story = Story::with_living_nodes(&["a", "b", "c"]);
        let set = |image: &str| {
            let mut set = log(image, &[]);
            set["spec"]["updateStrategy"] = strategy.clone();
            set
        };
        story.asks(1, apply(&set("v1")));
        all_well(&mut story, 2);
        let outcome = story.asks(3, apply(&set("v2")));
        let stopped = outcome.placements.iter().filter(|change| change.placement.is_none());
        assert_eq!(stopped.count(), stops, "{strategy}");
    }
}

#[test]
fn a_leader_that_is_rebuilt_knows_which_revision_of_a_set_was_healthy_and_goes_back_to_it() {
    let annotations = [BACK, DEADLINE];
    let mut story = Story::with_living_nodes(&["a", "b"]);
    story.asks(1, apply(&log("v1", &annotations)));
    all_well(&mut story, 2);
    story.status(3, LOG);
    story.asks(4, apply(&log("bad", &annotations)));
    story.status(5, LOG);
    let placements = story.compacted_placements();
    story.rebuilt(6, placements);
    bad_crash(&mut story, 7);
    story.at(5_000, vec![]);
    let outcome = story.at(10_020, vec![]);
    assert_eq!(said(&outcome, "auto_revert").len(), 1);
    assert_eq!(pods(&story), "a v1, b v1");
}
