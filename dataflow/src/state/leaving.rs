//! Pods whose eviction waits for others in their place.
//!
//! Guarantee: until when each waits stands in its row and in its placement; which pods of a workload do
//! follows from these.

use setpoint_rules::disruption::{self, Leaving, Ruling};
use setpoint_rules::rollout::{Counts, Update};
use setpoint_schemas::PodPhase;

use super::pod::Rare;
use super::{Pod, State, Workload, WorkloadKind};
use crate::views::Standing;

impl Pod {
    /// Until when its eviction waits, engine time; 0 where nobody evicts it.
    pub(crate) fn leaving_ms(&self) -> i64 {
        self.rare.as_ref().map_or(0, |rare| rare.leaving_ms)
    }

    /// Its eviction waits until this engine time; 0: nobody evicts it.
    fn note_leaving(&mut self, until_ms: i64) {
        let rare = self.rare.take().map(|rare| *rare).unwrap_or_default();
        self.rare = Rare { leaving_ms: until_ms, ..rare }.boxed();
    }

    /// Whether it serves.
    fn is_ready(&self) -> bool {
        matches!(self.standing, Standing::Ready | Standing::Available)
    }

    /// Whether it never began or is over: no budget is about it, in Kubernetes neither.
    fn is_out_of_budgets(&self) -> bool {
        let is_outside = |phase: PodPhase| phase == PodPhase::Pending || phase.is_finished();
        self.standing == Standing::Ended || self.last.is_none_or(|last| is_outside(last.phase))
    }
}

impl Workload {
    /// Whether it can have one pod more than it wants, for one that is evicted: none that stands for an
    /// identity or a node, whose data stays where it is, or that may not run beside another.
    pub(crate) fn surges(&self) -> bool {
        let is_free = |workload: &Workload| {
            let template = workload.current_template();
            template.is_some_and(|template| template.claims.is_empty() && !template.is_gated)
        };
        matches!(self.kind, WorkloadKind::Rolling | WorkloadKind::Keep)
            && self.wants.surge_ms > 0
            && !self.wants.runs_once
            && !self.deleted
            && !self.is_kept
            && self.update() != Update::Recreate
            // One more would be of the very revision that waits or failed.
            && !self.is_held()
            && self.memo.watch.halted.is_empty()
            && is_free(self)
    }
}

impl State {
    /// An eviction of this pod waits until this engine time; 0: nobody evicts it.
    pub(crate) fn set_leaving(&mut self, id: u32, until_ms: i64) {
        let Some(pod) = self.pods.get_mut(&id) else { return };
        pod.note_leaving(until_ms);
        self.touch_pod(id);
        self.leaving_follows(id);
    }

    /// Whether a pod is among those of its workload that leave follows from its row.
    pub(crate) fn leaving_follows(&mut self, id: u32) {
        let Some(pod) = self.pods.get(&id) else { return };
        let is_leaving = pod.leaving_ms() > 0 && pod.standing != Standing::Stopping;
        let Some(owner) = self.workload.get_mut(&pod.workload) else { return };
        match is_leaving {
            true => owner.leaving.insert(id),
            false => owner.leaving.remove(&id),
        };
    }

    /// Whether an eviction of this pod first has another made in its place.
    pub(crate) fn is_replaced_first(&self, pod: &Pod) -> bool {
        // Of one that leaves and was not heard of, as by a leader that was rebuilt, nobody knows that it
        // does not serve.
        let may_serve = pod.is_ready() || (pod.leaving_ms() > 0 && pod.last.is_none());
        may_serve && !self.is_stranded(pod) && self.owner(pod).is_some_and(Workload::surges)
    }

    /// What becomes of an eviction of this pod, which waits until that time.
    pub(crate) fn eviction_ruling(&self, id: u32, until_ms: i64, now_ms: i64) -> Ruling {
        let Some(pod) = self.pods.get(&id) else { return Ruling::Go };
        let Some(owner) = self.owner(pod) else { return Ruling::Go };
        let itself = i64::from(pod.standing == Standing::Available && !self.is_stranded(pod));
        let waiting = owner.memo.waiting.as_ref();
        let refused = self.refusal_of(pod).unwrap_or_default();
        let leaving = Leaving {
            is_replaced: self.is_replaced_first(pod),
            others: owner.total().available - itself,
            desired: owner.desired(),
            lack: waiting.map_or("", |waiting| &waiting.reason),
            refused: &refused,
            until_ms,
        };
        disruption::rule(&leaving, now_ms)
    }

    /// The counts of a workload, in which those that leave are not any more.
    pub(crate) fn counts_without_leaving(&self, owner: &Workload) -> Counts {
        let mut counts = owner.counts();
        let pods = owner.leaving.iter().filter_map(|pod| self.pods.get(pod));
        for pod in pods.filter(|pod| !self.is_stranded(pod)) {
            let Some(told) = pod.told.filter(|told| told.is_live()) else { continue };
            let available = i64::from(told == Standing::Available);
            if pod.revision == owner.memo.current {
                counts.current -= 1;
                counts.current_available -= available;
            } else {
                counts.old -= 1;
                counts.old_available -= available;
            }
        }
        counts
    }

    /// Whether its node is lost.
    fn is_stranded(&self, pod: &Pod) -> bool {
        self.host(pod).is_some_and(|host| host.row.lost)
    }

    fn refusal_of(&self, pod: &Pod) -> Option<String> {
        if pod.is_out_of_budgets() {
            return None;
        }
        let is_ready = pod.is_ready() && !self.is_stranded(pod);
        let budgets = self.budgets.of(pod.workload, pod.revision);
        budgets.iter().find_map(|budget| self.budgets.refusal(*budget, is_ready))
    }
}
