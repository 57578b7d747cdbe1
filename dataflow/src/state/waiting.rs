//! Pods that wait for a place: alike within a workload, or one for each node of a DaemonSet.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use setpoint_rules::quota::is_refusal;
use setpoint_schemas::ResourceKey;

/// Waiting pods listed one by one, of one workload: as many as one page of kubectl. Its status
/// counts the others.
const LISTED_MAX: u64 = 500;

/// Why a pod with gates waits, in the words of Kubernetes' API server.
pub(crate) const GATED: &str = "Scheduling is blocked due to non-empty scheduling gates";

/// Workloads with a pod that waits for a place. Whom gates hold back, or quotas, stand aside: no room on a node
/// wakes them, and nobody walks past them.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    hopeful: BTreeSet<ResourceKey>,
    held_back: BTreeSet<ResourceKey>,
}

impl Waiters {
    /// This workload waits.
    pub(crate) fn insert(&mut self, key: ResourceKey, is_held_back: bool) {
        let (to, from) = match is_held_back {
            true => (&mut self.held_back, &mut self.hopeful),
            false => (&mut self.hopeful, &mut self.held_back),
        };
        from.remove(&key);
        to.insert(key);
    }

    /// It waits no more.
    pub(crate) fn remove(&mut self, key: &ResourceKey) {
        self.hopeful.remove(key);
        self.held_back.remove(key);
    }

    /// It has another template: if it waits, then so.
    pub(crate) fn shift(&mut self, key: &ResourceKey, is_held_back: bool) {
        if self.contains(key) {
            self.insert(key.clone(), is_held_back);
        }
    }

    pub(crate) fn contains(&self, key: &ResourceKey) -> bool {
        self.hopeful.contains(key) || self.held_back.contains(key)
    }

    /// Those to whom room could help.
    pub(crate) fn hopeful(&self) -> &BTreeSet<ResourceKey> {
        &self.hopeful
    }

    /// All of them, in order of their keys.
    pub(crate) fn all(&self) -> impl Iterator<Item = &ResourceKey> {
        self.hopeful.union(&self.held_back)
    }
}

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
    /// The numbers of those that are listed: none where a quota keeps them from being made.
    pub(crate) fn listed(&self) -> Range<u64> {
        let count = if is_refusal(&self.reason) { 0 } else { self.count.min(LISTED_MAX) };
        self.from..self.from + count
    }
}

impl WaitingHere {
    /// As a group of one.
    pub(crate) fn alone(&self) -> Waiting {
        let WaitingHere { reason, counter, revision } = self.clone();
        Waiting { reason, from: counter, count: 1, revision }
    }
}
