//! How well unlike nodes are filled when pods ask for all that they have: few find no room, and what is
//! spread stays even.

// A panic is how a test fails; reading inputs and clocks is for tests alone.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use setpoint_placement::{Fleet, NodeId, Placing, PodId, PodShape, SAMPLES_DEFAULT};
use support::{node_info, shape, uid};

/// Milli-cpu and GiB of memory of the kinds of nodes.
const KINDS: [(i64, i64); 4] = [(32_000, 128), (64_000, 128), (16_000, 80), (96_000, 384)];
const NODES: usize = 600;
const ZONES: usize = 3;
/// Milli-cpu that a pod may ask for.
const CPU_MILLI: [i64; 5] = [200, 500, 1_000, 2_500, 4_000];
/// MiB of memory a core: of the fleet's own mean there is none.
const LEAN: i64 = 1_536;
const RICH: i64 = 6_144;
/// Pods that may find no room, in thousandths. Where full nodes are not filled to the end, eleven do.
const REJECTED_MAX: usize = 8;
/// Pods of a workload.
const REPLICAS: i64 = 15;

fn fleet() -> (Fleet, i64, i64) {
    let mut fleet = Fleet::new();
    let (mut cpu, mut memory) = (0, 0);
    for number in 0..NODES {
        let (milli, gib) = KINDS[number / ZONES % KINDS.len()];
        let info = node_info(&json!({"name": format!("n{number}"),
            "labels": {"zone": (number % ZONES).to_string()},
            "allocatable": {"cpu": format!("{milli}m"), "memory": format!("{gib}Gi"), "pods": "600"}}));
        fleet.upsert_node(NodeId(u32::try_from(number).unwrap()), info);
        (cpu, memory) = (cpu + milli, memory + gib * 1_024);
    }
    (fleet, cpu, memory)
}

/// Workloads that ask for all of it, every fourth of them spread over the zones.
fn demand(mut cpu: i64, mut memory: i64, rng: &mut StdRng) -> Vec<(Arc<PodShape>, bool)> {
    let mut pods = Vec::new();
    let (mut misses, mut workload) = (0, 0);
    while misses < 100 {
        let milli = CPU_MILLI[rng.random_range(0..CPU_MILLI.len())];
        let a_core = if memory * 1_000 > cpu * (LEAN + RICH) / 2 { RICH } else { LEAN };
        let mib = milli * a_core / 1_000;
        let replicas = REPLICAS.min(cpu / milli).min(memory / mib);
        if replicas == 0 {
            misses += 1;
            continue;
        }
        (cpu, memory) = (cpu - replicas * milli, memory - replicas * mib);
        workload += 1;
        let app = format!("w{workload}");
        let is_spread = workload % 4 == 0;
        let mut pod = json!({"labels": {"app": app},
            "requests": {"cpu": format!("{milli}m"), "memory": format!("{mib}Mi")}});
        if is_spread {
            pod["topologySpreadConstraints"] = json!([{"maxSkew": 1, "topologyKey": "zone",
                "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {"matchLabels": {"app": app}}}]);
        }
        let shape = shape(&pod);
        pods.extend((0..replicas).map(|_| (Arc::clone(&shape), is_spread)));
    }
    pods.shuffle(rng);
    pods
}

#[test]
fn pods_that_ask_for_all_there_is_nearly_all_find_room() {
    let (mut fleet, cpu, memory) = fleet();
    let pods = demand(cpu, memory, &mut StdRng::seed_from_u64(7));
    let mut rejected = 0;
    let mut zones: BTreeMap<usize, [i64; ZONES]> = BTreeMap::new();
    for (number, (shape, is_spread)) in (0..).zip(&pods) {
        match fleet.place(&uid(&format!("p{number}")), shape, 1, SAMPLES_DEFAULT) {
            Placing::Placed { node, .. } => {
                fleet.reserve(PodId(number), node, shape);
                if *is_spread {
                    let workload = Arc::as_ptr(shape) as usize;
                    zones.entry(workload).or_default()[node.0 as usize % ZONES] += 1;
                }
            }
            Placing::Unplaceable(_) => rejected += 1,
        }
    }
    let uneven =
        |zones: &&[i64; ZONES]| zones.iter().max().unwrap() - zones.iter().min().unwrap() > 1;
    assert_eq!(zones.values().filter(uneven).count(), 0);
    println!("{rejected} of {} find no room", pods.len());
    assert!(rejected * 1_000 <= pods.len() * REJECTED_MAX, "{rejected} of {}", pods.len());
}

/// A pod that asks for nothing leaves as much as there was: a hundred of them make no node full, and go
/// on being spread.
#[test]
fn pods_that_ask_for_nothing_fill_no_node() {
    let mut fleet = Fleet::new();
    for number in 0..2 {
        let info = node_info(&json!({"name": format!("n{number}"),
            "allocatable": {"cpu": "4", "memory": "32Gi", "pods": "600"}}));
        fleet.upsert_node(NodeId(number), info);
    }
    let pod = shape(&json!({"labels": {"app": "idle"}}));
    let mut counts = [0_i64; 2];
    for number in 0..400 {
        let placing = fleet.place(&uid(&format!("p{number}")), &pod, 1, SAMPLES_DEFAULT);
        let Placing::Placed { node, .. } = placing else { panic!("no room for {number}") };
        fleet.reserve(PodId(number), node, &pod);
        counts[node.0 as usize] += 1;
    }
    assert!((counts[0] - counts[1]).abs() < 100, "{counts:?}");
}
