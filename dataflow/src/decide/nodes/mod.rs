//! Nodes: what they report, their leases, and their loss and return.

mod leases;
mod loss;
mod records;

use setpoint_schemas::{GroupKind, NodeName, ResourceKey};

pub(crate) use loss::NodeStatus;

/// The key of a node's resource.
pub(crate) fn node_key(node: &NodeName) -> ResourceKey {
    ResourceKey::new(GroupKind::new("", "Node"), "", node.as_str())
}
