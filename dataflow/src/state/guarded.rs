//! The pods that may run at most once, by the node that they are placed on.
//!
//! Guarantee: those that stop are among them until nothing is left of them.

use std::collections::BTreeSet;

use super::{Numbered, Pod, State, WorkloadKind};

/// The numbers of such pods, by node.
#[derive(Debug, Default)]
pub(crate) struct Guarded(Numbered<BTreeSet<u32>>);

impl Guarded {
    pub(crate) fn insert(&mut self, node: u32, pod: u32) {
        self.0.entry(node).or_default().insert(pod);
    }

    pub(crate) fn remove(&mut self, node: u32, pod: u32) {
        if let Some(here) = self.0.get_mut(&node) {
            here.remove(&pod);
            if here.is_empty() {
                self.0.remove(&node);
            }
        }
    }

    /// Whether a node has one.
    pub(crate) fn is_on(&self, node: u32) -> bool {
        self.0.contains_key(&node)
    }

    /// A node's, in no order that may decide anything.
    pub(crate) fn on(&self, node: u32) -> impl Iterator<Item = u32> + '_ {
        self.0.get(&node).into_iter().flatten().copied()
    }
}

impl State {
    /// The sequence of the last renewal of a node's lease, where a pod of it may run at most once.
    pub(crate) fn lease_served(&self, node: u32) -> Option<i64> {
        let row = self.node.get(&node).map(|node| &node.row);
        row.filter(|_| self.guarded.is_on(node)).map(|row| row.sequence)
    }

    /// Whether a pod may run at most once.
    pub(crate) fn is_at_most_one(&self, pod: &Pod) -> bool {
        self.owner(pod).is_some_and(|owner| owner.kind == WorkloadKind::Stateful)
    }
}
