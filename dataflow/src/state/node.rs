//! A node: what it reported, its lease, whether it is lost.

use serde::{Deserialize, Serialize};
use setpoint_schemas::{Cause, NodeRecord, Policy};

/// A node with its number.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) row: NodeRow,
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
    /// Engine time until which the lease holds.
    pub(crate) fn due_ms(&self, policy: &Policy) -> i64 {
        self.row.renewed_ms + policy.lease_grace_ms
    }
}
