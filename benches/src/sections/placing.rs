//! Placements a second: the placer alone, and through the engine with all that a decision is.

use std::collections::BTreeMap;

use setpoint_dataflow::views::{Differential, HandWritten, Views};
use setpoint_placement::{Fleet, NodeId, NodeInfo, Placing, PodId, PodShape, SAMPLES_DEFAULT};
use setpoint_schemas::{NodeName, PodSpec, PodUid};

use crate::clock::{per_second, timed};
use crate::measurement::{Aim, Measurement, RATE};
use crate::plant::{Plant, node_record, pod_spec};
use crate::rounds;
use crate::sizes::Sizes;

/// Pods a Deployment.
const REPLICAS: usize = 100;

/// Decisions a second, without the record of them.
const GOAL_ALONE: f64 = 1_000_000.0;

/// Measures all on fleets of the same nodes, in turns.
pub(crate) fn measure(sizes: &Sizes) -> anyhow::Result<Vec<Measurement>> {
    let name = |which: &str| format!("placements on {} nodes/{which}", sizes.nodes);
    rounds::measured(sizes.rounds, |_| {
        let alone = placer_alone(sizes)?;
        let through = through_the_engine(Differential::new(), sizes)?;
        let by_hand = through_the_engine(HandWritten::new(), sizes)?;
        let row = |which, rate| Measurement::new(name(which), rate, RATE);
        Ok(vec![
            row("placer alone", alone).aiming(Aim::ValueAtLeast, GOAL_ALONE),
            row("through Engine::step", through).beside(name("placer alone")),
            row("through Engine::step, views by hand", by_hand)
                .beside(name("through Engine::step")),
        ])
    })
}

fn placer_alone(sizes: &Sizes) -> anyhow::Result<f64> {
    let mut fleet = Fleet::new();
    for number in 0..u32::try_from(sizes.nodes)? {
        fleet.upsert_node(NodeId(number), node_info(number as usize)?);
    }
    let spec: PodSpec = serde_json::from_value(pod_spec())?;
    let labels = BTreeMap::from([("app".to_owned(), "web".to_owned())]);
    let shape = PodShape::compile("default", &labels, &spec)?;
    let uids: Result<Vec<PodUid>, _> =
        (0..sizes.placements).map(|pod| PodUid::parse(&format!("web-{pod}"))).collect();
    let (placed, took) = timed(|| -> anyhow::Result<()> {
        for (pod, uid) in (0..).zip(&uids?) {
            match fleet.place(uid, &shape, 1, SAMPLES_DEFAULT) {
                Placing::Placed { node, .. } => fleet.reserve(PodId(pod), node, &shape),
                Placing::Unplaceable(reasons) => anyhow::bail!("{reasons}"),
            }
        }
        Ok(())
    });
    placed?;
    Ok(per_second(sizes.placements, took))
}

/// One apply of all Deployments, one epoch.
fn through_the_engine(views: impl Views, sizes: &Sizes) -> anyhow::Result<f64> {
    let mut plant = Plant::with_nodes(views, sizes.nodes)?;
    let deployments = sizes.placements.div_ceil(REPLICAS);
    let request = plant.apply(0..deployments, REPLICAS)?;
    let epoch = plant.epoch(vec![request]);
    let (outcome, took) = timed(|| plant.engine.step(epoch));
    let placed = outcome.placements.iter().filter(|change| change.placement.is_some()).count();
    anyhow::ensure!(placed == deployments * REPLICAS, "{placed} pods were placed");
    Ok(per_second(placed, took))
}

fn node_info(number: usize) -> anyhow::Result<NodeInfo> {
    let record = node_record(number)?;
    Ok(NodeInfo {
        name: NodeName::parse(record.node.as_str())?,
        ready: record.is_ready(),
        labels: record.labels,
        taints: Vec::new(),
        allocatable: record.allocatable,
        unschedulable: false,
        watched: false,
        devices: Vec::new(),
    })
}
