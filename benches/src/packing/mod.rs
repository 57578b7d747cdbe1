//! A fleet of unlike nodes and as many pods as it has room for: demand is capacity, in cpu and in
//! memory.

mod bound;
mod demand;

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use setpoint_placement::{Fleet, NodeId, NodeInfo, Placing, PodId, PodShape, SAMPLES_DEFAULT};
use setpoint_schemas::{NodeName, PodUid, Resources};

pub(crate) use bound::placed_at_most;
pub(crate) use demand::{Ask, Demand};

/// A kind of node: milli-cpu, bytes of memory, and its share of the fleet in percent.
type Kind = (i64, i64, usize);

const GIB: i64 = 1 << 30;
/// General, for computing, for memory, large.
const KINDS: [Kind; 4] = [
    (32_000, 128 * GIB, 50),
    (64_000, 128 * GIB, 25),
    (16_000, 128 * GIB, 15),
    (128_000, 512 * GIB, 10),
];
/// One node in so many has the disk that some pods ask for.
const SSD_EVERY: usize = 5;
const ZONES: usize = 3;
/// Pods that a node takes: more than its cpu has room for, so that this never binds.
const PODS_A_NODE: i64 = 600;

const ZONE: &str = "topology.kubernetes.io/zone";
const DISK: &str = "disk";

/// A node as the fleet and the bound see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Room {
    pub(crate) cpu_milli: i64,
    pub(crate) memory_bytes: i64,
    pub(crate) ssd: bool,
}

/// The fleet with its demand, nothing placed.
pub(crate) struct Scene {
    pub(crate) fleet: Fleet,
    pub(crate) rooms: Vec<Room>,
    /// In the order of their arrival.
    pub(crate) pods: Vec<Pod>,
}

/// A pod to be placed.
pub(crate) struct Pod {
    pub(crate) id: PodId,
    pub(crate) uid: PodUid,
    pub(crate) shape: Arc<PodShape>,
    pub(crate) ask: Ask,
    /// The workload, when its pods must be spread evenly over the zones.
    pub(crate) spread: Option<usize>,
}

impl Scene {
    /// A fleet of so many nodes; the seed draws the demand and the order.
    pub(crate) fn new(nodes: usize, seed: u64) -> anyhow::Result<Scene> {
        let mut rng = StdRng::seed_from_u64(seed);
        let rooms: Vec<Room> = (0..nodes).map(room).collect();
        let mut fleet = Fleet::new();
        for (number, room) in rooms.iter().enumerate() {
            fleet.upsert_node(NodeId(u32::try_from(number)?), info(number, room)?);
        }
        let mut pods = Vec::new();
        for (workload, demand) in Demand::drawn(&rooms, &mut rng).iter().enumerate() {
            let shape = demand.shape(workload)?;
            for _ in 0..demand.replicas {
                let id = PodId(u32::try_from(pods.len())?);
                let uid = PodUid::parse(&format!("pod-{}", id.0))?;
                let spread = demand.spread.then_some(workload);
                pods.push(Pod { id, uid, shape: shape.clone(), ask: demand.ask, spread });
            }
        }
        pods.shuffle(&mut rng);
        Ok(Scene { fleet, rooms, pods })
    }

    /// Places one of the pods; its node, when one has room.
    pub(crate) fn place(fleet: &mut Fleet, pod: &Pod) -> Option<NodeId> {
        match fleet.place(&pod.uid, &pod.shape, 1, SAMPLES_DEFAULT) {
            Placing::Placed { node, .. } => {
                fleet.reserve(pod.id, node, &pod.shape);
                Some(node)
            }
            Placing::Unplaceable(_) => None,
        }
    }
}

/// The zone of a node.
pub(crate) fn zone_of(node: NodeId) -> usize {
    node.0 as usize % ZONES
}

/// How uneven the fullest zone is against the emptiest one, by workload, the worst of them.
pub(crate) fn skew(placed: impl Iterator<Item = (usize, NodeId)>) -> usize {
    let mut counts: BTreeMap<usize, [usize; ZONES]> = BTreeMap::new();
    for (workload, node) in placed {
        counts.entry(workload).or_default()[zone_of(node)] += 1;
    }
    let of = |zones: &[usize; ZONES]| {
        zones.iter().max().unwrap_or(&0) - zones.iter().min().unwrap_or(&0)
    };
    counts.values().map(of).max().unwrap_or(0)
}

/// Kinds by their shares, so that each zone has all of them alike.
fn room(number: usize) -> Room {
    // Within a hundred nodes of a zone, in an order that mixes them: 37 is prime to 100.
    let place = number / ZONES * 37 % 100;
    let mut up_to = 0;
    let kind = KINDS.iter().find(|(.., share)| {
        up_to += share;
        place < up_to
    });
    let (cpu_milli, memory_bytes, _) = kind.copied().unwrap_or(KINDS[0]);
    Room { cpu_milli, memory_bytes, ssd: (number / ZONES).is_multiple_of(SSD_EVERY) }
}

fn info(number: usize, room: &Room) -> anyhow::Result<NodeInfo> {
    let name = format!("node-{number}");
    let disk = if room.ssd { "ssd" } else { "spinning" };
    let zone = format!("zone-{}", number % ZONES);
    let labels = [("kubernetes.io/hostname", name.as_str()), (ZONE, &zone), (DISK, disk)];
    Ok(NodeInfo {
        name: NodeName::parse(&name)?,
        labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        taints: Vec::new(),
        allocatable: Resources {
            cpu_milli: room.cpu_milli,
            memory_bytes: room.memory_bytes,
            pods: PODS_A_NODE,
            ..Resources::default()
        },
        ready: true,
        unschedulable: false,
        watched: false,
        devices: Vec::new(),
    })
}

impl Demand {
    /// What all its pods are.
    fn shape(&self, workload: usize) -> anyhow::Result<Arc<PodShape>> {
        let app = format!("app-{workload}");
        let requests = json!({ "cpu": format!("{}m", self.ask.cpu_milli),
            "memory": self.ask.memory_bytes.to_string() });
        let mut spec = json!({ "containers": [{ "name": "app", "image": "app",
            "resources": { "requests": requests } }] });
        if self.ask.ssd {
            spec["nodeSelector"] = json!({ (DISK): "ssd" });
        }
        if self.spread {
            spec["topologySpreadConstraints"] = json!([{ "maxSkew": 1, "topologyKey": ZONE,
                "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": { "matchLabels": { "app": app } } }]);
        }
        let labels = BTreeMap::from([("app".to_owned(), app)]);
        Ok(PodShape::compile("default", &labels, &serde_json::from_value(spec)?)?)
    }
}

/// One of these.
fn one_of<T: Copy>(rng: &mut StdRng, all: &[T]) -> T {
    all[rng.random_range(0..all.len())]
}
