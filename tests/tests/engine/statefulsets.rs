//! StatefulSets: identities in order, and at most one pod of each.

use serde_json::{Value, json};
use setpoint_dataflow::{Epoch, Outcome};
use setpoint_schemas::{
    FENCE_LABEL, Input, NodeRecord, PodPhase, PodUid, Policy, RUNTIME_LABEL, SessionId, Verb,
};
use setpoint_tests::manifests::{self, item, patch, stateful_set};

use crate::story::{Story, has, node, observed, session};

const KEY: &str = "apps/StatefulSet/default/db";
/// What the nodes of these stories promise.
const PROMISE_MS: i64 = 20_000;

fn db(replicas: i64, image: &str) -> Value {
    stateful_set("default", "db", replicas, 100, image)
}

fn apply(story: &mut Story, ms: i64, set: &Value) -> Outcome {
    story.asks(ms, vec![item(Verb::Apply, set)])
}

/// The placed pods by name, each with its node and its image.
fn pods(story: &Story) -> String {
    let mut told: Vec<String> = story
        .engine
        .everything()
        .placements
        .iter()
        .filter_map(|change| change.placement.clone())
        .map(|placement| {
            let spec: Value = serde_json::from_str(&placement.pattern.spec).expect("JSON");
            let image = spec["containers"][0]["image"].as_str().unwrap_or("").to_owned();
            format!("{} {} {image}", placement.name, placement.node)
        })
        .collect();
    told.sort();
    told.join(", ")
}

fn names(story: &Story) -> String {
    let told = pods(story);
    let names: Vec<&str> = told.split(", ").filter_map(|pod| pod.split(' ').next()).collect();
    names.join(" ")
}

fn uid_of(story: &Story, name: &str) -> PodUid {
    let all = story.engine.everything().placements;
    let found = all.iter().filter_map(|c| c.placement.as_ref()).find(|p| p.name.as_str() == name);
    found.expect("it is placed").uid.clone()
}

/// The node's agent says that nothing is left of a pod.
fn gone(story: &mut Story, ms: i64, uid: &PodUid, on: &str) -> Outcome {
    story.at(ms, vec![observed(uid, on, 1_000 + ms, PodPhase::Gone)])
}

/// A node of this life and runtime that promises to end such pods.
fn promises(name: &str, life: i64, runtime: &str) -> Input {
    let id = SessionId::parse(&format!("{name}-s{life}")).expect("a session");
    let mut record = manifests::node(&node(name), &id, 2_000);
    record.started_ms = life;
    record.labels.insert(FENCE_LABEL.to_owned(), PROMISE_MS.to_string());
    record.labels.insert(RUNTIME_LABEL.to_owned(), runtime.to_owned());
    Input::Node(Box::new(record))
}

/// Two nodes, of which the first promises to end such pods, and a set of one on the first.
fn on_the_first(promise: bool) -> (Story, PodUid) {
    let policy = Policy { mass_loss_nodes: 5, ..Policy::default() };
    let mut story = Story::with_policy(&["n1"], policy);
    if promise {
        story.at(1, vec![promises("n1", 1, "r1")]);
    }
    apply(&mut story, 10, &db(1, "db:1"));
    story.all_run(20);
    assert_eq!(names(&story), "db-0");
    let uid = story.only_pod();
    story.at(30, vec![crate::story::joins("n2", 2_000)]);
    (story, uid)
}

/// Keeps the second node alive until then, while the first is silent.
fn until(story: &mut Story, from_ms: i64, to_ms: i64) {
    let mut ms = from_ms;
    while ms < to_ms {
        ms = (ms + 2_000).min(to_ms);
        story.renew(ms, &["n2"]);
    }
}

#[test]
fn pods_come_in_order_with_names_hostnames_and_labels() {
    let mut story = Story::with_nodes(&["n1"]);
    apply(&mut story, 10, &db(3, "db:1"));
    assert_eq!(names(&story), "db-0");
    story.all_run(20);
    assert_eq!(names(&story), "db-0 db-1");
    story.all_run(30);
    story.all_run(40);
    assert_eq!(names(&story), "db-0 db-1 db-2");
    let all = story.engine.everything().placements;
    let second =
        all.iter().filter_map(|c| c.placement.as_ref()).find(|p| p.name.as_str() == "db-1");
    let second = second.expect("it is placed");
    assert!(second.at_most_one);
    let spec: Value = serde_json::from_str(&second.pattern.spec).expect("JSON");
    assert_eq!((&spec["hostname"], &spec["subdomain"]), (&json!("db-1"), &json!("db")));
    let labels = &second.pattern.labels;
    assert_eq!(labels["statefulset.kubernetes.io/pod-name"], "db-1");
    assert_eq!(labels["apps.kubernetes.io/pod-index"], "1");
    assert!(labels["controller-revision-hash"].starts_with("db-"), "{labels:?}");
    let status = story.status(50, KEY);
    let count = |field: &str| status[field].as_i64();
    assert_eq!(count("replicas").zip(count("readyReplicas")), Some((3, 3)));
    assert_eq!(count("currentReplicas").zip(count("updatedReplicas")), Some((3, 3)));
    assert_eq!(status["currentRevision"], status["updateRevision"]);
    assert_eq!(status["updateRevision"], json!(labels["controller-revision-hash"]));
}

#[test]
fn a_parallel_set_comes_at_once_and_numbers_begin_where_it_says() {
    let mut story = Story::with_nodes(&["n1"]);
    let mut set = db(3, "db:1");
    set["spec"]["podManagementPolicy"] = json!("Parallel");
    set["spec"]["ordinals"] = json!({"start": 5});
    apply(&mut story, 10, &set);
    assert_eq!(names(&story), "db-5 db-6 db-7");
}

#[test]
fn a_set_shrinks_from_the_last_and_waits_for_each() {
    let mut story = Story::with_nodes(&["n1"]);
    apply(&mut story, 10, &db(3, "db:1"));
    (20..50).step_by(10).for_each(|ms| drop(story.all_run(ms)));
    let last = uid_of(&story, "db-2");
    let scale = |n: i64| {
        patch(
            Verb::MergePatch,
            ("apps/v1", "StatefulSet"),
            "default",
            "db",
            &json!({"spec": {"replicas": n}}),
        )
    };
    story.asks(60, vec![scale(1)]);
    assert_eq!(names(&story), "db-0 db-1", "one at a time");
    gone(&mut story, 70, &last, "n1");
    assert_eq!(names(&story), "db-0");
}

#[test]
fn an_update_goes_from_the_last_and_replaces_each_when_it_is_gone() {
    let mut story = Story::with_nodes(&["n1"]);
    apply(&mut story, 10, &db(2, "db:1"));
    (20..50).step_by(10).for_each(|ms| drop(story.all_run(ms)));
    let last = uid_of(&story, "db-1");
    apply(&mut story, 60, &db(2, "db:2"));
    assert_eq!(pods(&story), "db-0 n1 db:1", "nothing comes before the last one is gone");
    let status = story.status(65, KEY);
    assert_ne!(status["currentRevision"], status["updateRevision"]);
    assert_eq!((&status["currentReplicas"], &status["updatedReplicas"]), (&json!(1), &json!(0)));
    gone(&mut story, 70, &last, "n1");
    assert_eq!(pods(&story), "db-0 n1 db:1, db-1 n1 db:2");
    let first = uid_of(&story, "db-0");
    story.all_run(80);
    assert_eq!(pods(&story), "db-1 n1 db:2");
    gone(&mut story, 90, &first, "n1");
    story.all_run(100);
    assert_eq!(pods(&story), "db-0 n1 db:2, db-1 n1 db:2");
    let status = story.status(110, KEY);
    assert_eq!(status["currentRevision"], status["updateRevision"], "the update is over");
}

#[test]
fn below_the_partition_a_pod_that_is_lost_comes_back_as_it_was() {
    let mut story = Story::with_nodes(&["n1"]);
    apply(&mut story, 10, &db(2, "db:1"));
    (20..50).step_by(10).for_each(|ms| drop(story.all_run(ms)));
    let mut next = db(2, "db:2");
    next["spec"]["updateStrategy"] = json!({"rollingUpdate": {"partition": 1}});
    let (first, last) = (uid_of(&story, "db-0"), uid_of(&story, "db-1"));
    apply(&mut story, 60, &next);
    gone(&mut story, 70, &last, "n1");
    story.all_run(80);
    assert_eq!(pods(&story), "db-0 n1 db:1, db-1 n1 db:2");
    let delete = patch(Verb::Delete, ("v1", "Pod"), "default", "db-0", &json!({}));
    story.asks(90, vec![delete]);
    gone(&mut story, 100, &first, "n1");
    assert_eq!(pods(&story), "db-0 n1 db:1, db-1 n1 db:2");
}

#[test]
fn a_snapshot_proves_a_stop_only_by_a_list_that_no_longer_names_the_pod() {
    let (mut story, uid) = on_the_first(false);
    let delete = patch(Verb::Delete, ("v1", "Pod"), "default", "db-0", &json!({}));
    story.asks(100, vec![delete]);
    let withdrawn = story.engine.number();
    let absent = |sequence: i64, epoch: i64| match has("n1", sequence, &[]) {
        Input::Snapshot(mut snapshot) => {
            snapshot.epoch = epoch;
            Input::Snapshot(snapshot)
        }
        other => other,
    };
    story.at(110, vec![absent(2_000, withdrawn - 1)]);
    assert_eq!(names(&story), "", "the agent may have been about to start it");
    story.at(120, vec![absent(2_001, withdrawn)]);
    assert_eq!(names(&story), "db-0");
    assert_ne!(uid_of(&story, "db-0"), uid);
}

#[test]
fn of_a_lost_node_that_promises_the_replacement_waits_until_the_promise_is_surely_over() {
    let (mut story, _) = on_the_first(true);
    // The promise, the drift of the clocks and half a grace after its session began.
    let over_ms = PROMISE_MS + 21 + 7_500;
    until(&mut story, 30, over_ms - 1);
    assert_eq!(names(&story), "", "it is lost, and may still run");
    let said = story.engine.explain(&setpoint_schemas::ResourceKey::parse(KEY).expect("a key"));
    let said = said.expect("it is there").reason;
    assert_eq!(
        said,
        "pod db-0 may still run on node n1, which is lost; it ends there by itself, which is waited for"
    );
    until(&mut story, over_ms - 1, over_ms);
    assert_eq!(pods(&story), "db-0 n2 db:1");
}

#[test]
fn a_leader_that_begins_all_leases_anew_waits_for_all_of_the_promise() {
    let (mut story, _) = on_the_first(true);
    until(&mut story, 30, 20_000);
    let epoch = Epoch { term: 2, renew_leases: true, ..story.epoch(20_001, vec![]) };
    story.decide(epoch);
    let over_ms = 20_001 + PROMISE_MS + 21 + 7_500;
    let mut ms = 20_001;
    while ms < over_ms - 1 {
        ms = (ms + 2_000).min(over_ms - 1);
        let lease = manifests::lease(&node("n2"), &session("n2"), ms + 1);
        let epoch = Epoch { term: 2, ..story.epoch(ms, vec![Input::Lease(lease)]) };
        story.decide(epoch);
    }
    assert_eq!(names(&story), "");
    let epoch = Epoch { term: 2, ..story.epoch(over_ms, vec![]) };
    story.decide(epoch);
    assert_eq!(pods(&story), "db-0 n2 db:1");
}

#[test]
fn of_a_lost_node_that_promises_nothing_somebody_must_speak() {
    for word in ["the node", "an operator", "a taint", "a deletion"] {
        let (mut story, uid) = on_the_first(false);
        until(&mut story, 30, 200_000);
        assert_eq!(names(&story), "", "{word}");
        let on_node = |verb, body: Value| patch(verb, ("v1", "Node"), "", "n1", &body);
        match word {
            "the node" => {
                story.renew(200_010, &["n1", "n2"]);
                gone(&mut story, 200_020, &uid, "n1");
            }
            "an operator" => {
                drop(story.asks(200_010, vec![on_node(Verb::ConfirmLost, json!({}))]));
            }
            "a taint" => {
                let taint = json!({"key": "node.kubernetes.io/out-of-service", "value": "off", "effect": "NoExecute"});
                let body = json!({"spec": {"taints": [taint]}});
                drop(story.asks(200_010, vec![on_node(Verb::MergePatch, body)]));
            }
            _ => drop(story.asks(200_010, vec![on_node(Verb::Delete, json!({}))])),
        }
        assert_eq!(names(&story), "db-0", "{word}");
    }
}

#[test]
fn another_runtime_under_the_same_name_proves_nothing() {
    let (mut story, uid) = on_the_first(true);
    story.at(100, vec![promises("n1", 2, "r2")]);
    let life = SessionId::parse("n1-s2").expect("a session");
    let Input::Snapshot(none) = has("n1", 1, &[]) else { unreachable!() };
    let none = setpoint_schemas::NodeSnapshot { session: life, ..*none };
    story.at(110, vec![Input::Snapshot(Box::new(none))]);
    assert_eq!(names(&story), "", "the former machine may still run it");
    story.renew(5_000, &["n2"]);
    let over_ms = 100 + PROMISE_MS + 21 + 7_500;
    until(&mut story, 5_000, over_ms + 10);
    assert_eq!(names(&story), "db-0");
    assert_ne!(uid_of(&story, "db-0"), uid);
}

#[test]
fn a_deleted_set_that_is_made_again_waits_for_the_ends_of_the_former_pods() {
    let mut story = Story::with_nodes(&["n1"]);
    apply(&mut story, 10, &db(1, "db:1"));
    story.all_run(20);
    let former = uid_of(&story, "db-0");
    story.asks(30, vec![item(Verb::Delete, &db(1, "db:1"))]);
    apply(&mut story, 40, &db(1, "db:2"));
    assert_eq!(names(&story), "");
    gone(&mut story, 50, &former, "n1");
    assert_eq!(pods(&story), "db-0 n1 db:2");
}

#[test]
fn who_waits_for_room_waits_under_its_name() {
    let mut story = Story::with_nodes(&["n1"]);
    let mut large = stateful_set("default", "db", 2, 1_500, "db:1");
    large["spec"]["podManagementPolicy"] = json!("Parallel");
    apply(&mut story, 10, &large);
    let waiting: Vec<&str> = story.waiting.values().map(|pod| pod.name.as_str()).collect();
    assert_eq!((names(&story).as_str(), waiting), ("db-0", vec!["db-1"]));
}

#[test]
fn readers_are_told_of_leases_only_where_a_pod_may_run_at_most_once() {
    let mut story = Story::with_nodes(&["n1", "n2"]);
    apply(&mut story, 10, &db(1, "db:1"));
    let on = story.placed.values().next().expect("one").clone();
    let other = if on == "n1" { "n2" } else { "n1" };
    let leases = |outcome: &Outcome| -> Vec<(String, Option<i64>)> {
        let served = outcome.served.iter().filter_map(|served| match served {
            setpoint_dataflow::Served::Node(name, Some(node)) => {
                Some((name.to_string(), node.lease))
            }
            _ => None,
        });
        served.collect()
    };
    assert!(leases(&story.renew(5_000, &[other])).is_empty());
    assert_eq!(leases(&story.renew(6_000, &[&on])), [(on.clone(), Some(6_001))]);
}

/// What a record of a node promises is read from its label, and nothing that is none.
#[test]
fn a_promise_is_a_number_of_milliseconds() {
    let of = |label: &str| {
        let mut record: NodeRecord = manifests::node(&node("n1"), &session("n1"), 1_000);
        record.labels.insert(FENCE_LABEL.to_owned(), label.to_owned());
        record.fenced_within_ms()
    };
    for (label, promised) in [("30000", Some(30_000)), ("0", None), ("-1", None), ("soon", None)] {
        assert_eq!(of(label), promised, "{label}");
    }
}
