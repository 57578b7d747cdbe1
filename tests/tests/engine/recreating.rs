//! Workloads that are stopped before they are started anew, when they lose their node.

use serde_json::{Value, json};
use setpoint_schemas::{PodPhase, PodUid, ResourceKey, Verb};
use setpoint_tests::manifests::{claim, deployment, item, with_claims};

use crate::story::{Story, observed, told};

const NODES: [&str; 3] = ["a", "b", "c"];

/// A Deployment all of whose old pods stop before a new one starts.
fn web(replicas: i64, cpu: i64, image: &str) -> Value {
    let mut web = deployment("default", "web", replicas, cpu, image);
    web["spec"]["strategy"] = json!({"type": "Recreate"});
    web
}

fn apply(story: &mut Story, ms: i64, objects: &[Value]) -> String {
    told(&story.asks(ms, objects.iter().map(|object| item(Verb::Apply, object)).collect()))
}

/// It is placed on three nodes and runs; its pods with their nodes, in order.
fn running(objects: &[Value]) -> (Story, Vec<(PodUid, String)>) {
    let mut story = Story::with_nodes(&NODES);
    apply(&mut story, 1, objects);
    let pods = story.placed.clone().into_iter().collect();
    story.all_run(2);
    (story, pods)
}

/// A node is silent until it is lost; what is decided then.
fn loses(story: &mut Story, node: &str) -> String {
    let others: Vec<&str> = NODES.into_iter().filter(|name| *name != node).collect();
    story.renew(5_000, &others);
    story.renew(10_000, &others);
    assert_eq!(told(&story.at(14_999, vec![])), "");
    told(&story.at(15_000, vec![]))
}

/// Nothing is left of a pod on its node.
fn is_gone(story: &mut Story, ms: i64, (uid, node): &(PodUid, String)) -> String {
    let sequence = story.next_sequence();
    told(&story.at(ms, vec![observed(uid, node, sequence, PodPhase::Gone)]))
}

#[test]
fn its_pod_is_replaced_when_its_node_is_lost_and_the_stale_one_goes_when_that_is_back() {
    let (mut story, pods) = running(&[web(1, 100, "v1")]);
    let (old, home) = pods[0].clone();
    assert_eq!(loses(&mut story, &home), "NodeLost 1, Place 1, Stop 1");
    let new = story.only_pod();
    assert!(new != old && story.placed[&new] != home);

    assert_eq!(told(&story.renew(16_000, &NODES)), "NodeReturned 1");
    let sequence = story.next_sequence();
    let runs = observed(&old, &home, sequence, PodPhase::Running);
    assert_eq!(told(&story.at(16_001, vec![runs])), "", "it is not taken for one that is wanted");
    assert_eq!(is_gone(&mut story, 16_002, &pods[0]), "");
    assert_eq!(story.only_pod(), new);
}

#[test]
fn an_update_goes_on_when_the_node_is_lost_on_which_an_old_pod_still_stops() {
    let (mut story, pods) = running(&[web(1, 100, "v1")]);
    assert_eq!(apply(&mut story, 3, &[web(1, 100, "v2")]), "Accept 1, Rollout 1, Stop 1");
    assert_eq!(loses(&mut story, &pods[0].1), "NodeLost 1, Place 1");
    assert_ne!(story.placed[&story.only_pod()], pods[0].1);
}

#[test]
fn an_update_that_begins_after_the_loss_waits_for_nobody_there() {
    let (mut story, pods) = running(&[web(1, 1_500, "v1")]);
    let home = pods[0].1.clone();
    // Nobody else has room: its pod has no other place.
    let fill = deployment("default", "fill", 2, 1_200, "v1");
    assert_eq!(apply(&mut story, 3, &[fill]), "Accept 1, Place 2");
    story.all_run(4);
    assert_eq!(loses(&mut story, &home), "NodeLost 1, Stop 1, Wait 1");
    let smaller = apply(&mut story, 15_001, &[web(1, 100, "v2")]);
    assert_eq!(smaller, "Accept 1, Place 1, Rollout 1");
}

#[test]
fn an_update_still_waits_for_the_old_pods_of_nodes_that_live() {
    let (mut story, pods) = running(&[web(2, 100, "v1")]);
    let (lost, lives) = (&pods[0], &pods[1]);
    assert_ne!(lost.1, lives.1, "one on each");
    assert_eq!(apply(&mut story, 3, &[web(2, 100, "v2")]), "Accept 1, Rollout 1, Stop 2");
    assert_eq!(loses(&mut story, &lost.1), "NodeLost 1");
    assert_eq!(is_gone(&mut story, 15_001, lives), "Place 2");
    assert!(story.placed.values().all(|node| *node != lost.1));
    assert_eq!(told(&story.renew(16_000, &NODES)), "NodeReturned 1");
    assert_eq!(is_gone(&mut story, 16_001, lost), "");
}

#[test]
fn a_pod_without_a_place_waits_for_the_one_before_it_again_when_the_node_is_back() {
    let (mut story, pods) = running(&[web(1, 1_500, "v1")]);
    let home = pods[0].1.clone();
    apply(&mut story, 3, &[deployment("default", "fill", 2, 1_200, "v1")]);
    story.all_run(4);
    assert_eq!(loses(&mut story, &home), "NodeLost 1, Stop 1, Wait 1");
    assert_eq!(story.waiting.len(), 1);
    assert_eq!(told(&story.renew(16_000, &NODES)), "NodeReturned 1");
    assert!(story.waiting.is_empty(), "it is not looked for a place while the other stops");
    assert_eq!(is_gone(&mut story, 16_001, &pods[0]), "Place 1");
    assert!(story.placed.values().any(|node| *node == home));
}

#[test]
fn one_with_data_never_starts_before_the_last_pod_on_it_has_ended() {
    let data = claim("default", "data", "ReadWriteOnce");
    let (mut story, pods) = running(&[data, with_claims(web(1, 100, "v1"), &["data"])]);
    let home = pods[0].1.clone();
    assert_eq!(loses(&mut story, &home), "NodeLost 1, Stop 1");
    let key = ResourceKey::parse("apps/Deployment/default/web").expect("a key");
    let said = story.engine.explain(&key).expect("it is there").reason;
    let words = "1 of its pods may still run on nodes that are lost, where their data is";
    assert!(said.starts_with(words), "{said}");

    assert_eq!(told(&story.renew(16_000, &NODES)), "NodeReturned 1");
    assert!(story.placed.is_empty(), "the former may still write");
    let said = story.engine.explain(&key).expect("it is there").reason;
    assert_eq!(said, "its pods start when those before them have stopped; left: 1");
    assert_eq!(is_gone(&mut story, 16_001, &pods[0]), "Place 1");
    assert_eq!(story.placed[&story.only_pod()], home);
}
