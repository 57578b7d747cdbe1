//! What holds for every fleet, after every change, in plain words.

// A panic is how a test fails; reading inputs and clocks is for tests alone.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use setpoint_placement::{Fleet, NodeId, NodeInfo, Placing, PodId, PodShape};
use support::{node_info, shape, uid};

/// One change of the fleet.
#[derive(Debug, Clone)]
enum Change {
    /// The node comes, or comes anew in this variant.
    Node(usize, usize),
    /// The node goes.
    NodeGone(usize),
    /// A pod of this shape is placed, and reserved where it went.
    Place(usize),
    /// The pod of this number goes.
    Release(usize),
    /// The namespace's label changes.
    Namespace(bool),
}

fn change(nodes: usize) -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (0..nodes, 0..NODE_VARIANTS).prop_map(|(n, v)| Change::Node(n, v)),
        1 => (0..nodes).prop_map(Change::NodeGone),
        12 => (0..shapes().len()).prop_map(Change::Place),
        3 => (0..200usize).prop_map(Change::Release),
        1 => any::<bool>().prop_map(Change::Namespace),
    ]
}

const NODE_VARIANTS: usize = 8;

fn node(number: usize, variant: usize) -> NodeInfo {
    let zone = ["a", "b", "c"][number % 3];
    let taints = match variant {
        1 => json!([{ "key": "k", "value": "v", "effect": "NoSchedule" }]),
        2 => json!([{ "key": "k", "value": "v", "effect": "PreferNoSchedule" }]),
        _ => json!([]),
    };
    let name = format!("node-{number}");
    let mut labels = json!({ "zone": zone, "kubernetes.io/hostname": name });
    if variant == 3 {
        labels = json!({ "kubernetes.io/hostname": name });
    }
    node_info(&json!({
        "name": name,
        "labels": labels,
        "taints": taints,
        "ready": variant != 4,
        "unschedulable": variant == 5,
        "allocatable": { "cpu": (if variant == 6 { "1" } else { "2" }), "memory": "4Gi", "pods": "6",
            "example.com/gpu": (if variant == 7 { "2" } else { "0" }) },
    }))
}

fn shapes() -> Vec<Arc<PodShape>> {
    let web = json!({ "matchLabels": { "app": "web" } });
    let required =
        |terms: Value| json!({ "requiredDuringSchedulingIgnoredDuringExecution": terms });
    let zone = json!({ "topologyKey": "zone", "labelSelector": web });
    let host = json!({ "topologyKey": "kubernetes.io/hostname", "labelSelector": web });
    let mut elsewhere = zone.clone();
    elsewhere["namespaceSelector"] = json!({ "matchLabels": { "team": "x" } });
    let spread = |key: &str, when: &str| json!([{ "maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": when, "labelSelector": web, "nodeTaintsPolicy": "Honor" }]);
    let soft = |term: &Value| json!({ "preferredDuringSchedulingIgnoredDuringExecution": [{ "weight": 7, "podAffinityTerm": term }] });
    let labels = json!({ "app": "web" });
    [
        json!({ "requests": { "cpu": "500m", "memory": "512Mi" } }),
        json!({ "requests": { "cpu": "100m", "memory": "2Gi" }, "labels": labels }),
        json!({ "requests": { "cpu": "1500m" }, "tolerations": [{ "operator": "Exists" }] }),
        json!({ "requests": { "example.com/gpu": "1" } }),
        json!({ "hostPorts": ["TCP//80"] }),
        json!({ "nodeSelector": { "zone": "b" }, "labels": labels }),
        json!({ "labels": labels, "topologySpreadConstraints": spread("zone", "DoNotSchedule") }),
        json!({ "labels": labels, "topologySpreadConstraints": spread("kubernetes.io/hostname", "ScheduleAnyway") }),
        json!({ "labels": labels, "affinity": { "podAntiAffinity": required(json!([host])) } }),
        json!({ "labels": labels, "affinity": { "podAffinity": required(json!([zone])) } }),
        json!({ "affinity": { "podAffinity": required(json!([elsewhere])) } }),
        json!({ "affinity": { "podAffinity": soft(&zone) }, "requests": { "cpu": "100m" } }),
        json!({ "affinity": { "podAntiAffinity": soft(&zone) }, "namespace": "other", "labels": labels }),
    ]
    .iter()
    .map(shape)
    .collect()
}

/// A fleet, and beside it the plain facts from which it can be built anew.
#[derive(Default)]
struct World {
    fleet: Fleet,
    nodes: BTreeMap<usize, NodeInfo>,
    pods: BTreeMap<usize, (usize, usize)>,
    team: bool,
    placed: usize,
}

/// Few, so that draws miss and the scan is tried as well.
const SAMPLES: usize = 2;

impl World {
    fn apply(&mut self, change: &Change, shapes: &[Arc<PodShape>]) {
        match change {
            Change::Node(number, variant) => {
                let info = node(*number, *variant);
                self.fleet.upsert_node(NodeId(*number as u32), info.clone());
                self.nodes.insert(*number, info);
            }
            Change::NodeGone(number) => {
                self.fleet.remove_node(NodeId(*number as u32));
                self.nodes.remove(number);
            }
            Change::Place(kind) => self.place(*kind, shapes),
            Change::Release(pod) => {
                self.fleet.release(PodId(*pod as u32));
                self.pods.remove(pod);
            }
            Change::Namespace(team) => {
                self.team = *team;
                label(&mut self.fleet, *team);
            }
        }
    }

    fn place(&mut self, kind: usize, shapes: &[Arc<PodShape>]) {
        let pod = self.placed;
        self.placed += 1;
        let (uid, shape) = (uid(&format!("pod-{pod}")), &shapes[kind]);
        let placing = self.fleet.place(&uid, shape, 7, SAMPLES);
        assert_eq!(placing, self.fleet.place(&uid, shape, 7, SAMPLES), "asked twice");
        let verdicts = self.fleet.explain(shape);
        let Placing::Placed { node, considered } = &placing else {
            assert!(verdicts.iter().all(|v| !v.fits()), "a pod that fits somewhere is placed");
            return;
        };
        assert_eq!(considered[0].node, *node);
        for considered in considered {
            let verdict = verdicts.iter().find(|v| v.node == considered.node).unwrap();
            assert!(verdict.fits(), "{verdict:?}");
        }
        self.fleet.reserve(PodId(pod as u32), *node, shape);
        self.pods.insert(pod, (node.0 as usize, kind));
        self.check_capacity(node.0 as usize, shape, shapes);
    }

    /// Summed anew from the pods, since what the fleet says is what is being tested. A node may
    /// have shrunk under its pods, but a newcomer finds room for all that it asks for.
    fn check_capacity(&self, node: usize, shape: &PodShape, shapes: &[Arc<PodShape>]) {
        let mut sum = setpoint_schemas::Resources::default();
        for (_, kind) in self.pods.values().filter(|(on, _)| *on == node) {
            sum.add(shapes[*kind].requests());
        }
        assert_eq!(self.fleet.allocated(NodeId(node as u32)), &sum);
        let (asks, has) = (shape.requests(), &self.nodes[&node].allocatable);
        let gpu = |of: &setpoint_schemas::Resources| {
            of.extended.get("example.com/gpu").copied().unwrap_or(0)
        };
        for (asks, sum, has) in [
            (asks.cpu_milli, sum.cpu_milli, has.cpu_milli),
            (asks.memory_bytes, sum.memory_bytes, has.memory_bytes),
            (asks.pods, sum.pods, has.pods),
            (gpu(asks), gpu(&sum), gpu(has)),
        ] {
            assert!(asks == 0 || sum <= has, "{sum} of {has}");
        }
    }

    /// The same facts told in another order, under other ids.
    fn rebuilt(&self, shapes: &[Arc<PodShape>], seed: u64) -> Fleet {
        let mut fleet = Fleet::new();
        let id = |number: usize| NodeId(((number as u64 * 7919 + seed) % 10_007) as u32);
        let mut nodes: Vec<_> = self.nodes.iter().collect();
        let mut pods: Vec<_> = self.pods.iter().collect();
        nodes.sort_by_key(|(number, _)| (**number as u64).wrapping_mul(seed | 1) % 101);
        pods.sort_by_key(|(number, _)| (**number as u64).wrapping_mul(seed | 1) % 103);
        let half = pods.len() / 2;
        for (pod, (node, kind)) in &pods[..half] {
            fleet.reserve(PodId(5000 - **pod as u32), id(*node), &shapes[*kind]);
        }
        label(&mut fleet, self.team);
        for (number, info) in nodes {
            fleet.upsert_node(id(*number), info.clone());
        }
        for (pod, (node, kind)) in &pods[half..] {
            fleet.reserve(PodId(5000 - **pod as u32), id(*node), &shapes[*kind]);
        }
        fleet
    }
}

fn label(fleet: &mut Fleet, team: bool) {
    let labels = team.then(|| ("team".to_owned(), "x".to_owned())).into_iter().collect();
    fleet.set_namespace_labels("default", labels);
}

/// The answer in names, since ids differ from fleet to fleet.
fn told(fleet: &mut Fleet, shape: &Arc<PodShape>, name: &str) -> String {
    match fleet.place(&uid(name), shape, 9, SAMPLES) {
        Placing::Unplaceable(reasons) => reasons.to_string(),
        Placing::Placed { considered, .. } => considered
            .iter()
            .map(|c| format!("{} {:?}", fleet.node(c.node).unwrap().name, c.scores))
            .collect::<Vec<_>>()
            .join("\n"),
    }
}

/// A second's worth.
const CASES: u32 = 1000;

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn capacity_holds_and_a_pod_that_fits_somewhere_is_placed(
        changes in prop::collection::vec(change(14), 1..120),
    ) {
        let shapes = shapes();
        let mut world = World::default();
        for change in &changes {
            world.apply(change, &shapes);
        }
    }

    #[test]
    fn neither_order_nor_ids_nor_what_was_asked_before_change_an_answer(
        changes in prop::collection::vec(change(14), 1..120),
        seed in any::<u32>(),
    ) {
        let shapes = shapes();
        let mut world = World::default();
        for change in &changes {
            world.apply(change, &shapes);
        }
        let mut rebuilt = world.rebuilt(&shapes, u64::from(seed));
        for (index, shape) in shapes.iter().enumerate() {
            let name = format!("next-{index}");
            prop_assert_eq!(told(&mut world.fleet, shape, &name), told(&mut rebuilt, shape, &name));
        }
    }
}

/// Cases of nodes that are full most of the time: each asks every shape after every change.
const FULL_CASES: u32 = 100;

proptest! {
    #![proptest_config(ProptestConfig { cases: FULL_CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_full_nodes_lack_is_told_as_by_who_asks_anew(
        changes in prop::collection::vec(change(3), 40..80),
    ) {
        let shapes = shapes();
        let mut world = World::default();
        for change in &changes {
            world.apply(change, &shapes);
            let mut rebuilt = world.rebuilt(&shapes, 3);
            for shape in &shapes {
                prop_assert_eq!(told(&mut world.fleet, shape, "next"), told(&mut rebuilt, shape, "next"));
            }
        }
    }
}

#[test]
fn another_epoch_may_draw_another_node() {
    let mut fleet = Fleet::new();
    for number in 0..200 {
        fleet.upsert_node(NodeId(number), node(number as usize, 0));
    }
    let pod = &shapes()[0];
    let drawn = |fleet: &mut Fleet, epoch| match fleet.place(&uid("p"), pod, epoch, 1) {
        Placing::Placed { node, .. } => node,
        Placing::Unplaceable(reasons) => panic!("{reasons}"),
    };
    let nodes: std::collections::BTreeSet<NodeId> = (0..50).map(|e| drawn(&mut fleet, e)).collect();
    assert!(nodes.len() > 25, "{} of 50 epochs differ", nodes.len());
}
