//! Claims: data on the node of the first pod, pods where their data is, and folders that go when nobody
//! uses them.

use serde_json::{Value, json};
use setpoint_dataflow::Outcome;
use setpoint_schemas::{PodPhase, ResourceKey, Verb};
use setpoint_tests::manifests::{
    claim, daemon_set, deployment, item, namespace, of_priority, patch, with_claims,
};

use crate::story::{Story, joins, observed, told, web};

/// A Deployment whose pods use these claims.
fn app(name: &str, replicas: i64, cpu: i64, claims: &[&str]) -> Value {
    with_claims(deployment("default", name, replicas, cpu, "v1"), claims)
}

fn data(mode: &str) -> Value {
    claim("default", "data", mode)
}

/// The status of a resource; nothing when it is not there.
fn status(story: &Story, key: &str) -> Value {
    let key = ResourceKey::parse(key).expect("a key");
    let all = story.engine.everything().resources;
    let found = all.into_iter().find(|(found, _)| *found == key).and_then(|(_, found)| found);
    found.map_or(Value::Null, |found| serde_json::from_str(&found.status).expect("JSON"))
}

const DATA: &str = "core/PersistentVolumeClaim/default/data";

fn volume_of(story: &Story) -> String {
    let name = status(story, DATA)["volumeName"].as_str().expect("it is bound").to_owned();
    format!("core/PersistentVolume//{name}")
}

fn nodes(story: &Story) -> Vec<String> {
    story.placed.values().cloned().collect()
}

fn answer(outcome: &Outcome) -> (u16, &str) {
    let item = &outcome.verdicts[0].items[0];
    (item.code, item.message.as_str())
}

fn why(story: &Story) -> String {
    story.waiting.values().next().expect("one waits").reason.clone()
}

/// The only pod stops, and its node says that nothing is left of it.
fn gone(story: &mut Story, ms: i64, uid: &setpoint_schemas::PodUid, on: &str) -> Outcome {
    story.at(ms, vec![observed(uid, on, ms, PodPhase::Gone)])
}

#[test]
fn a_pod_waits_for_its_claim_and_its_replacement_goes_where_its_data_is() {
    let mut story = Story::with_nodes(&["a", "b", "c"]);
    story.asks(1, vec![item(Verb::Apply, &app("db", 1, 100, &["data"]))]);
    assert_eq!(why(&story), "persistentvolumeclaim \"data\" not found");
    assert_eq!(
        told(&story.asks(2, vec![item(Verb::Apply, &data("ReadWriteOnce"))])),
        "Accept 1, Place 1"
    );
    let home = nodes(&story)[0].clone();
    let bound = status(&story, DATA);
    assert_eq!((&bound["phase"], &bound["node"]), (&json!("Bound"), &json!(home)));
    assert_eq!(bound["capacity"]["storage"], "1Gi");
    assert_eq!(status(&story, &volume_of(&story))["phase"], "Bound");

    // It is told to go, and another takes its place: on the same node, each time.
    for round in 0..3 {
        let uid = story.only_pod();
        let ms = 10 + round * 10;
        let name =
            story.engine.everything().placements[0].placement.clone().expect("placed").name.clone();
        story.asks(
            ms,
            vec![patch(Verb::Delete, ("v1", "Pod"), "default", name.as_str(), &json!({}))],
        );
        gone(&mut story, ms + 1, &uid, &home);
        assert_eq!(nodes(&story), [home.clone()]);
    }
}

#[test]
fn where_its_data_is_there_is_no_room_and_the_sentence_says_where_that_is() {
    let mut story = Story::with_nodes(&["a", "b", "c"]);
    let apply = |object: &Value| item(Verb::Apply, object);
    story.asks(1, vec![apply(&data("ReadWriteOnce")), apply(&app("db", 1, 1_500, &["data"]))]);
    let home = nodes(&story)[0].clone();
    story.asks(2, vec![apply(&app("db", 3, 1_500, &["data"]))]);
    assert_eq!(nodes(&story), [home.clone()]);
    let expected = format!(
        "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had volume node affinity conflict: \
         its claim data lives on {home}."
    );
    assert_eq!(why(&story), expected);
    let key = ResourceKey::parse("apps/Deployment/default/db").expect("a key");
    let says = story.engine.explain(&key).expect("it is there").nodes;
    let fitting = says.iter().filter(|node| node.fits).count();
    assert_eq!((says.len(), fitting), (3, 0));

    // Another workload shares it, and comes there too.
    story.asks(3, vec![apply(&app("web", 1, 100, &["data"]))]);
    assert_eq!(nodes(&story), [home.clone(), home]);
}

#[test]
fn a_higher_pod_makes_room_only_where_its_data_is() {
    let mut story = Story::with_nodes(&["a", "b"]);
    let apply = |object: &Value| item(Verb::Apply, object);
    story.asks(1, vec![apply(&data("ReadWriteOnce")), apply(&app("db", 1, 100, &["data"]))]);
    let (uid, home) = (story.only_pod(), nodes(&story)[0].clone());
    let low = of_priority(deployment("default", "low", 2, 1_500, "v1"), -5);
    story.asks(2, vec![apply(&low)]);
    story.asks(3, vec![apply(&app("db", 0, 100, &["data"]))]);
    gone(&mut story, 4, &uid, &home);
    let outcome = story.asks(5, vec![apply(&app("db", 1, 1_000, &["data"]))]);
    let stopped: Vec<&str> = outcome
        .placements
        .iter()
        .filter(|change| change.placement.is_none())
        .map(|change| change.node.as_str())
        .collect();
    assert_eq!(stopped, [home.as_str()], "nobody goes where the data is not");
}

#[test]
fn of_a_claim_for_one_pod_the_second_waits_and_follows() {
    let mut story = Story::with_nodes(&["a", "b"]);
    let apply = |object: &Value| item(Verb::Apply, object);
    let objects = [data("ReadWriteOncePod"), app("db", 2, 100, &["data"])];
    story.asks(1, objects.iter().map(apply).collect());
    let (uid, home) = (story.only_pod(), nodes(&story)[0].clone());
    let sentence = why(&story);
    let words = "its claim data is ReadWriteOncePod, and pod default/db-";
    assert!(sentence.starts_with(words) && sentence.ends_with("one pod at a time"), "{sentence}");
    let name =
        story.engine.everything().placements[0].placement.clone().expect("placed").name.clone();
    story.asks(2, vec![patch(Verb::Delete, ("v1", "Pod"), "default", name.as_str(), &json!({}))]);
    assert_eq!(story.placed.len(), 0, "the first still stops");
    gone(&mut story, 3, &uid, &home);
    assert_eq!(nodes(&story), [home]);
}

#[test]
fn claims_that_live_apart_are_no_home_and_classes_of_others_are_waited_for() {
    let mut story = Story::with_nodes(&["a", "b"]);
    let apply = |object: &Value| item(Verb::Apply, object);
    let pinned = |name: &str, on: &str| {
        let mut app = app(name, 1, 100, &[name]);
        app["spec"]["template"]["spec"]["nodeSelector"] = json!({"kubernetes.io/hostname": on});
        app
    };
    for (ms, name, on) in [(1, "one", "a"), (2, "two", "b")] {
        story.asks(
            ms,
            vec![apply(&claim("default", name, "ReadWriteMany")), apply(&pinned(name, on))],
        );
    }
    story.asks(3, vec![apply(&app("both", 1, 100, &["one", "two"]))]);
    let expected = "its claims live apart, one on a and two on b: no node has both";
    assert_eq!(why(&story), expected);

    let mut story = Story::with_nodes(&["a"]);
    let mut fast = data("ReadWriteOnce");
    fast["spec"]["storageClassName"] = json!("fast");
    story.asks(1, vec![apply(&fast), apply(&app("db", 1, 100, &["data"]))]);
    assert!(why(&story).contains("\"fast\", which does not exist"), "{}", why(&story));
    let class = |provisioner: &str| {
        json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
            "metadata": {"name": "fast"}, "provisioner": provisioner, "reclaimPolicy": "Retain"})
    };
    story.asks(2, vec![apply(&class("ebs.csi.aws.com"))]);
    assert!(why(&story).contains("waits for ebs.csi.aws.com"), "{}", why(&story));
    story.asks(3, vec![apply(&class("setpoint.dev/local"))]);
    assert_eq!(nodes(&story), ["a"]);
}

#[test]
fn a_claim_in_use_is_deleted_with_its_last_pod_and_its_folder_when_the_node_says_so() {
    let mut story = Story::with_nodes(&["a", "b"]);
    let apply = |object: &Value| item(Verb::Apply, object);
    story.asks(1, vec![apply(&data("ReadWriteOnce")), apply(&app("db", 1, 100, &["data"]))]);
    let (uid, home, volume) = (story.only_pod(), nodes(&story)[0].clone(), volume_of(&story));
    let delete_volume = || {
        let name = volume.rsplit('/').next().expect("a name").to_owned();
        patch(Verb::Delete, ("v1", "PersistentVolume"), "", &name, &json!({}))
    };
    let bound = story.asks(2, vec![delete_volume()]);
    assert_eq!(answer(&bound).0, 409, "{}", answer(&bound).1);
    let asked = story.asks(3, vec![item(Verb::Delete, &data(""))]);
    assert_eq!(answer(&asked).0, 200);
    assert!(!status(&story, DATA)["deletionTimestamp"].is_null(), "it stays as long as it is used");
    // Nobody new gets it.
    story.asks(4, vec![apply(&app("db", 2, 100, &["data"]))]);
    assert!(why(&story).contains("is being deleted"), "{}", why(&story));
    story.asks(5, vec![item(Verb::Delete, &app("db", 0, 0, &[]))]);
    assert!(!status(&story, DATA).is_null(), "its pod stops, and is still there");
    gone(&mut story, 6, &uid, &home);
    assert_eq!(status(&story, DATA), Value::Null);
    let left = status(&story, &volume);
    assert_eq!((&left["phase"], &left["node"]), (&json!("Released"), &json!(home)));
    assert!(!left["deletionTimestamp"].is_null(), "its node is to remove its folder");
    story.asks(7, vec![delete_volume()]);
    assert_eq!(status(&story, &volume), Value::Null);
}

#[test]
fn a_volume_that_is_to_be_retained_is_and_a_new_claim_of_the_name_begins_anew() {
    let mut story = Story::with_nodes(&["a"]);
    let apply = |object: &Value| item(Verb::Apply, object);
    story.asks(1, vec![apply(&data("ReadWriteOnce")), apply(&app("db", 1, 100, &["data"]))]);
    let (uid, volume) = (story.only_pod(), volume_of(&story));
    let name = volume.rsplit('/').next().expect("a name").to_owned();
    let retain = json!({"spec": {"persistentVolumeReclaimPolicy": "Retain"}});
    story.asks(2, vec![patch(Verb::MergePatch, ("v1", "PersistentVolume"), "", &name, &retain)]);
    story.asks(3, vec![item(Verb::Delete, &app("db", 0, 0, &[])), item(Verb::Delete, &data(""))]);
    gone(&mut story, 4, &uid, "a");
    assert_eq!(status(&story, DATA), Value::Null);
    let left = status(&story, &volume);
    assert_eq!((&left["phase"], &left["node"]), (&json!("Released"), &json!("a")));
    assert!(left["deletionTimestamp"].is_null(), "its folder stays");
    story.asks(5, vec![apply(&data("ReadWriteOnce")), apply(&app("db", 1, 100, &["data"]))]);
    assert_ne!(volume_of(&story), volume, "another claim has another volume");
}

#[test]
fn a_lost_node_keeps_its_claim_and_the_pod_waits_until_it_is_back() {
    let mut story = Story::with_nodes(&["a", "b", "c"]);
    let apply = |object: &Value| item(Verb::Apply, object);
    let mut db = app("db", 1, 100, &["data"]);
    db["spec"]["template"]["spec"]["nodeSelector"] = json!({});
    story.asks(1, vec![apply(&data("ReadWriteOnce")), apply(&db)]);
    story.all_run(2);
    let home = nodes(&story)[0].clone();
    let others: Vec<&str> = ["a", "b", "c"].into_iter().filter(|name| *name != home).collect();
    story.renew(5_000, &others);
    story.renew(10_000, &others);
    story.at(15_000, vec![]);
    let sentence = why(&story);
    let words =
        format!("2 node(s) had volume node affinity conflict: its claim data lives on {home}");
    assert!(sentence.contains(&words), "{sentence}");
    story.renew(16_000, &["a", "b", "c"]);
    assert_eq!(nodes(&story), [home], "it is back, and so is the pod");
}

#[test]
fn what_a_claim_asks_for_grows_on_paper_and_nothing_else_of_it_changes() {
    let mut story = Story::with_nodes(&["a"]);
    let apply = |object: &Value| item(Verb::Apply, object);
    story.asks(1, vec![apply(&data("ReadWriteOnce")), apply(&app("db", 1, 100, &["data"]))]);
    let mut larger = data("ReadWriteOnce");
    larger["spec"]["resources"]["requests"]["storage"] = json!("5Gi");
    assert_eq!(answer(&story.asks(2, vec![apply(&larger)])).0, 200);
    assert_eq!(status(&story, DATA)["capacity"]["storage"], "5Gi");
    for (ms, wrong, words) in [
        (3, data("ReadWriteOnce"), "can not be less"),
        (4, data("ReadWriteMany"), "spec.accessModes: Forbidden"),
    ] {
        let outcome = story.asks(ms, vec![apply(&wrong)]);
        let (code, message) = answer(&outcome);
        assert!(code == 422 && message.contains(words), "{message}");
    }
    larger["spec"]["volumeName"] = json!("mine");
    let outcome = story.asks(5, vec![apply(&larger)]);
    assert!(answer(&outcome).1.contains("spec.volumeName"), "{}", answer(&outcome).1);
}

#[test]
fn a_namespace_takes_its_claims_along_when_their_pods_are_gone() {
    let mut story = Story::with_nodes(&["a"]);
    let apply = |object: &Value| item(Verb::Apply, object);
    let objects = [
        namespace("team"),
        claim("team", "data", "ReadWriteOnce"),
        with_claims(deployment("team", "db", 1, 100, "v1"), &["data"]),
    ];
    story.asks(1, objects.iter().map(apply).collect());
    let (uid, key) = (story.only_pod(), "core/PersistentVolumeClaim/team/data");
    story.asks(2, vec![item(Verb::Delete, &namespace("team"))]);
    assert!(!status(&story, key).is_null(), "it is still used");
    gone(&mut story, 3, &uid, "a");
    assert_eq!(status(&story, key), Value::Null);
    assert_eq!(status(&story, "core/Namespace//team"), Value::Null);
}

#[test]
fn a_daemon_set_runs_where_its_claim_is_and_a_default_class_is_chosen() {
    let mut story = Story::with_nodes(&["a", "b"]);
    let apply = |object: &Value| item(Verb::Apply, object);
    let logger = with_claims(daemon_set("default", "logger", 100, "v1"), &["data"]);
    story.asks(1, vec![apply(&data("ReadWriteMany")), apply(&logger)]);
    assert_eq!(story.placed.len(), 1, "one node has its data, and the others are not for it");
    let local = "storage.k8s.io/StorageClass//local";
    let key = ResourceKey::parse(local).expect("a key");
    assert!(story.engine.everything().resources.iter().any(|(found, _)| *found == key));
    let gone = story.asks(
        2,
        vec![patch(Verb::Delete, ("storage.k8s.io/v1", "StorageClass"), "", "local", &json!({}))],
    );
    assert_eq!(answer(&gone).0, 403);
    // What has no claims does not notice.
    assert_eq!(told(&story.asks(3, web(1, "v1"))), "Accept 1, Place 1");
    story.at(4, vec![joins("c", 2_000)]);
    assert_eq!(story.placed.len(), 2);
}
