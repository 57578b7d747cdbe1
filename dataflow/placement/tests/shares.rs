//! Devices in the fleet: who gets which, what is left, and what the answers are.

// A panic is how a test fails; reading inputs and clocks is for tests alone.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use setpoint_placement::{Fleet, NodeId, NodeInfo, Placing, PodId, PodShape, SAMPLES_DEFAULT};
use setpoint_schemas::{PodSpec, TakenDevice};
use support::{node_info, uid};

/// A pod of one container that asks for these, on these models.
fn shape_on(requests: &Value, models: Option<&str>) -> Arc<PodShape> {
    PodShape::compile_on_models("default", &Arc::default(), &spec(requests), models).unwrap()
}

fn spec(requests: &Value) -> PodSpec {
    serde_json::from_value(json!({ "containers": [
        { "name": "main", "resources": { "requests": requests, "limits": requests } }] }))
    .unwrap()
}

fn gpus(count: u32) -> Arc<PodShape> {
    shape_on(&json!({ "cpu": "100m", "nvidia.com/gpu": count.to_string() }), None)
}

fn share(milli: u32) -> Arc<PodShape> {
    shape_on(&json!({ "cpu": "100m", "setpoint.dev/gpu-milli": milli.to_string() }), None)
}

fn node(name: &str, models: &[&str]) -> NodeInfo {
    let (count, milli) = (models.len().to_string(), (1000 * models.len()).to_string());
    let mut node = json!({ "name": name, "labels": { "kubernetes.io/hostname": name } });
    if !models.is_empty() {
        node["devices"] = json!(models);
        node["allocatable"] = json!({ "nvidia.com/gpu": count, "setpoint.dev/gpu-milli": milli });
    }
    node_info(&node)
}

fn fleet(nodes: &[(&str, &[&str])]) -> Fleet {
    let mut fleet = Fleet::new();
    for (index, (name, models)) in nodes.iter().enumerate() {
        fleet.upsert_node(NodeId(index as u32), node(name, models));
    }
    fleet
}

/// Takes what the placer says; the node's name and the devices by index, or why not.
fn place(fleet: &mut Fleet, pod: u32, shape: &Arc<PodShape>) -> Result<String, String> {
    match fleet.place(&uid(&format!("pod-{pod}")), shape, 1, SAMPLES_DEFAULT) {
        Placing::Placed { node, .. } => {
            let taken = take(fleet, pod, node, shape);
            let indexes: Vec<String> = taken.iter().map(|taken| taken.index.to_string()).collect();
            Ok(format!("{} {}", fleet.node(node).unwrap().name, indexes.join(",")))
        }
        Placing::Unplaceable(reasons) => Err(reasons.to_string()),
    }
}

fn take(fleet: &mut Fleet, pod: u32, node: NodeId, shape: &Arc<PodShape>) -> Vec<TakenDevice> {
    let milli = if shape.requests().extended.contains_key("nvidia.com/gpu") {
        1000
    } else {
        i32::try_from(shape.requests().extended.values().sum::<i64>()).unwrap()
    };
    let taken: Vec<TakenDevice> = fleet
        .devices_for(node, shape)
        .into_iter()
        .map(|(index, id)| TakenDevice { container: Arc::from("main"), index, id, milli })
        .collect();
    fleet.reserve_with(PodId(pod), node, shape, &taken);
    taken
}

fn left(fleet: &Fleet, node: u32) -> Vec<u16> {
    fleet.devices(NodeId(node)).iter().map(|device| device.left).collect()
}

#[test]
fn shares_are_of_one_device_and_whole_devices_are_exclusive() {
    let mut fleet = fleet(&[("a", &["T4", "T4"])]);
    assert_eq!(place(&mut fleet, 1, &share(600)), Ok("a 0".to_owned()));
    assert_eq!(place(&mut fleet, 2, &share(600)), Ok("a 1".to_owned()));
    assert_eq!(left(&fleet, 0), [400, 400]);
    // 800 are left, and nowhere 500 on one device.
    let none = "0/1 nodes are available: 1 Insufficient setpoint.dev/gpu-milli.";
    assert_eq!(place(&mut fleet, 3, &share(500)), Err(none.to_owned()));
    let none = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.";
    assert_eq!(place(&mut fleet, 4, &gpus(1)), Err(none.to_owned()));
    fleet.release(PodId(1));
    assert_eq!(place(&mut fleet, 4, &gpus(1)), Ok("a 0".to_owned()));
    assert_eq!(left(&fleet, 0), [0, 400]);
    fleet.release(PodId(4));
    fleet.release(PodId(2));
    assert_eq!(left(&fleet, 0), [1000, 1000]);
}

#[test]
fn a_share_goes_where_devices_are_in_use_so_that_whole_ones_stay() {
    let mut fleet = fleet(&[("a", &["T4", "T4"]), ("b", &["T4", "T4"])]);
    fleet.want(1, &share(500), 4);
    fleet.want(2, &gpus(2), 2);
    let first = place(&mut fleet, 1, &share(500)).unwrap();
    assert_eq!(place(&mut fleet, 2, &share(500)).unwrap(), first);
    assert!(place(&mut fleet, 3, &gpus(2)).is_ok());
    assert!(place(&mut fleet, 4, &share(500)).is_ok());
}

#[test]
fn a_pod_is_placed_on_the_models_that_it_names() {
    let mut fleet = fleet(&[("a", &["T4"]), ("b", &["V100"]), ("c", &[]), ("d", &["T4", "A10"])]);
    let on = |models| shape_on(&json!({ "nvidia.com/gpu": "1" }), Some(models));
    assert_eq!(place(&mut fleet, 1, &on("A10,V100")).map(|n| n.len()), Ok(3));
    assert_eq!(place(&mut fleet, 2, &on("A10|V100")).map(|n| n.len()), Ok(3));
    let none = "0/4 nodes are available: 1 Insufficient nvidia.com/gpu, 3 node(s) had no device of \
                the requested model.";
    assert_eq!(place(&mut fleet, 3, &on("V100")), Err(none.to_owned()));
    assert_eq!(left(&fleet, 3), [1000, 0], "the T4 beside it was not taken");
    let unnamed = PodShape::compile_on_models(
        "default",
        &Arc::default(),
        &spec(&json!({ "nvidia.com/gpu": "1" })),
        Some(" ,"),
    );
    assert!(unnamed.unwrap_err().to_string().contains("names no model"));
}

#[test]
fn a_pod_without_devices_keeps_away_from_them_as_long_as_others_fit() {
    let mut nodes: Vec<(String, &[&str])> = Vec::new();
    for number in 0..60 {
        let models: &[&str] = if number % 10 == 9 { &[] } else { &["T4", "T4"] };
        nodes.push((format!("n{number:02}"), models));
    }
    let nodes: Vec<(&str, &[&str])> =
        nodes.iter().map(|(name, models)| (name.as_str(), *models)).collect();
    let mut fleet = fleet(&nodes);
    fleet.want(1, &gpus(1), 50);
    let plain = shape_on(&json!({ "cpu": "3" }), None);
    for pod in 0..6 {
        let node = place(&mut fleet, pod, &plain).unwrap();
        assert!(node.trim().ends_with('9'), "{node} has devices");
    }
    assert!(!place(&mut fleet, 6, &plain).unwrap().trim().ends_with('9'), "it fits nowhere else");
}

#[test]
fn a_pod_bound_to_a_node_has_its_devices_or_no_place() {
    let mut fleet = fleet(&[("a", &["T4"]), ("b", &[])]);
    let mut bound = spec(&json!({ "nvidia.com/gpu": "1" }));
    bound.node_name = Some("a".to_owned());
    let bound = PodShape::compile("default", &Arc::default(), &bound).unwrap();
    assert_eq!(place(&mut fleet, 1, &bound), Ok("a 0".to_owned()));
    let none = "0/2 nodes are available: 1 Insufficient nvidia.com/gpu, 1 node(s) didn't match the \
                requested node name.";
    assert_eq!(place(&mut fleet, 2, &bound), Err(none.to_owned()));
}

#[test]
fn a_device_is_known_by_its_id_whatever_its_index() {
    let mut fleet = fleet(&[("a", &["T4", "T4"])]);
    assert_eq!(place(&mut fleet, 1, &share(300)), Ok("a 0".to_owned()));
    let mut info = node("a", &["T4", "T4"]);
    info.devices.reverse();
    fleet.upsert_node(NodeId(0), info.clone());
    assert_eq!(left(&fleet, 0), [1000, 700]);
    // A device that is gone is held for its pod, should it return.
    let gone = info.devices.remove(1);
    fleet.upsert_node(NodeId(0), info.clone());
    assert_eq!(left(&fleet, 0), [1000]);
    info.devices.push(gone);
    fleet.upsert_node(NodeId(0), info);
    assert_eq!(left(&fleet, 0), [1000, 700]);
    fleet.release(PodId(1));
    assert_eq!(left(&fleet, 0), [1000, 1000]);
}

#[test]
fn ten_times_the_nodes_are_not_asked_more_often_for_a_device() {
    let asked = |nodes: u32| {
        let mut fleet = Fleet::new();
        for number in 0..nodes {
            fleet.upsert_node(NodeId(number), node(&format!("n{number}"), &["T4", "T4"]));
        }
        fleet.want(1, &share(300), 10);
        place(&mut fleet, 0, &share(300)).unwrap();
        let before = fleet.nodes_asked();
        (1..200).for_each(|pod| drop(place(&mut fleet, pod, &share(300)).unwrap()));
        fleet.nodes_asked() - before
    };
    // The node of the pod before, each time.
    assert_eq!((asked(100), asked(1000)), (199, 199));
}

/// One change of a fleet with devices.
#[derive(Debug, Clone)]
enum Change {
    Node(u32, usize),
    NodeGone(u32),
    Place(usize),
    Release(u32),
    Want(usize, u64),
}

const NODES: u32 = 6;
const MODELS: [&[&str]; 4] = [&[], &["T4"], &["T4", "V100", "V100"], &["V100"; 8]];

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        2 => (0..NODES, 0..MODELS.len()).prop_map(|(node, models)| Change::Node(node, models)),
        1 => (0..NODES).prop_map(Change::NodeGone),
        10 => (0..8_usize).prop_map(Change::Place),
        4 => (0..100_u32).prop_map(Change::Release),
        1 => (0..8_usize, 0..20_u64).prop_map(|(shape, pods)| Change::Want(shape, pods)),
    ]
}

fn shapes() -> [Arc<PodShape>; 8] {
    [
        shape_on(&json!({ "cpu": "500m" }), None),
        gpus(1),
        gpus(2),
        gpus(8),
        share(1),
        share(470),
        share(1000),
        shape_on(&json!({ "setpoint.dev/gpu-milli": "700" }), Some("V100")),
    ]
}

/// What stands, from which the fleet can be made anew.
#[derive(Default)]
struct World {
    fleet: Fleet,
    nodes: BTreeMap<u32, NodeInfo>,
    pods: BTreeMap<u32, (NodeId, usize, Vec<TakenDevice>)>,
    wanted: BTreeMap<usize, u64>,
    next: u32,
}

impl World {
    fn apply(&mut self, change: &Change, shapes: &[Arc<PodShape>]) {
        match change {
            Change::Node(number, models) => {
                let info = node(&format!("n{number}"), MODELS[*models]);
                self.fleet.upsert_node(NodeId(*number), info.clone());
                self.nodes.insert(*number, info);
            }
            Change::NodeGone(number) => {
                self.fleet.remove_node(NodeId(*number));
                self.nodes.remove(number);
            }
            Change::Place(shape) => {
                let placing = self.placing(*shape, shapes);
                if let Placing::Placed { node, .. } = placing {
                    let taken = take(&mut self.fleet, self.next, node, &shapes[*shape]);
                    self.pods.insert(self.next, (node, *shape, taken));
                }
                self.next += 1;
            }
            Change::Release(pod) => {
                self.fleet.release(PodId(*pod));
                self.pods.remove(pod);
            }
            Change::Want(shape, pods) => {
                self.fleet.want(*shape as u32, &shapes[*shape], *pods);
                self.wanted.insert(*shape, *pods);
            }
        }
    }

    fn placing(&mut self, shape: usize, shapes: &[Arc<PodShape>]) -> Placing {
        let uid = uid(&format!("pod-{}", self.next));
        self.fleet.place(&uid, &shapes[shape], 1, SAMPLES_DEFAULT)
    }

    /// The same facts told in another order, under other ids.
    fn anew(&self, shapes: &[Arc<PodShape>]) -> World {
        let mut world = World { next: self.next, ..World::default() };
        for (pod, (node, shape, taken)) in self.pods.iter().rev() {
            let node = NodeId(node.0 + 1000);
            world.fleet.reserve_with(PodId(*pod), node, &shapes[*shape], taken);
        }
        for (number, info) in self.nodes.iter().rev() {
            world.fleet.upsert_node(NodeId(*number + 1000), info.clone());
        }
        for (shape, pods) in self.wanted.iter().rev() {
            world.fleet.want(90 + *shape as u32, &shapes[*shape], *pods);
        }
        world
    }

    /// What each device that is there should have left, counted from the pods.
    fn check(&self, shapes: &[Arc<PodShape>]) {
        for (number, info) in &self.nodes {
            let told = self.fleet.devices(NodeId(*number));
            for (device, left) in info.devices.iter().zip(&told) {
                let here = self.pods.values().filter(|(node, ..)| *node == NodeId(*number));
                let taken =
                    here.flat_map(|(_, shape, taken)| taken.iter().map(move |t| (shape, t)));
                let own: Vec<_> = taken.filter(|(_, t)| *t.id == *device.id).collect();
                let milli: i32 = own.iter().map(|(_, t)| t.milli).sum();
                assert!(milli <= 1000, "device {} of n{number} has {milli}", device.id);
                assert_eq!(i32::from(left.left), 1000 - milli);
                let whole = |shape: &usize| {
                    shapes[*shape].requests().extended.contains_key("nvidia.com/gpu")
                };
                assert!(own.len() <= 1 || !own.iter().any(|(shape, _)| whole(shape)), "exclusive");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_device_is_given_twice_and_the_order_of_the_facts_does_not_matter(
        changes in prop::collection::vec(change(), 1..60),
        asked in 0..8_usize,
    ) {
        let shapes = shapes();
        let mut world = World::default();
        for change in &changes {
            world.apply(change, &shapes);
            world.check(&shapes);
        }
        let mut anew = world.anew(&shapes);
        let answer = |world: &mut World| match world.placing(asked, &shapes) {
            Placing::Placed { node, .. } => {
                let devices = world.fleet.devices_for(node, &shapes[asked]);
                format!("{} {devices:?}", world.fleet.node(node).unwrap().name)
            }
            Placing::Unplaceable(reasons) => reasons.to_string(),
        };
        prop_assert_eq!(answer(&mut world), answer(&mut anew));
        for pod in 0..world.next {
            world.fleet.release(PodId(pod));
        }
        world.pods.clear();
        world.check(&shapes);
    }
}
