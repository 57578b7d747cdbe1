//! Pods that finished stay to be seen, hold no room, and are not kept for ever.

use std::sync::Arc;

use setpoint_placement::{NodeId, PodId};
use setpoint_rules::identity::with_suffix;

use crate::decide::Turn;
use crate::state::{OfJob, Pod};
use crate::views::{PodFact, Standing, Views};

/// Finished pods of one Job that are kept to be looked at, the latest: two pages of kubectl. Kubernetes
/// keeps 12,500 in a whole cluster; a Job of a million completions would fill that alone.
const FINISHED_KEPT_MAX: usize = 1_000;
/// So many of them go at once, so that looking for the oldest costs little for each.
const FINISHED_GO: usize = 100;

impl<V: Views> Turn<'_, V> {
    /// Withdraws the oldest of a Job's finished pods when there are too many. What they were counted as
    /// stands in its status.
    pub(super) fn prune_finished(&mut self, id: u32) {
        let Some(workload) = self.state.workload.get(&id) else { return };
        if workload.deleted || workload.ended.len() <= FINISHED_KEPT_MAX {
            return;
        }
        let with_counter = |pod: &u32| self.state.pods.get(pod).map(|p| (p.counter, *pod));
        let mut ended: Vec<(u64, u32)> = workload.ended.iter().filter_map(with_counter).collect();
        ended.sort_unstable();
        let kept = FINISHED_KEPT_MAX - FINISHED_GO;
        ended.truncate(ended.len().saturating_sub(kept));
        let causes = self.state.causes(id);
        for (_, pod) in ended {
            self.withdraw(
                pod,
                "job",
                "its Job keeps the latest of its finished pods",
                causes.clone(),
            );
        }
    }

    /// A new pod of an indexed Job has the lowest index that nobody has, and is named after it.
    pub(crate) fn with_index(&mut self, mut pod: Pod) -> Pod {
        let now = self.now;
        let Some(owner) = self.state.workload.get_mut(&pod.workload) else { return pod };
        let Some(index) = owner.next_index(now) else { return pod };
        let failed = owner.job().and_then(|(_, memo)| memo.failed.get(&index));
        let index_failures = failed.map_or(0, |failed| failed.count);
        *pod.job_mut() = OfJob { index: Some(index), index_failures, is_finished: false };
        let stem = format!("{}-{index}", owner.key.name);
        if let Some(rare) = &mut pod.rare {
            rare.name = Some(with_suffix(&stem, &pod.uid).to_string());
        }
        pod
    }

    /// A pod stands otherwise for the views: one that has finished gives its room back, and the index
    /// that it had is nobody's.
    pub(crate) fn room_follows(&mut self, id: u32, before: Option<Standing>, now: &PodFact) {
        let (lived, lives) = (before.is_some_and(Standing::is_live), now.standing.is_live());
        let index = self.state.pods.get(&id).and_then(|pod| pod.index());
        let index = index.filter(|_| lived != lives);
        let (left, leaves) = (before == Some(Standing::Leaving), now.standing == Standing::Leaving);
        // Most pods are no Job's: for these nothing is looked up.
        if (index.is_some() || left != leaves)
            && let Some(owner) = self.state.workload.get_mut(&now.workload)
        {
            if leaves {
                owner.held.leaving.insert(id);
            } else {
                owner.held.leaving.remove(&id);
            }
            if let Some(index) = index {
                owner.index_lives(index, lives);
            }
        }
        // Who comes with its room came to it where it was placed; one that is read back has none.
        let Some(before) = before else { return };
        match (before.holds_room(), now.standing.holds_room()) {
            (true, false) => {
                self.fleet.release(PodId(id));
                self.state.meta.retry.freed = true;
                let keeps_away =
                    self.state.pods.get(&id).is_some_and(|pod| self.kept_others_away(pod));
                self.daemons_hope(now.node, keeps_away);
            }
            (false, true) => self.hold_again(id, now),
            _ => return,
        }
        self.node_changed_allocation(now.node);
    }

    /// Who was taken to have finished, and is recorded as one that has not.
    fn hold_again(&mut self, id: u32, now: &PodFact) {
        let Some(pod) = self.state.pods.get(&id) else { return };
        let devices = self.state.devices.of(&pod.uid).to_vec();
        let template = self.state.owner(pod).and_then(|owner| owner.template_of(pod));
        let Some(shape) = template.map(|template| Arc::clone(&template.shape)) else { return };
        self.fleet.reserve_with(PodId(id), NodeId(now.node), &shape, &devices);
        if now.standing == Standing::Stopping {
            self.fleet.leave(PodId(id));
        }
    }

    /// A pod is forgotten that stood so for the views.
    pub(crate) fn holds_nothing(
        &mut self,
        id: u32,
        workload: u32,
        index: Option<u32>,
        told: Option<Standing>,
    ) {
        let Some(owner) = self.state.workload.get_mut(&workload) else { return };
        owner.held.leaving.remove(&id);
        if let Some(index) = index.filter(|_| told.is_some_and(Standing::is_live)) {
            owner.index_lives(index, false);
        }
    }
}
