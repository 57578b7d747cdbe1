//! Claims that are made with a pod and go with it.

use serde_json::{Value, json};
use setpoint_schemas::{PodPhase, PodUid, RequestItem, Verb};
use setpoint_tests::manifests::{bare_pod, claim, deployment, item, patch};

use crate::story::{Story, observed};

/// Gives pods of this spec a volume `scratch`, whose claim is made with each of them.
fn with_scratch(spec: &mut Value) {
    let made = claim("", "scratch", "ReadWriteOnce")["spec"].clone();
    spec["volumes"] =
        json!([{"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": made}}}]);
}

fn web(replicas: i64) -> Value {
    let mut web = deployment("default", "web", replicas, 100, "v1");
    with_scratch(&mut web["spec"]["template"]["spec"]);
    web
}

fn apply(object: &Value) -> RequestItem {
    item(Verb::Apply, object)
}

/// The statuses of all claims by name.
fn claims(story: &Story) -> Vec<(String, Value)> {
    let all = story.engine.everything().resources.into_iter();
    let claims = all.filter(|(key, _)| &*key.kind.kind == "PersistentVolumeClaim");
    let read = |text: &str| serde_json::from_str(text).expect("JSON");
    let claims =
        claims.filter_map(|(key, found)| Some((key.name.to_string(), read(&found?.status))));
    let mut claims: Vec<(String, Value)> = claims.collect();
    claims.sort_by(|a, b| a.0.cmp(&b.0));
    claims
}

/// The placed pods: name, node, uid.
fn pods(story: &Story) -> Vec<(String, String, String)> {
    let all = story.engine.everything().placements.into_iter();
    let placed = all.filter_map(|change| change.placement);
    let mut pods: Vec<_> = placed
        .map(|pod| (pod.name.to_string(), pod.node.to_string(), pod.uid.to_string()))
        .collect();
    pods.sort();
    pods
}

/// Each placed pod has just its claim, where it is.
fn assert_each_has_its_own(story: &Story) {
    let (claims, pods) = (claims(story), pods(story));
    let names: Vec<&String> = claims.iter().map(|(name, _)| name).collect();
    let expected: Vec<String> = pods.iter().map(|(name, ..)| format!("{name}-scratch")).collect();
    assert_eq!(names, expected.iter().collect::<Vec<_>>());
    for ((name, node, uid), (_, status)) in pods.iter().zip(&claims) {
        assert_eq!((&status["phase"], &status["node"]), (&json!("Bound"), &json!(node)));
        assert_eq!(status["madeWith"], json!({"name": name, "uid": uid}));
    }
}

#[test]
fn each_pod_has_a_claim_that_is_made_with_it_and_goes_with_the_last_of_it() {
    let mut story = Story::with_nodes(&["a", "b"]);
    story.asks(1, vec![apply(&web(3))]);
    assert_eq!(pods(&story).len(), 3);
    assert_each_has_its_own(&story);

    // One is told to go: its claim is there as long as something is left of it.
    let (name, node, uid) = pods(&story)[0].clone();
    story.asks(2, vec![patch(Verb::Delete, ("v1", "Pod"), "default", &name, &json!({}))]);
    assert_eq!((pods(&story).len(), claims(&story).len()), (3, 4));
    let uid = PodUid::parse(&uid).expect("a uid");
    let outcome = story.at(3, vec![observed(&uid, &node, 3, PodPhase::Gone)]);
    assert_each_has_its_own(&story);
    let volumes = outcome.resources.iter().filter_map(|(_, resource)| resource.as_ref());
    let mut released = volumes.filter(|volume| volume.kind == "PersistentVolume");
    let status = &released.next().expect("its volume is to be removed").status;
    assert!(status.contains("\"Released\"") && status.contains("deletionTimestamp"), "{status}");
}

#[test]
fn a_leader_that_has_only_the_compacted_topics_knows_whose_claims_they_are() {
    let mut story = Story::with_nodes(&["a"]);
    story.asks(1, vec![apply(&web(1))]);
    let uid = story.only_pod();
    let placements = story.compacted_placements();
    story.rebuilt(2, placements);
    assert_each_has_its_own(&story);
    story.asks(3, vec![item(Verb::Delete, &web(1))]);
    assert_eq!(claims(&story).len(), 1, "its pod stops, and is still there");
    story.at(4, vec![observed(&uid, "a", 4, PodPhase::Gone)]);
    assert_eq!(claims(&story), []);
}

#[test]
fn a_pod_waits_where_its_claims_name_is_anothers_and_where_nobody_answers_for_the_class() {
    let mut story = Story::with_living_nodes(&["a"]);
    let mut pod = bare_pod("default", "web", 100, "v1");
    with_scratch(&mut pod["spec"]);
    let theirs = claim("default", "web-scratch", "ReadWriteOnce");
    story.asks(1, vec![apply(&theirs), apply(&pod)]);
    let why = |story: &Story| story.waiting.values().next().expect("it waits").reason.clone();
    let taken = "PVC default/web-scratch was not created for pod default/web (pod is not owner)";
    assert_eq!(why(&story), taken);
    story.asks(2, vec![item(Verb::Delete, &theirs)]);
    story.at(10_001, vec![]);
    assert_each_has_its_own(&story);

    let mut story = Story::with_living_nodes(&["a"]);
    let template = &mut pod["spec"]["volumes"][0]["ephemeral"]["volumeClaimTemplate"];
    template["spec"]["storageClassName"] = json!("fast");
    story.asks(1, vec![apply(&pod)]);
    assert!(why(&story).contains("\"fast\", which does not exist"), "{}", why(&story));
    assert_eq!(claims(&story), [], "it is made with the pod");
}

#[test]
fn a_claim_that_somebody_deletes_stays_as_long_as_its_pod() {
    let mut story = Story::with_nodes(&["a"]);
    story.asks(1, vec![apply(&web(1))]);
    let name = claims(&story)[0].0.clone();
    let delete = patch(Verb::Delete, ("v1", "PersistentVolumeClaim"), "default", &name, &json!({}));
    story.asks(2, vec![delete]);
    assert!(!claims(&story)[0].1["deletionTimestamp"].is_null());
    assert_eq!(pods(&story).len(), 1);
}
