//! Pods that wait for a place: alike within a workload, or one for each node of a DaemonSet.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Waiting pods listed one by one, of one workload: as many as one page of kubectl. Its status
/// counts the others.
const LISTED_MAX: u64 = 500;

/// Pods of a workload that wait, all alike and for the same reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Waiting {
    /// Why, in kube-scheduler's phrases.
    pub(crate) reason: String,
    /// The number that the first of them will have; the others follow.
    pub(crate) from: u64,
    /// How many there are.
    pub(crate) count: u64,
    /// The revision that they will have.
    pub(crate) revision: u32,
}

/// The pod of a DaemonSet that waits for room on its node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WaitingHere {
    /// Why, in kube-scheduler's phrases.
    pub(crate) reason: String,
    /// The number that it will have.
    pub(crate) counter: u64,
    /// The revision that it will have.
    pub(crate) revision: u32,
}

impl Waiting {
    /// The numbers of those that are listed.
    pub(crate) fn listed(&self) -> Range<u64> {
        self.from..self.from + self.count.min(LISTED_MAX)
    }
}

impl WaitingHere {
    /// As a group of one.
    pub(crate) fn alone(&self) -> Waiting {
        let WaitingHere { reason, counter, revision } = self.clone();
        Waiting { reason, from: counter, count: 1, revision }
    }
}
