//! The same runs through the placer as the engine has it: nodes and pods as manifests make them, all
//! filters, all scores, and the mix told workload by workload.
//!
//! Guarantee: ties go to the lowest rank here too, since nodes are named by it.
//! Absent: the engine around the placer; when a pod is placed is the run's to say.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context;
use serde_json::{Value, json};
use setpoint_placement::{Fleet, NodeId, NodeInfo, Placing, PodId, PodShape, SAMPLES_DEFAULT};
use setpoint_schemas::{
    DEVICE_MILLI, Device, GPU, GPU_MILLI, NodeName, PodSpec, PodUid, Resources, add_devices,
};

use super::node::{NodeSpec, Pod};
use super::run::{Column, Outcome, percent_of, two_decimals};
use super::trace::Trace;
use super::workloads::Workload;
use crate::clock::timed;

/// The most pods that a node takes: the published method's bound.
const PODS_MAX: i64 = 1001;

/// Runs a workload of the trace through a fleet.
///
/// # Errors
/// When a node or a pod of the trace cannot be written as the fleet knows them.
pub fn run_through_fleet(trace: &Trace, workload: &Workload) -> anyhow::Result<Outcome> {
    let mut fleet = fleet_of(trace, workload)?;
    let shapes = shapes_of(trace, &mut fleet)?;
    let mut took = Vec::with_capacity(workload.arrivals.len());
    let (mut arrived, mut allocated) = (0, 0);
    let (mut full, mut over) = (Column::new(100.0), Column::new(130.0));
    for (number, index) in (0..).zip(&workload.arrivals) {
        let pod = &trace.pods[*index];
        arrived += u64::from(pod.ask.milli_total());
        let uid = PodUid::parse(&format!("pod-{number}"))?;
        let shape = &shapes[pod];
        let (placing, time) = timed(|| fleet.place(&uid, shape, 1, SAMPLES_DEFAULT));
        took.push(time);
        if let Placing::Placed { node, .. } = placing {
            let devices = fleet.devices_for(node, shape);
            anyhow::ensure!(devices.len() == usize::from(pod.ask.devices), "as many as asked for");
            let taken = spec_of(pod)?.hand_out(&devices);
            fleet.reserve_with(PodId(number), node, shape, &taken);
            allocated += u64::from(pod.ask.milli_total());
        }
        for column in [&mut full, &mut over] {
            let (arrived, allocated) = (percent_of(trace, arrived), percent_of(trace, allocated));
            column.add(arrived, two_decimals(allocated));
        }
    }
    Ok(Outcome { at_100: full.mean(), at_130: over.mean(), took })
}

/// Empty nodes, named by their ranks.
fn fleet_of(trace: &Trace, workload: &Workload) -> anyhow::Result<Fleet> {
    let mut fleet = Fleet::new();
    for (index, spec) in trace.nodes.iter().enumerate() {
        let name = NodeName::parse(&format!("rank-{:06}", workload.ranks[index]))?;
        let id = NodeId(u32::try_from(index)?);
        fleet.upsert_node(id, info_of(name, spec, &trace.models[spec.model]));
    }
    Ok(fleet)
}

fn info_of(name: NodeName, spec: &NodeSpec, model: &str) -> NodeInfo {
    let device = |index: usize| Device {
        id: format!("GPU-{index}"),
        model: model.to_owned(),
        milli: DEVICE_MILLI,
        memory_bytes: 0,
    };
    let devices: Vec<Device> = (0..spec.devices).map(device).collect();
    let (cpu_milli, memory_bytes) = (spec.cpu_milli, spec.memory_bytes);
    let mut allocatable =
        Resources { cpu_milli, memory_bytes, pods: PODS_MAX, ..Resources::default() };
    add_devices(&mut allocatable, &devices);
    NodeInfo {
        name,
        labels: BTreeMap::new(),
        taints: Vec::new(),
        allocatable,
        ready: true,
        unschedulable: false,
        watched: false,
        devices,
    }
}

/// A shape for each kind of pod, each wanted as often as the list has it.
fn shapes_of(trace: &Trace, fleet: &mut Fleet) -> anyhow::Result<BTreeMap<Pod, Arc<PodShape>>> {
    let mut counts: BTreeMap<Pod, u64> = BTreeMap::new();
    trace.pods.iter().for_each(|pod| *counts.entry(*pod).or_default() += 1);
    let mut shapes = BTreeMap::new();
    for (number, (pod, count)) in (0..).zip(counts) {
        let models = trace.specs[pod.spec].as_str();
        let models = Some(models).filter(|models| !models.is_empty() && pod.ask.devices > 0);
        let labels = Arc::default();
        let shape = PodShape::compile_on_models("default", &labels, &spec_of(&pod)?, models)
            .context("a pod of the trace")?;
        fleet.want(number, &shape, count);
        shapes.insert(pod, shape);
    }
    Ok(shapes)
}

/// One container that asks for what the pod asks for.
fn spec_of(pod: &Pod) -> anyhow::Result<PodSpec> {
    let ask = &pod.ask;
    let mut amounts = json!({
        "cpu": format!("{}m", ask.cpu_milli), "memory": ask.memory_bytes.to_string(),
    });
    match (ask.devices, ask.is_share()) {
        (0, _) => {}
        (_, true) => amounts[GPU_MILLI] = Value::from(ask.milli.to_string()),
        (count, false) => amounts[GPU] = Value::from(count.to_string()),
    }
    let container = json!({"name": "main", "resources": {"requests": amounts}});
    Ok(serde_json::from_value(json!({"containers": [container]}))?)
}
