//! What a pod would rather have of a node's record, or not have, without requiring it.

use setpoint_schemas::{Taint, TaintEffect};

use crate::nodes::Nodes;
use crate::selector::NodeTerm;
use crate::shape::PodShape;
use crate::tolerate::tolerates;

/// The weight of the terms that match the node.
pub(crate) fn preference(nodes: &Nodes, shape: &PodShape, slot: u32) -> i64 {
    let info = nodes.node(slot).info();
    let matches = |term: &NodeTerm| term.matches(&info.labels, info.name.as_str());
    shape.node_preferences.iter().filter(|(_, term)| matches(term)).map(|(w, _)| w).sum()
}

/// The number of the node's taints that the pod would rather not bear.
pub(crate) fn aversion(nodes: &Nodes, shape: &PodShape, slot: u32) -> i64 {
    let bears = &shape.demand.bears;
    let counts = |t: &&Taint| t.effect == TaintEffect::PreferNoSchedule && !tolerates(bears, t);
    let taints = &nodes.node(slot).info().taints;
    i64::try_from(taints.iter().filter(counts).count()).unwrap_or(i64::MAX)
}

/// Whether the node has devices that the pod does not ask for: it goes elsewhere if it can.
pub(crate) fn spares_devices(nodes: &Nodes, shape: &PodShape, slot: u32) -> bool {
    shape.devices.is_none() && nodes.boards.get(slot).is_some()
}
