//! Pods with devices: which ones they are given, when these are free again, and what is told.

use serde_json::{Value, json};
use setpoint_dataflow::{Epoch, Outcome, Served};
use setpoint_schemas::{
    Action, Device, GPU, GPU_MILLI, GPU_MODEL, Input, NodeRecord, PodPhase, RequestItem, Verb,
    add_devices,
};
use setpoint_tests::manifests::{self, deployment, item};

use crate::story::{Story, node, observed, reason, session, told};

/// A node of four cores with these devices, each as an operator writes it.
fn machine(name: &str, devices: &[&str]) -> Input {
    let devices: Vec<Device> = devices.iter().map(|text| text.parse().expect("a device")).collect();
    let mut record = manifests::node(&node(name), &session(name), 4_000);
    add_devices(&mut record.capacity, &devices);
    add_devices(&mut record.allocatable, &devices);
    Input::Node(Box::new(NodeRecord { devices, ..record }))
}

pub(super) fn fleet(nodes: &[(&str, &[&str])]) -> Story {
    let mut story = Story::with_nodes(&[]);
    story.at(1, nodes.iter().map(|(name, devices)| machine(name, devices)).collect());
    story
}

/// A Deployment whose pods ask for so much of this.
pub(super) fn train(replicas: i64, resource: &str, amount: i64) -> Value {
    let mut train = deployment("default", "train", replicas, 100, "v1");
    let resources = &mut train["spec"]["template"]["spec"]["containers"][0]["resources"];
    resources["limits"] = json!({ resource: amount.to_string() });
    train
}

pub(super) fn apply(object: &Value) -> Vec<RequestItem> {
    vec![item(Verb::Apply, object)]
}

/// Node, device and thousandths of each placement, in order.
pub(super) fn given(outcome: &Outcome) -> Vec<String> {
    let placements = outcome.placements.iter().filter_map(|change| change.placement.as_ref());
    let given = placements.flat_map(|placement| {
        let node = placement.node.clone();
        placement.devices.iter().map(move |d| format!("{node} {} {}", d.id, d.milli))
    });
    let mut given: Vec<String> = given.collect();
    given.sort();
    given
}

/// All that stands.
fn standing(story: &Story) -> Vec<String> {
    given(&story.engine.everything())
}

#[test]
fn a_pod_is_given_a_device_and_the_ledger_says_which() {
    let mut story = fleet(&[("a", &[]), ("b", &["GPU-x=T4", "GPU-y=T4"])]);
    let outcome = story.asks(2, apply(&train(1, GPU_MILLI, 300)));
    assert_eq!(told(&outcome), "Accept 1, Place 1");
    assert_eq!(given(&outcome), ["b GPU-x 300"]);
    let said = reason(&outcome, Action::Place);
    assert!(said.ends_with("devices: 0 (GPU-x, 300 milli)"), "{said}");
    let place = outcome.ledger().into_iter().find(|d| d.action == Action::Place).expect("placed");
    assert!(place.alternatives[0].verdict.contains("DeviceValue="), "{:?}", place.alternatives);
    assert_eq!(standing(&story), ["b GPU-x 300"]);
}

#[test]
fn no_device_is_given_away_twice_and_who_gets_none_waits() {
    let mut story = fleet(&[("a", &["0", "1"]), ("b", &["0"])]);
    let outcome = story.asks(2, apply(&train(5, GPU, 1)));
    assert_eq!(told(&outcome), "Accept 1, Place 3, Wait 1");
    assert_eq!(given(&outcome), ["a 0 1000", "a 1 1000", "b 0 1000"]);
    let sentence = "0/2 nodes are available: 2 Insufficient nvidia.com/gpu.";
    assert_eq!(reason(&outcome, Action::Wait), sentence);
    assert_eq!(story.waiting.len(), 2);
}

#[test]
fn a_device_is_free_when_its_pod_is_gone_and_not_before() {
    let mut story = fleet(&[("a", &["0"])]);
    story.asks(2, apply(&train(1, GPU, 1)));
    story.all_run(3);
    let first = story.only_pod();
    let mut other = train(1, GPU_MILLI, 1000);
    other["metadata"]["name"] = json!("other");
    assert_eq!(told(&story.asks(4, apply(&other))), "Accept 1, Wait 1");
    let stopped = story.asks(5, vec![item(Verb::Delete, &train(1, GPU, 1))]);
    assert_eq!(told(&stopped), "Accept 1, Stop 1", "it still stops");
    let outcome = story.at(6, vec![observed(&first, "a", 9, PodPhase::Gone)]);
    assert_eq!(
        (told(&outcome).as_str(), given(&outcome)),
        ("Place 1", vec!["a 0 1000".to_owned()])
    );
}

#[test]
fn a_restart_keeps_the_devices() {
    let mut story = fleet(&[("a", &["0", "1"])]);
    story.asks(2, apply(&train(2, GPU, 1)));
    story.all_run(3);
    let before = standing(&story);
    let pod = story.placed.keys().next().expect("placed").clone();
    let name = story.engine.everything().placements.into_iter().find(|change| change.uid == pod);
    let name = name.and_then(|change| change.placement).expect("it stands").name.to_string();
    let pod = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"}});
    let outcome = story.asks(4, vec![item(Verb::RestartPod, &pod)]);
    assert!(told(&outcome).contains("Restart 1"), "{}", told(&outcome));
    assert_eq!(given(&outcome).len(), 1);
    assert_eq!(standing(&story), before);
}

#[test]
fn a_pod_goes_to_the_models_that_it_names() {
    let mut story = fleet(&[("a", &["0=T4"]), ("b", &["0=V100"]), ("c", &["0=A10"])]);
    let mut choosy = train(3, GPU_MILLI, 600);
    choosy["spec"]["template"]["metadata"]["annotations"] = json!({GPU_MODEL: "A10, V100"});
    let outcome = story.asks(2, apply(&choosy));
    assert_eq!(given(&outcome), ["b 0 600", "c 0 600"]);
    let sentence = "0/3 nodes are available: 1 node(s) had no device of the requested model, 2 \
                    Insufficient setpoint.dev/gpu-milli.";
    assert_eq!(reason(&outcome, Action::Wait), sentence);
}

#[test]
fn what_no_device_has_is_refused() {
    let mut story = fleet(&[("a", &["0"])]);
    let outcome = story.asks(2, apply(&train(1, GPU_MILLI, 1001)));
    assert_eq!(told(&outcome), "Refuse 1");
    let why = reason(&outcome, Action::Refuse);
    assert!(why.contains("a share of one device is from 1 to 1000"), "{why}");
}

#[test]
fn a_pod_on_another_life_of_the_node_has_its_device_by_id() {
    let mut story = fleet(&[("a", &["GPU-x", "GPU-y"])]);
    story.asks(2, apply(&train(1, GPU, 1)));
    assert_eq!(standing(&story), ["a GPU-x 1000"]);
    // The driver lists them in another order, and a third one is there.
    story.at(3, vec![machine("a", &["GPU-z", "GPU-y", "GPU-x"])]);
    let outcome = story.asks(4, apply(&train(3, GPU, 1)));
    assert_eq!(given(&outcome), ["a GPU-y 1000", "a GPU-z 1000"]);
}

#[test]
fn readers_see_what_is_left_of_each_device() {
    let mut story = fleet(&[("a", &["GPU-x=T4", "GPU-y=T4"])]);
    story.asks(2, apply(&train(1, GPU_MILLI, 300)));
    let cold = Epoch { cold: true, ..story.epoch(3, vec![]) };
    let outcome = story.decide(cold);
    let left = |outcome: &Outcome| {
        let nodes = outcome.served.iter().filter_map(|served| match served {
            Served::Node(_, Some(node)) => Some(node.devices.clone()),
            _ => None,
        });
        let left = nodes.flatten().map(|d| format!("{} {} {}/{}", d.id, d.model, d.left, d.milli));
        left.collect::<Vec<_>>()
    };
    let expected = ["GPU-x T4 700/1000", "GPU-y T4 1000/1000"];
    assert_eq!(left(&outcome), expected);
    assert_eq!(left(&story.engine.everything()), expected);
}
