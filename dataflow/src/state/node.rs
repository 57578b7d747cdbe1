//! A node: what it reported, its lease, whether it is lost.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use setpoint_rules::eviction::NodeTaint;
use setpoint_schemas::NodeRecord;

use super::Meta;
use crate::causes::Cause;
use crate::views::NodeFact;

/// A node with its number.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) row: NodeRow,
    /// The taints for which pods leave it, as its resource has them.
    pub(crate) taints: Vec<NodeTaint>,
    /// The fact that the views have of it.
    pub(crate) fact: Option<NodeFact>,
}

/// What the checkpoint keeps of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NodeRow {
    pub(crate) record: Arc<NodeRecord>,
    /// Engine time of the last renewal.
    pub(crate) renewed_ms: i64,
    pub(crate) sequence: i64,
    pub(crate) lost: bool,
    pub(crate) confirmed_lost: bool,
    /// Whether its lease ended while a hold kept it from being lost, and it was not heard since.
    pub(crate) silent: bool,
    /// The last renewal: the cause of what follows when none comes after it.
    pub(crate) cause: Cause,
}

impl Node {
    /// A node of which nobody was told yet.
    pub(crate) fn new(row: NodeRow) -> Node {
        Node { row, taints: Vec::new(), fact: None }
    }

    /// The fact that the views should have of it.
    pub(crate) fn wanted_fact(&self, id: u32) -> NodeFact {
        let may = &self.row.record.allocatable;
        let (cpu_milli, memory_bytes, pods) = (may.cpu_milli, may.memory_bytes, may.pods);
        NodeFact { node: id, cpu_milli, memory_bytes, pods }
    }

    /// Engine time until which the lease holds.
    pub(crate) fn due_ms(&self, meta: &Meta) -> i64 {
        self.row.counts_from_ms(meta).saturating_add(meta.policy.lease_grace_ms)
    }
}

impl NodeRow {
    /// Engine time from which the grace period counts: the last renewal, or the end of a hold after
    /// it. What was doubted under the hold is not believed the moment the doubt ends.
    pub(crate) fn counts_from_ms(&self, meta: &Meta) -> i64 {
        self.renewed_ms.max(meta.released_ms)
    }

    /// Why nobody knows whether the node is ready, when that is so though it is not lost.
    pub(crate) fn doubt(&self, meta: &Meta) -> Option<String> {
        let node = &self.record.node;
        (self.silent && !self.lost).then(|| match &meta.hold {
            Some(hold) => {
                format!("node {node} does not renew its lease, and replacements are held: {hold}")
            }
            None => format!(
                "node {node} does not renew its lease; the hold of replacements is over, and it is \
                 lost unless it is heard within a grace period"
            ),
        })
    }
}
