//! A node: what it reported, its lease, whether it is lost.

use serde::{Deserialize, Serialize};
use setpoint_schemas::{Cause, NodeRecord, Policy};

use crate::views::NodeFact;

/// A node with its number.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) row: NodeRow,
    /// The fact that the views have of it.
    pub(crate) fact: Option<NodeFact>,
}

/// What the checkpoint keeps of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NodeRow {
    pub(crate) record: NodeRecord,
    /// Engine time of the last renewal.
    pub(crate) renewed_ms: i64,
    pub(crate) sequence: i64,
    pub(crate) lost: bool,
    pub(crate) confirmed_lost: bool,
    /// The last renewal: the cause of what follows when none comes after it.
    pub(crate) cause: Cause,
}

impl Node {
    /// The fact that the views should have of it.
    pub(crate) fn wanted_fact(&self, id: u32) -> NodeFact {
        let may = &self.row.record.allocatable;
        let (cpu_milli, memory_bytes, pods) = (may.cpu_milli, may.memory_bytes, may.pods);
        NodeFact { node: id, cpu_milli, memory_bytes, pods }
    }

    /// Engine time until which the lease holds.
    pub(crate) fn due_ms(&self, policy: &Policy) -> i64 {
        self.row.renewed_ms + policy.lease_grace_ms
    }
}
