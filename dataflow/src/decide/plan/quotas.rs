//! Quotas where pods are made: who may not be made waits, and is looked at when there is room.
//!
//! Guarantee: no pod is placed beyond a quota. Absent: a pod that waits for a place is not made yet and holds
//! nothing of a quota; of those that are promised room only their own workload's count.

use setpoint_rules::quota::{self, Milli};

use crate::decide::Turn;
use crate::state::{Template, Workload, WorkloadKind};
use crate::views::{Standing, Views};

impl<V: Views> Turn<'_, V> {
    /// A pod stands so now, or nothing is left of it: what quotas are used by it changes, and who waits for
    /// room in them is looked at.
    pub(crate) fn count_in_quotas(&mut self, pod: u32, standing: Option<Standing>, is_new: bool) {
        let Some(workload) = self.state.pods.get(&pod).map(|pod| pod.workload) else { return };
        if !self.state.count_pod(pod, standing, is_new) {
            return;
        }
        let namespace = self.state.workload.get(&workload).map(|w| w.key.namespace.clone());
        let Some(namespace) = namespace else { return };
        for id in self.state.quotas.awaiting(&namespace) {
            self.try_next_on(id);
            self.state.mark(id);
        }
    }

    /// A quota is another now: looks at all that wait for one in its namespace.
    pub(crate) fn try_quotas_of(&mut self, namespace: &str) {
        for id in self.state.quotas.awaiting(namespace) {
            if self.state.daemons.contains(&id) {
                self.look_where_it_waits(id);
            }
            self.state.mark(id);
        }
    }

    /// Looks at a DaemonSet on one of the nodes for which its pods wait for a quota: when that waits for it
    /// no more, on the next. However many they are, room for one costs one look.
    pub(super) fn try_next_on(&mut self, id: u32) {
        let Some(workload) = self.state.workload.get(&id) else { return };
        let next = self.state.quotas.awaiting_on(&workload.key.namespace, id);
        if let Some(node) = next.cloned() {
            self.state.look_on(id, &node);
            self.state.mark(id);
        }
    }

    /// Why the next pod of this template may not be made now, beside those that are promised room
    /// already. A bare pod was made when it was accepted: it is there, and waits.
    pub(super) fn quota_forbids(
        &self,
        (id, workload): (u32, &Workload),
        (revision, template): (u32, &Template),
        promised: usize,
    ) -> Option<String> {
        let why = self.state.quotas.forbid((id, revision), promised as Milli)?;
        if workload.kind == WorkloadKind::Bare {
            return Some(why);
        }
        let uid = workload.pod_uid(workload.memo.next_pod);
        let name = workload.name_to_be(template, workload.memo.next_pod, &uid);
        Some(quota::forbidden("pods", name.as_str(), &why))
    }
}
