//! Claims that each pod of a StatefulSet has for itself: made with it, found again by it, and taken away
//! only where the set says so.

use serde_json::{Value, json};
use setpoint_dataflow::Outcome;
use setpoint_schemas::{PodPhase, PodUid, Policy, RequestItem, ResourceKey, Verb};
use setpoint_tests::manifests::{apart, claim, deployment, item, of_priority, patch, stateful_set};

use crate::story::{Story, observed};

const FIRST: &str = "core/PersistentVolumeClaim/default/data-db-0";
const SECOND: &str = "core/PersistentVolumeClaim/default/data-db-1";

/// A set whose pods have each a claim, and ask for so much of their node's two cores.
fn db(replicas: i64, cpu: i64) -> Value {
    let mut set = stateful_set("default", "db", replicas, cpu, "db:1");
    let data = claim("default", "data", "ReadWriteOnce");
    set["spec"]["volumeClaimTemplates"] =
        json!([{"metadata": {"name": "data"}, "spec": data["spec"]}]);
    set["spec"]["selector"] = json!({"matchLabels": {"app": "db"}});
    set
}

fn parallel(mut set: Value) -> Value {
    set["spec"]["podManagementPolicy"] = json!("Parallel");
    set
}

fn retention(mut set: Value, when: &str) -> Value {
    set["spec"]["persistentVolumeClaimRetentionPolicy"] = json!({when: "Delete"});
    set
}

fn scale(replicas: i64) -> RequestItem {
    let body = json!({"spec": {"replicas": replicas}});
    patch(Verb::MergePatch, ("apps/v1", "StatefulSet"), "default", "db", &body)
}

fn delete(kind: (&str, &str), name: &str) -> RequestItem {
    patch(Verb::Delete, kind, "default", name, &json!({}))
}

/// A resource's body and its status; nothing when it is not there.
fn found(story: &Story, key: &str) -> (Value, Value) {
    let key = ResourceKey::parse(key).expect("a key");
    let all = story.engine.everything().resources;
    let found = all.into_iter().find(|(found, _)| *found == key).and_then(|(_, found)| found);
    let read = |text: &str| serde_json::from_str(text).expect("JSON");
    found.map_or((Value::Null, Value::Null), |found| (read(&found.body), read(&found.status)))
}

fn status(story: &Story, key: &str) -> Value {
    found(story, key).1
}

/// The placed pods of the set by name, each with its node.
fn pods(story: &Story) -> String {
    let all = story.engine.everything().placements.into_iter();
    let placed = all.filter_map(|change| change.placement).filter(|pod| pod.at_most_one);
    let mut told: Vec<String> = placed.map(|pod| format!("{} {}", pod.name, pod.node)).collect();
    told.sort();
    told.join(", ")
}

/// The uid and the node of the placed pod whose name begins so.
fn pod(story: &Story, name: &str) -> (PodUid, String) {
    let all = story.engine.everything().placements;
    let mut placed = all.iter().filter_map(|change| change.placement.as_ref());
    let pod = placed.find(|pod| pod.name.as_str().starts_with(name)).expect("it is placed");
    (pod.uid.clone(), pod.node.to_string())
}

fn spec(story: &Story, name: &str) -> Value {
    let all = story.engine.everything().placements;
    let mut placed = all.iter().filter_map(|change| change.placement.as_ref());
    let pod = placed.find(|pod| pod.name.as_str() == name).expect("it is placed");
    serde_json::from_str(&pod.pattern.spec).expect("JSON")
}

/// Nothing is left of these pods.
fn gone(story: &mut Story, ms: i64, pods: &[(PodUid, String)]) -> Outcome {
    let said = pods.iter().map(|(uid, on)| observed(uid, on, 1_000 + ms, PodPhase::Gone));
    story.at(ms, said.collect())
}

fn stopped(outcome: &Outcome) -> Vec<(PodUid, String)> {
    let withdrawn = outcome.placements.iter().filter(|change| change.placement.is_none());
    withdrawn.map(|change| (change.uid.clone(), change.node.to_string())).collect()
}

/// A set of two that has run with all its pods, each on a node of its own, and has none now. The homes
/// of the two.
fn with_homes() -> (Story, String, String) {
    let policy = Policy { mass_loss_nodes: 5, ..Policy::default() };
    let mut story = Story::with_policy(&["n1", "n2"], policy);
    story.asks(10, vec![item(Verb::Apply, &parallel(db(2, 1_500)))]);
    story.all_run(20);
    let both = [pod(&story, "db-0"), pod(&story, "db-1")];
    let homes = (both[0].1.clone(), both[1].1.clone());
    assert_ne!(homes.0, homes.1);
    story.asks(30, vec![scale(0)]);
    gone(&mut story, 40, &both);
    assert_eq!(pods(&story), "");
    (story, homes.0, homes.1)
}

#[test]
fn each_pod_has_a_claim_of_its_own_which_is_made_with_it_and_to_which_it_returns() {
    let mut story = Story::with_nodes(&["n1", "n2"]);
    let mut set = apart(db(2, 100));
    set["spec"]["template"]["spec"]["volumes"] =
        json!([{"name": "data", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}]);
    story.asks(10, vec![item(Verb::Apply, &set)]);
    let (body, bound) = found(&story, FIRST);
    assert_eq!(body["metadata"]["labels"], json!({"app": "db"}));
    assert_eq!(body["spec"]["storageClassName"], "local");
    let home = pod(&story, "db-0").1;
    assert_eq!((&bound["phase"], &bound["node"]), (&json!("Bound"), &json!(home)));
    assert_eq!(bound["madeFor"], "db");
    assert_eq!(status(&story, SECOND), Value::Null, "its pod is not wanted yet");
    let own = json!({"name": "data", "persistentVolumeClaim": {"claimName": "data-db-0"}});
    let expected = json!([{"name": "tmp", "emptyDir": {}}, own]);
    assert_eq!(spec(&story, "db-0")["volumes"], expected, "a claim is in the volume's place");

    story.all_run(20);
    let other = pod(&story, "db-1").1;
    assert_ne!(home, other);
    assert_eq!(status(&story, SECOND)["node"], json!(other));
    story.all_run(30);
    for round in 0..3 {
        let ms = 40 + round * 10;
        let first = pod(&story, "db-0");
        story.asks(ms, vec![delete(("v1", "Pod"), "db-0")]);
        gone(&mut story, ms + 1, &[first]);
        assert_eq!(pods(&story), format!("db-0 {home}, db-1 {other}"));
    }
}

#[test]
fn whose_home_is_full_waits_for_it_and_keeps_no_other_from_its_own() {
    let (mut story, home, other) = with_homes();
    let mut hog = deployment("default", "hog", 1, 1_500, "v1");
    hog["spec"]["template"]["spec"]["nodeSelector"] = json!({"kubernetes.io/hostname": home});
    story.asks(50, vec![item(Verb::Apply, &hog)]);
    story.asks(60, vec![scale(2)]);
    assert_eq!(pods(&story), format!("db-1 {other}"));
    let waiting: Vec<(&str, &str)> =
        story.waiting.values().map(|pod| (pod.name.as_str(), pod.reason.as_str())).collect();
    let sentence = format!(
        "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had volume node affinity conflict: \
         its claim data-db-0 lives on {home}."
    );
    assert_eq!(waiting, [("db-0", sentence.as_str())]);
    let in_its_way = pod(&story, "hog");
    story.asks(70, vec![item(Verb::Delete, &hog)]);
    gone(&mut story, 80, &[in_its_way]);
    assert_eq!(pods(&story), format!("db-0 {home}, db-1 {other}"));
}

#[test]
fn room_is_made_for_one_after_the_other_and_only_where_their_data_is() {
    let (mut story, home, other) = with_homes();
    let low = of_priority(deployment("default", "low", 2, 1_500, "v1"), -5);
    story.asks(50, vec![item(Verb::Apply, &low)]);
    let asked = story.asks(60, vec![scale(2)]);
    let first = stopped(&asked);
    assert_eq!(first.iter().map(|(_, node)| node.as_str()).collect::<Vec<_>>(), [home.as_str()]);
    let mut names: Vec<String> = story
        .waiting
        .values()
        .map(|pod| pod.name.clone())
        .filter(|n| n.starts_with("db"))
        .collect();
    names.sort();
    assert_eq!(names, ["db-0", "db-1"]);
    let second = stopped(&gone(&mut story, 70, &first));
    assert_eq!(pods(&story), format!("db-0 {home}"));
    assert_eq!(second.iter().map(|(_, node)| node.as_str()).collect::<Vec<_>>(), [other.as_str()]);
    gone(&mut story, 80, &second);
    assert_eq!(pods(&story), format!("db-0 {home}, db-1 {other}"));
}

#[test]
fn a_lost_node_keeps_its_identities_data_and_the_others_come_back() {
    let (mut story, home, other) = with_homes();
    story.renew(5_000, &[other.as_str()]);
    story.renew(10_000, &[other.as_str()]);
    story.at(16_000, vec![]);
    story.asks(16_010, vec![scale(2)]);
    assert_eq!(pods(&story), format!("db-1 {other}"));
    story.renew(17_000, &["n1", "n2"]);
    assert_eq!(pods(&story), format!("db-0 {home}, db-1 {other}"), "it is back");
}

#[test]
fn a_set_that_shrinks_keeps_its_claims_unless_it_says_otherwise() {
    for (case, set, is_made_before) in [
        ("kept", db(2, 100), false),
        ("deleted", retention(db(2, 100), "whenScaled"), false),
        ("somebody's", retention(db(2, 100), "whenScaled"), true),
    ] {
        let mut story = Story::with_nodes(&["n1", "n2"]);
        if is_made_before {
            story.asks(5, vec![item(Verb::Apply, &claim("default", "data-db-1", "ReadWriteOnce"))]);
        }
        story.asks(10, vec![item(Verb::Apply, &set)]);
        story.all_run(20);
        story.all_run(30);
        let (last, volume) = (pod(&story, "db-1"), status(&story, SECOND)["volumeName"].clone());
        assert!(volume.is_string(), "{case}");
        story.asks(40, vec![scale(1)]);
        let is_leaving = !status(&story, SECOND)["deletionTimestamp"].is_null();
        assert_eq!(is_leaving, case == "deleted", "{case}: as long as its pod stops");
        gone(&mut story, 50, std::slice::from_ref(&last));
        assert_eq!(status(&story, SECOND).is_null(), case == "deleted", "{case}");
        assert_eq!(status(&story, FIRST)["deletionTimestamp"], Value::Null, "{case}");
        story.asks(60, vec![scale(2)]);
        let again = status(&story, SECOND)["volumeName"].clone();
        assert_eq!(again == volume, case != "deleted", "{case}: {again}");
    }
}

#[test]
fn with_a_set_its_claims_go_only_where_it_says_so_and_another_set_finds_what_is_left() {
    for (case, set) in [("kept", db(2, 100)), ("deleted", retention(db(2, 100), "whenDeleted"))] {
        let mut story = Story::with_nodes(&["n1"]);
        story.asks(10, vec![item(Verb::Apply, &set)]);
        story.all_run(20);
        story.all_run(30);
        let (first, last) = (pod(&story, "db-0"), pod(&story, "db-1"));
        let volume = status(&story, FIRST)["volumeName"].clone();
        story.asks(40, vec![scale(1)]);
        gone(&mut story, 50, &[last]);
        assert!(!status(&story, SECOND).is_null(), "{case}: the set only shrank");
        story.asks(60, vec![item(Verb::Delete, &set)]);
        assert_eq!(status(&story, SECOND).is_null(), case == "deleted", "{case}");
        let is_leaving = !status(&story, FIRST)["deletionTimestamp"].is_null();
        assert_eq!(is_leaving, case == "deleted", "{case}: its pod stops and is there");
        gone(&mut story, 70, &[first]);
        assert_eq!(status(&story, FIRST).is_null(), case == "deleted", "{case}");
        story.asks(80, vec![item(Verb::Apply, &set)]);
        let again = status(&story, FIRST)["volumeName"].clone();
        assert_eq!(again == volume, case == "kept", "{case}");
    }
}

#[test]
fn a_claim_that_is_deleted_under_its_pod_goes_with_it_and_is_made_anew() {
    let mut story = Story::with_nodes(&["n1"]);
    story.asks(10, vec![item(Verb::Apply, &db(1, 100))]);
    story.all_run(20);
    let (first, volume) = (pod(&story, "db-0"), status(&story, FIRST)["volumeName"].clone());
    story.asks(30, vec![delete(("v1", "PersistentVolumeClaim"), "data-db-0")]);
    assert!(!status(&story, FIRST)["deletionTimestamp"].is_null(), "a pod uses it");
    story.asks(40, vec![delete(("v1", "Pod"), "db-0")]);
    gone(&mut story, 50, &[first]);
    assert_eq!(pods(&story), "db-0 n1");
    let now = status(&story, FIRST);
    assert_eq!(now["phase"], "Bound");
    assert_ne!(now["volumeName"], volume, "it begins empty");
}

#[test]
fn a_leader_rebuilt_from_the_topics_knows_whose_claims_they_are() {
    let mut story = Story::with_nodes(&["n1", "n2"]);
    let set = retention(parallel(db(2, 100)), "whenScaled");
    story.asks(10, vec![item(Verb::Apply, &set)]);
    story.all_run(20);
    let before = (spec(&story, "db-0"), spec(&story, "db-1"));
    let last = pod(&story, "db-1");
    story.asks(30, vec![scale(1)]);
    let placements = story.compacted_placements();
    assert_eq!(placements.len(), 1, "the other one stops");
    story.rebuilt(40, placements);
    assert_eq!(spec(&story, "db-0"), before.0, "its placement says the same");
    story.asks(50, vec![delete(("v1", "PersistentVolumeClaim"), "data-db-0")]);
    assert!(!status(&story, FIRST)["deletionTimestamp"].is_null(), "its pod uses it");
    // Of the pod that stopped the topics say nothing: the claim goes as it was decided.
    assert_eq!(status(&story, SECOND), Value::Null);
    gone(&mut story, 60, &[last]);
    assert_eq!(pods(&story), format!("db-0 {}", pod(&story, "db-0").1));
    assert_ne!(before.0["volumes"], before.1["volumes"]);
}

#[test]
fn what_a_set_asks_for_its_pods_does_not_change() {
    let mut story = Story::with_nodes(&["n1"]);
    story.asks(10, vec![item(Verb::Apply, &db(1, 100))]);
    let mut larger = db(1, 100);
    larger["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] =
        json!("5Gi");
    let refused = story.asks(20, vec![item(Verb::Apply, &larger)]);
    let told = &refused.verdicts[0].items[0];
    assert_eq!(told.code, 422);
    let path = "spec.volumeClaimTemplates[0].spec.resources.requests.storage: Forbidden: updates";
    assert!(told.message.contains(path), "{}", told.message);
    let changed = retention(db(1, 100), "whenDeleted");
    let accepted = story.asks(30, vec![item(Verb::Apply, &changed)]);
    assert_eq!(accepted.verdicts[0].items[0].code, 200);
}
