//! Where a DaemonSet is to be looked at: what happens on one node does not bring all others to mind.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use setpoint_schemas::NodeName;

/// The nodes on which a DaemonSet is to be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Look {
    /// All: it is new or changed, or who knows what happened.
    Everywhere,
    /// These.
    On(BTreeSet<NodeName>),
}

impl Default for Look {
    fn default() -> Self {
        Look::On(BTreeSet::new())
    }
}

impl Look {
    /// Something happened on this node; says whether that is news.
    pub(crate) fn add(&mut self, node: &NodeName) -> bool {
        match self {
            Look::Everywhere => false,
            Look::On(nodes) => nodes.insert(node.clone()),
        }
    }

    /// Whether the node is among them.
    pub(crate) fn has(&self, node: &NodeName) -> bool {
        match self {
            Look::Everywhere => true,
            Look::On(nodes) => nodes.contains(node),
        }
    }
}
