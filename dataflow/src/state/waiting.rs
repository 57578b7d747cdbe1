//! Pods that wait for a place: alike within a workload, or one for each node of a DaemonSet.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use setpoint_rules::identity;
use setpoint_schemas::{PodUid, ResourceName};

use super::{Template, Workload, WorkloadKind};
use crate::epoch::WaitingPod;

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

impl Workload {
    /// The uid of its pod of this number.
    pub(crate) fn pod_uid(&self, counter: u64) -> PodUid {
        identity::pod_uid(&self.uid, counter)
    }

    /// The name of its pod of this uid and template: a bare pod's is its own.
    pub(crate) fn pod_name(&self, template: &Template, uid: &PodUid) -> ResourceName {
        if self.kind == WorkloadKind::Bare
            && let Ok(name) = ResourceName::parse(&self.key.name)
        {
            return name;
        }
        let revision = self.revision_name(template);
        identity::pod_name(&self.key.name, revision.as_deref(), uid)
    }

    /// All groups of its pods that wait.
    pub(crate) fn groups_waiting(&self) -> Vec<Waiting> {
        let here = self.memo.waiting_here.values().map(WaitingHere::alone);
        self.memo.waiting.iter().cloned().chain(here).collect()
    }

    /// The listed pods of a group, as readers see them.
    pub(crate) fn pods_waiting(&self, group: &Waiting) -> Vec<WaitingPod> {
        let Some(template) = self.templates.get(&group.revision) else { return Vec::new() };
        let pod = |counter| {
            let uid = self.pod_uid(counter);
            WaitingPod {
                name: self.pod_name(template, &uid).to_string(),
                uid,
                workload: self.key.clone(),
                reason: group.reason.clone(),
            }
        };
        group.listed().map(pod).collect()
    }
}
