//! Quotas and LimitRanges where pods are made: who may not be made waits, and is looked at when there is room.
//!
//! Guarantee: no pod is placed beyond a quota or outside a LimitRange. Absent: a pod that waits for a place is
//! not made yet and holds nothing of a quota; of those that are promised room only their own workload's count.

use setpoint_rules::quota::{self, Milli};
use setpoint_schemas::NodeName;

use crate::decide::Turn;
use crate::state::{Template, Who, Workload, WorkloadKind};
use crate::views::{Standing, Views};

impl<V: Views> Turn<'_, V> {
    /// A pod stands so now, or nothing is left of it: what quotas are used by it changes, and who waits for
    /// room in them is looked at before the next look at workloads.
    pub(crate) fn count_in_quotas(&mut self, pod: u32, standing: Option<Standing>, is_new: bool) {
        let Some(workload) = self.state.pods.get(&pod).map(|pod| pod.workload) else { return };
        if !self.state.count_pod(pod, standing, is_new) {
            return;
        }
        if let Some(workload) = self.state.workload.get(&workload) {
            self.state.quotas.queues.free(&workload.key.namespace);
        }
    }

    /// A quota is another now: looks at all that wait for one in its namespace.
    pub(crate) fn try_quotas_of(&mut self, namespace: &str) {
        for id in self.state.quotas.queues.all(namespace) {
            if self.state.daemons.contains(&id) {
                self.look_where_it_waits(id);
            }
            self.state.mark(id);
        }
    }

    /// The pods of a workload, or its pod for this node, wait for this or for nothing: where that is room in a
    /// quota they stand in a queue.
    pub(super) fn queue(&mut self, id: u32, node: Option<&NodeName>, reason: Option<&str>) {
        let epoch = self.out.number;
        let Some(workload) = self.state.workload.get_mut(&id) else { return };
        let since = match workload.memo.queued_since {
            0 => epoch,
            since => since,
        };
        let who = Who { key: &workload.key, id, since };
        let waits = self.state.quotas.queues.queue(&who, node, reason);
        workload.memo.queued_since = if waits { since } else { 0 };
    }

    /// Why the next pod of this template may not be made now, beside those that are promised room
    /// already. A bare pod was made when it was accepted: it is there, and waits.
    pub(super) fn not_made(
        &self,
        (id, workload): (u32, &Workload),
        (revision, template): (u32, &Template),
        promised: usize,
    ) -> Option<String> {
        let name = || {
            let uid = workload.pod_uid(workload.memo.next_pod);
            workload.name_to_be(template, workload.memo.next_pod, &uid)
        };
        if let Some(refused) = workload.limits_refuse(revision) {
            return Some(refused.of_pod(name().as_str()));
        }
        let worn = workload.worn_to_be(revision).cloned();
        let why = self.state.quotas.forbid(&(id, revision, worn), promised as Milli)?;
        match workload.kind {
            WorkloadKind::Bare => Some(why),
            _ => Some(quota::forbidden("pods", name().as_str(), &why)),
        }
    }
}
