//! How well the placer fills a fleet of unlike nodes, and how long one placement takes when it is
//! nearly full.

use std::collections::VecDeque;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use setpoint_placement::NodeId;

use crate::clock::{Latencies, timed};
use crate::measurement::{Aim, Measurement};
use crate::packing::{Pod, Room, Scene, placed_at_most, skew};
use crate::rounds;
use crate::sizes::Sizes;

/// Percent of the pods that may find no room when demand is capacity.
const REJECTED: f64 = 0.3;
/// Percent of the demand that stands while single placements are timed.
const FULL: usize = 95;
/// What the slowest hundredth of single placements may take, µs.
const SINGLE_MICROS: f64 = 20.0;

/// Both, each round with a demand of its own.
pub(crate) fn measure(sizes: &Sizes) -> anyhow::Result<Vec<Measurement>> {
    let nodes = sizes.packing_nodes;
    rounds::measured(sizes.rounds, |round| {
        let mut rows = packing(Scene::new(nodes, round as u64)?)?;
        let decisions = (sizes.decisions / sizes.rounds).max(1);
        rows.extend(single(Scene::new(nodes, round as u64)?, decisions)?);
        Ok(rows)
    })
}

/// Places all; whoever has no room is rejected, nobody leaves.
fn packing(mut scene: Scene) -> anyhow::Result<Vec<Measurement>> {
    let count = scene.pods.len();
    let fleet = &mut scene.fleet;
    let (placed, took) = timed(|| {
        let pods = scene.pods.iter();
        pods.filter_map(|pod| Some((pod, Scene::place(fleet, pod)?))).collect::<Vec<_>>()
    });
    check(&scene.rooms, &placed)?;
    let bound = placed_at_most(&scene.rooms, &scene.pods)?;
    anyhow::ensure!(placed.len() as f64 <= bound + 0.5, "more was placed than fits in pieces");
    let spread = placed.iter().filter_map(|(pod, node)| Some((pod.spread?, *node)));
    let skew = skew(spread);
    let percent = |rejected: f64| 100.0 * rejected / count as f64;
    let name =
        |which: &str| format!("packing {} nodes at demand = capacity/{which}", scene.rooms.len());
    let lp = name("rejected at least, by the linear program");
    Ok(vec![
        Measurement::new(name("rejected"), percent((count - placed.len()) as f64), "%")
            .noted(format!("of {count} pods"))
            .aiming(Aim::ValueAtMost, REJECTED),
        Measurement::new(lp.clone(), percent(count as f64 - bound), "%"),
        Measurement::new(
            name("required spreads violated by"),
            skew.saturating_sub(1) as f64,
            "count",
        )
        .aiming(Aim::ValueAtMost, 0.0),
        Measurement::new(name("whole time"), took.as_secs_f64(), "s"),
    ])
}

/// That no node has more than it has room for nor a pod that may not be there, from the pods alone.
fn check(rooms: &[Room], placed: &[(&Pod, NodeId)]) -> anyhow::Result<()> {
    let mut left: Vec<Room> = rooms.to_vec();
    for (pod, node) in placed {
        let room = &mut left[node.0 as usize];
        room.cpu_milli -= pod.ask.cpu_milli;
        room.memory_bytes -= pod.ask.memory_bytes;
        let fits = room.cpu_milli >= 0 && room.memory_bytes >= 0 && (room.ssd || !pod.ask.ssd);
        anyhow::ensure!(fits, "{} does not belong on node {}", pod.uid, node.0);
    }
    Ok(())
}

/// One pod leaves and another comes, again and again: how long its placement takes.
fn single(mut scene: Scene, decisions: usize) -> anyhow::Result<Vec<Measurement>> {
    let standing = scene.pods.len() * FULL / 100;
    let mut waiting: VecDeque<usize> = (standing..scene.pods.len()).collect();
    let mut placed = Vec::with_capacity(standing);
    for index in 0..standing {
        match Scene::place(&mut scene.fleet, &scene.pods[index]) {
            Some(_) => placed.push(index),
            None => waiting.push_back(index),
        }
    }
    let mut rng = StdRng::seed_from_u64(1);
    let mut latencies = Latencies::new()?;
    for _ in 0..decisions {
        let leaves = placed.swap_remove(rng.random_range(0..placed.len()));
        scene.fleet.release(scene.pods[leaves].id);
        waiting.push_back(leaves);
        let Some(comes) = waiting.pop_front() else { continue };
        let (node, took) = timed(|| Scene::place(&mut scene.fleet, &scene.pods[comes]));
        latencies.record(took);
        match node {
            Some(_) => placed.push(comes),
            None => waiting.push_back(comes),
        }
    }
    let name = format!("single placement, {} nodes {FULL} % full", scene.rooms.len());
    let aim = |row: Measurement| match row.name.ends_with("/p99") {
        true => row.aiming(Aim::ValueAtMost, SINGLE_MICROS),
        false => row,
    };
    Ok(latencies.rows(&name, None).into_iter().map(aim).collect())
}
