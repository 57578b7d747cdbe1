//! Pods that their nodes evicted: where they had not held out, those that follow wait longer each time.
//!
//! Guarantee: what is remembered of that is the workload's row and its resource's. Absent: kinds whose row of
//! replacements does not end as soon as all pods run; it grows with evictions as with any other end.

use setpoint_schemas::{EVICTED, PodPhase, PodUid};

use crate::decide::Turn;
use crate::state::{Pod, Workload, WorkloadKind};
use crate::views::Views;

impl<V: Views> Turn<'_, V> {
    /// How many of these pods of a workload, which have ended, their nodes evicted before they had lived as long
    /// as makes a row of ends be over.
    pub(super) fn evicted_soon(&self, id: u32, ended: &[(PodUid, u32)]) -> u32 {
        let owner = self.state.workload.get(&id);
        let Some(owner) = owner.filter(|owner| owner.kind == WorkloadKind::Rolling) else {
            return 0;
        };
        let held_out_ms = owner.wants.reschedule.healthy_ms;
        let is_soon = |pod: &&Pod| {
            let has_failed = pod.last.is_some_and(|last| last.phase == PodPhase::Failed);
            let lived_ms = self.now - pod.placed_ms.get();
            has_failed && pod.reason() == EVICTED && lived_ms < held_out_ms
        };
        let pods = ended.iter().filter_map(|(_, pod)| self.state.pods.get(pod));
        u32::try_from(pods.filter(is_soon).count()).unwrap_or(u32::MAX)
    }
}

impl Workload {
    /// Pods of it that ended are replaced, of which so many were evicted soon: none starts before its policy
    /// says, nor before one says that waits already for an eviction.
    pub(super) fn put_off(&mut self, evicted: u32, now_ms: i64) {
        let (policy, desired) = (self.wants.reschedule, self.desired());
        let memo = &mut self.memo;
        let waits_until_ms = match memo.rescheduled.evicted {
            0 => 0,
            _ => memo.not_before_ms,
        };
        let from_ms = match evicted {
            0 => memo.rescheduled.replace(&policy, now_ms),
            _ => memo.rescheduled.replace_evicted(&policy, (evicted, desired), now_ms),
        };
        memo.not_before_ms = from_ms.max(waits_until_ms);
    }
}
