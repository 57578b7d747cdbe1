//! Devices, counted anew from the placements of all pods of which something may be left.

use std::collections::BTreeMap;

use setpoint_schemas::{DEVICE_MILLI, NodeName, Placement, PodSpec};

use super::world::{NodeSeen, World};

type Answer = Result<(), String>;

/// The node has as many devices with enough left as the pod asks for.
pub(super) fn enough(world: &World, spec: &PodSpec, node: &NodeSeen) -> Answer {
    let Ok(Some(ask)) = spec.device_ask() else { return Ok(()) };
    let taken = taken(world, &node.record.node);
    let left = node.record.devices.iter().map(|d| d.milli - taken.get(&d.id).unwrap_or(&0));
    let fitting = left.filter(|left| *left >= ask.milli).count();
    let enough = u32::try_from(fitting).is_ok_and(|fitting| fitting >= ask.devices);
    if enough { Ok(()) } else { Err("too little of its devices is left".to_owned()) }
}

/// A new placement names as many devices as are asked for, which the node has and which nobody else
/// has as much of.
pub(super) fn granted(
    world: &World,
    placement: &Placement,
    spec: &PodSpec,
    node: &NodeSeen,
) -> Answer {
    let ask = spec.device_ask().ok().flatten();
    let mut own: BTreeMap<&str, i32> = BTreeMap::new();
    placement.devices.iter().for_each(|taken| *own.entry(&*taken.id).or_default() += taken.milli);
    let asked = ask.map_or(0, |ask| ask.devices as usize);
    if own.len() != asked {
        return Err(format!("it has {} devices and asks for {asked}", own.len()));
    }
    let taken = taken(world, &node.record.node);
    for (id, milli) in own {
        let Some(device) = node.record.devices.iter().find(|device| device.id == id) else {
            return Err(format!("the node has no device {id}"));
        };
        let in_use = taken.get(id).copied().unwrap_or(0);
        if Some(milli) != ask.map(|ask| ask.milli) || in_use + milli > device.milli {
            return Err(format!("it has {milli} milli of {id}, of which {in_use} are in use"));
        }
    }
    Ok(())
}

/// No device of any node is given away more than once over, by what stands and by what still stops.
pub(super) fn none_is_given_twice(world: &World) -> Answer {
    let nodes = world.pods.values().map(|pod| &pod.placement.node);
    let nodes: std::collections::BTreeSet<&NodeName> = nodes.collect();
    for node in nodes {
        if let Some((id, milli)) = taken(world, node).iter().find(|(_, m)| **m > DEVICE_MILLI) {
            return Err(format!("device {id} of {node} has pods of {milli} milli"));
        }
    }
    Ok(())
}

/// Thousandths that pods have of each device of a node.
fn taken(world: &World, node: &NodeName) -> BTreeMap<String, i32> {
    let mut taken = BTreeMap::new();
    let here = world.pods.values().filter(|pod| pod.placement.node == *node);
    for pod in here.filter(|pod| !pod.is_finished()) {
        for device in &pod.placement.devices {
            *taken.entry(device.id.to_string()).or_default() += device.milli;
        }
    }
    taken
}
