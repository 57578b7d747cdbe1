//! How old the leases are: those that run by the time of their last renewal, and who is lost.
//!
//! Guarantee: who asks which leases are older than some time looks at those and at no other.

use std::collections::BTreeSet;

use super::{NodeRow, Numbered};

/// The leases of all nodes.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    /// Of nodes that are not lost: the engine time of the last renewal, and the node.
    running: BTreeSet<(i64, u32)>,
    renewed_ms: Numbered<i64>,
    /// Nodes that are lost, which nobody confirmed.
    unconfirmed: BTreeSet<u32>,
}

impl Leases {
    /// A node is as this row says.
    pub(crate) fn node_is(&mut self, id: u32, row: &NodeRow) {
        let renewed_ms = (!row.lost && !row.confirmed_lost).then_some(row.renewed_ms);
        let known = self.renewed_ms.get(&id).copied();
        if known != renewed_ms {
            if let Some(known) = known {
                self.running.remove(&(known, id));
                self.renewed_ms.remove(&id);
            }
            if let Some(renewed_ms) = renewed_ms {
                self.running.insert((renewed_ms, id));
                self.renewed_ms.insert(id, renewed_ms);
            }
        }
        match row.lost && !row.confirmed_lost {
            true => self.unconfirmed.insert(id),
            false => self.unconfirmed.remove(&id),
        };
    }

    /// A node is no more.
    pub(crate) fn forget(&mut self, id: u32) {
        if let Some(known) = self.renewed_ms.remove(&id) {
            self.running.remove(&(known, id));
        }
        self.unconfirmed.remove(&id);
    }

    /// How many run.
    pub(crate) fn running(&self) -> i64 {
        self.running.len() as i64
    }

    /// Those that run, the one that was renewed longest ago first.
    pub(crate) fn oldest_first(&self) -> impl Iterator<Item = (i64, u32)> + '_ {
        self.running.iter().copied()
    }

    /// How many nodes are lost, which nobody confirmed.
    pub(crate) fn unconfirmed(&self) -> i64 {
        self.unconfirmed.len() as i64
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use setpoint_schemas::samples;

    use super::*;
    use crate::causes::{Cause, cause_of_node};
    use setpoint_schemas::{Position, Topic};

    fn row(renewed_ms: i64, lost: bool, confirmed_lost: bool) -> NodeRow {
        let record = samples::node();
        let at = Position { topic: Topic::Nodes, partition: 0, offset: 0 };
        let cause: Cause = cause_of_node(at, &record);
        let record = Arc::new(record);
        NodeRow { record, renewed_ms, sequence: 0, lost, confirmed_lost, silent: false, cause }
    }

    #[test]
    fn a_node_stands_once_by_its_last_renewal_or_among_the_lost() {
        let mut leases = Leases::default();
        leases.node_is(1, &row(30, false, false));
        leases.node_is(2, &row(20, false, false));
        leases.node_is(3, &row(10, false, false));
        leases.node_is(3, &row(40, false, false));
        assert_eq!(leases.oldest_first().collect::<Vec<_>>(), [(20, 2), (30, 1), (40, 3)]);
        leases.node_is(2, &row(20, true, false));
        leases.node_is(1, &row(30, true, true));
        assert_eq!((leases.running(), leases.unconfirmed()), (1, 1));
        leases.forget(2);
        leases.forget(3);
        assert_eq!((leases.running(), leases.unconfirmed()), (0, 0));
    }
}
