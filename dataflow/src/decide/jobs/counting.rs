//! A Job's pod ends, or has to go: it is counted, once.
//!
//! Guarantee: that it was counted stands in its placement, and what it was counted as in the Job's
//! status, in the epoch in which it is.

use setpoint_rules::job_failures::{self, Cause, Meaning};
use setpoint_rules::job_status::Met;
use setpoint_rules::jobs::{self, End};
use setpoint_schemas::{ContainerState, JobSpec, Observation, PodPhase};

use crate::decide::Turn;
use crate::decide::plan::placement_of;
use crate::epoch::PlacementChange;
use crate::state::{IndexFailures, JobMemo, OfJob, Workload, WorkloadKind};
use crate::views::{Standing, Views};

/// What a pod of a Job came to.
enum Outcome {
    Succeeded,
    Failed(Meaning),
}

impl<V: Views> Turn<'_, V> {
    /// A pod is as it is observed: one of a Job that has ended is counted.
    pub(crate) fn job_pod_observed(&mut self, id: u32, observed: &Observation) {
        if !self.is_to_count(id) {
            return;
        }
        let details = observed.details();
        let ended = details.containers.filter(|c| c.state == ContainerState::Terminated);
        let codes: Vec<(&str, i32)> =
            ended.filter_map(|container| Some((container.name, container.exit_code?))).collect();
        self.job_pod_ended(id, observed.phase() == PodPhase::Succeeded, Cause::Ended(&codes));
    }

    /// Pods that ended and were not counted by whoever led before: of what they were is known only
    /// whether it was well.
    pub(crate) fn count_the_ended(&mut self, workload: u32) {
        let ended = self.state.workload.get(&workload).map(|workload| &workload.ended);
        let ended = ended.into_iter().flatten().filter(|pod| self.is_to_count(**pod));
        let with_counter = |pod: &u32| self.state.pods.get(pod).map(|p| (p.counter, *pod));
        let mut ended: Vec<(u64, u32)> = ended.filter_map(with_counter).collect();
        ended.sort_unstable();
        for (_, pod) in ended {
            let last = self.state.pods.get(&pod).and_then(|pod| pod.last);
            let is_well = last.is_some_and(|last| last.phase == PodPhase::Succeeded);
            self.job_pod_ended(pod, is_well, Cause::Other);
            self.refact(pod);
        }
    }

    fn is_to_count(&self, id: u32) -> bool {
        let Some(pod) = self.state.pods.get(&id) else { return false };
        let is_new = pod.standing == Standing::Ended && !pod.is_finished();
        is_new && self.state.owner(pod).is_some_and(|owner| owner.kind == WorkloadKind::Job)
    }

    fn job_pod_ended(&mut self, id: u32, is_success: bool, cause: Cause<'_>) {
        let Some(pod) = self.state.pods.get_mut(&id) else { return };
        let workload = pod.workload;
        pod.job_mut().is_finished = true;
        self.state.touch_pod(id);
        self.job_counts(id, is_success, cause);
        let Some(pod) = self.state.pods.get(&id) else { return };
        let Some(host) = self.state.host(pod) else { return };
        let (uid, node) = (pod.uid.clone(), host.row.record.node.clone());
        // Its node learns that nothing of it is to be started again, whatever becomes of it there.
        let placement = placement_of(self.state, pod);
        self.out.placements.push(PlacementChange { uid, node, placement });
        self.state.mark(workload);
    }

    /// A pod is about to be withdrawn for a reason that is not its Job's: where it still lives it counts
    /// as one that failed.
    pub(crate) fn job_pod_lost(&mut self, id: u32, cause: Cause<'_>) {
        let Some(pod) = self.state.pods.get(&id) else { return };
        if !pod.standing.is_live() {
            return;
        }
        let owner = self.state.workload.get(&pod.workload);
        // Of one that ends anyway, or is deleted, nobody counts who goes with it.
        let counts = owner.is_some_and(|owner| {
            !owner.deleted && owner.job().is_some_and(|(_, memo)| memo.record.met.is_none())
        });
        if counts {
            self.job_counts(id, false, cause);
        }
    }

    fn job_counts(&mut self, id: u32, is_success: bool, cause: Cause<'_>) {
        let Some(pod) = self.state.pods.get(&id) else { return };
        let Some(owner) = self.state.owner(pod) else { return };
        let (workload, namespace) = (pod.workload, owner.key.namespace.clone());
        let of = pod.rare.as_ref().map(|rare| rare.job.clone()).unwrap_or_default();
        let policy = owner.wants.job.as_ref().and_then(|job| job.pod_failure_policy.as_ref());
        let outcome = match is_success {
            true => Outcome::Succeeded,
            false => match job_failures::meaning(policy, cause) {
                Meaning::FailsJob(why) => {
                    let name = self.state.pod_name(pod);
                    Outcome::Failed(Meaning::FailsJob(format!("Pod {namespace}/{}: {why}", &*name)))
                }
                meaning => Outcome::Failed(meaning),
            },
        };
        let now = self.now;
        let Some(owner) = self.state.workload.get_mut(&workload) else { return };
        owner.pod_counts(&of, outcome, now);
        self.state.touch_workload(workload);
        self.state.jobs_changed.insert(workload);
        self.state.mark(workload);
    }
}

impl Workload {
    fn pod_counts(&mut self, of: &OfJob, outcome: Outcome, now_ms: i64) {
        let Some(spec) = self.wants.job.clone() else { return };
        let memo = self.memo.job.get_or_insert_default();
        let is_limited = spec.backoff_limit_per_index.is_some();
        let index = of.index.filter(|_| spec.is_indexed());
        match outcome {
            Outcome::Succeeded => {
                memo.succeeded(&spec, index);
                if !is_limited {
                    (self.memo.ended_in_row, self.memo.not_before_ms) = (0, 0);
                }
            }
            Outcome::Failed(Meaning::Ignored) => {}
            Outcome::Failed(meaning) => {
                memo.record.failed += 1;
                match (&meaning, index) {
                    (Meaning::FailsIndex, Some(index)) => memo.index_fails(index),
                    (_, Some(index)) if is_limited => memo.index_failed(&spec, index, of, now_ms),
                    _ => {
                        self.memo.ended_in_row += 1;
                        self.memo.not_before_ms = now_ms + jobs::backoff_ms(self.memo.ended_in_row);
                    }
                }
                if let (Meaning::FailsJob(why), Some(memo)) = (meaning, &mut self.memo.job)
                    && memo.record.met.is_none()
                {
                    memo.record.met = Some(Met::by(End::badly("PodFailurePolicy", why), now_ms));
                }
            }
        }
    }
}

impl JobMemo {
    fn succeeded(&mut self, spec: &JobSpec, index: Option<u32>) {
        let record = &mut self.record;
        let Some(index) = index else {
            record.succeeded += 1;
            return;
        };
        record.completed.insert(index);
        self.failed.remove(&index);
        self.count_indexes(spec);
    }

    /// Of an indexed Job those indexes count that it has: their number may change.
    pub(super) fn count_indexes(&mut self, spec: &JobSpec) {
        if let Some(all) = spec.to_complete().filter(|_| spec.is_indexed()) {
            self.record.succeeded = self.record.completed.count_below(all);
        }
    }

    fn index_fails(&mut self, index: u32) {
        self.record.failed_indexes.insert(index);
        self.failed.remove(&index);
    }

    fn index_failed(&mut self, spec: &JobSpec, index: u32, of: &OfJob, now_ms: i64) {
        let known = self.failed.get(&index).map_or(0, |failed| failed.count);
        let count = known.max(of.index_failures) + 1;
        let most = spec.backoff_limit_per_index.unwrap_or(0);
        if i64::from(count) > i64::from(most) {
            return self.index_fails(index);
        }
        let not_before_ms = now_ms + jobs::backoff_ms(count);
        self.failed.insert(index, IndexFailures { count, not_before_ms });
    }
}
