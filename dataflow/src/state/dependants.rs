//! Which workloads depend on which others, so that those that wait are looked at when these move.
//!
//! Guarantee: follows from the workloads' resources; a move costs those that depend on who moves.

use std::collections::{BTreeSet, HashMap};

use setpoint_rules::quota;
use setpoint_schemas::ResourceKey;

use super::Workload;

/// Those that depend on others.
#[derive(Debug, Default)]
pub(crate) struct Dependants {
    on: HashMap<ResourceKey, BTreeSet<u32>>,
    of: HashMap<u32, BTreeSet<ResourceKey>>,
    /// Workloads whose template a request has changed so far.
    pub(crate) updated: BTreeSet<ResourceKey>,
}

impl Dependants {
    /// Whether nobody depends on anybody.
    pub(crate) fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// A workload is new, changed or gone: what it depends on is found out anew.
    pub(crate) fn look_at(&mut self, id: u32, workload: Option<&Workload>) {
        for key in self.of.remove(&id).unwrap_or_default() {
            if let Some(ids) = self.on.get_mut(&key) {
                ids.remove(&id);
                if ids.is_empty() {
                    self.on.remove(&key);
                }
            }
        }
        let Some(workload) = workload.filter(|workload| !workload.deleted) else { return };
        let depends_on = workload.wants.depends_on.iter();
        let keys: BTreeSet<ResourceKey> =
            depends_on.map(|one| one.key(&workload.key.namespace)).collect();
        if keys.is_empty() {
            return;
        }
        for key in &keys {
            self.on.entry(key.clone()).or_default().insert(id);
        }
        self.of.insert(id, keys);
    }

    /// Who depends on a workload.
    pub(crate) fn on(&self, key: &ResourceKey) -> impl Iterator<Item = u32> {
        self.on.get(key).into_iter().flatten().copied()
    }
}

impl Workload {
    /// Whether its new pods are kept from being placed, whatever room there is: by gates, or by what the
    /// workload depends on.
    pub(crate) fn is_gated(&self) -> bool {
        self.has_gates() || self.is_held()
    }

    /// Whether room on nodes helps none of its pods that wait: gates hold them back, or quotas and LimitRanges do,
    /// which call them when there is hope. Pods that are looked at one by one wait for this and that.
    pub(crate) fn is_held_back(&self) -> bool {
        let is_bound = |why: &str| quota::is_refusal(why) || quota::is_awaited(why);
        let is_bound_all = || {
            self.memo.waiting.as_ref().is_some_and(|waiting| is_bound(&waiting.reason))
                && self.memo.waiting_here.is_empty()
                && self.memo.nominated.is_empty()
                && !self.has_claims_by_name()
        };
        self.is_gated() || is_bound_all()
    }

    /// Whether gates keep its new pods from being placed.
    pub(crate) fn has_gates(&self) -> bool {
        self.templates.get(&self.memo.current).is_some_and(|template| template.is_gated)
    }

    /// Whether its current revision waits for what the workload depends on.
    pub(crate) fn is_held(&self) -> bool {
        !self.wants.depends_on.is_empty() && self.memo.begun != self.memo.current
    }
}
