//! Elsewhere: a pod is rather not placed where one of its workload failed of late.
//!
//! Guarantee: a preference and no filter: where no other node was found, the pod goes to the one that was.
//! Absent: looking at more nodes than were compared anyway.

use setpoint_placement::{Considered, Placing};
use setpoint_schemas::PodPhase;

use crate::decide::Turn;
use crate::state::{Workload, WorkloadKind};
use crate::views::Views;

impl<V: Views> Turn<'_, V> {
    /// A pod that ended for good is replaced: where it failed, its workload remembers the node.
    pub(super) fn note_failed(&mut self, id: u32, pod: u32) {
        let now = self.now;
        let Some(pod) = self.state.pods.get(&pod) else { return };
        let has_failed = pod.last.is_some_and(|last| last.phase == PodPhase::Failed);
        let Some(host) = self.state.host(pod).filter(|_| has_failed) else { return };
        let node = host.row.record.node.clone();
        if let Some(workload) = self.state.workload.get_mut(&id) {
            match workload.kind {
                WorkloadKind::Daemon => workload.memo.rescheduled.note_failed_in_place(node, now),
                _ => workload.memo.rescheduled.note_failed(node, now),
            }
            self.state.touch_workload(id);
        }
    }

    /// The best of the nodes that were compared is the best of those that are avoided least.
    pub(super) fn elsewhere(&self, workload: &Workload, placing: Placing) -> Placing {
        let memory = &workload.memo.rescheduled;
        match placing {
            Placing::Placed { considered, .. }
                if considered.len() > 1 && !memory.failed_on.is_empty() =>
            {
                let avoids = |one: &Considered| {
                    let info = self.fleet.node(one.node);
                    info.map_or(0, |info| memory.avoids(&info.name, self.now))
                };
                let mut considered = considered;
                // Stable: of those that are avoided alike the order stays.
                considered.sort_by_cached_key(avoids);
                Placing::Placed { node: considered[0].node, considered }
            }
            other => other,
        }
    }
}
