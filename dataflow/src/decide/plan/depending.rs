//! Workloads that wait for others: held back until these are so far, and looked at when these move.
//!
//! Guarantee: a workload whose current revision has begun is not held back any more, whatever becomes of
//! what it depends on. Absent: cycles; those of a Compose file are refused where it is read, others wait
//! and say for whom.

use setpoint_rules::dependencies::{self, Standing as Met};
use setpoint_schemas::{Dependency, DependsCondition, PodPhase};

use crate::decide::Turn;
use crate::state::{Pod, Waiting, Workload, WorkloadKind, staying};
use crate::views::{Standing, Views};

impl<V: Views> Turn<'_, V> {
    /// Why the workload's new pods are not started yet; nothing where they may be. Once they may, its
    /// current revision has begun.
    pub(super) fn held_back(&mut self, id: u32) -> Option<String> {
        let workload = self.state.workload.get(&id)?;
        if !workload.is_held() || workload.deleted {
            return None;
        }
        // Pods of this revision are there already: it began before it was to wait.
        let is_there = staying(&workload.updated()) > 0;
        let why = if is_there { None } else { self.waits_until(workload) };
        let now = self.now;
        if why.is_none()
            && let Some(workload) = self.state.workload.get_mut(&id)
        {
            workload.memo.begun = workload.memo.current;
            // Its update was not late before, and has all of its time from now on.
            workload.memo.progress_ms = now;
            let (key, is_held_back) = (workload.key.clone(), workload.is_held_back());
            self.state.waiting.shift(&key, is_held_back);
            self.state.touch_workload(id);
            self.state.status_changed(id);
        }
        why
    }

    /// An update waits for what the workload depends on: its pods of earlier revisions run on, and none
    /// is missing, but it is said.
    pub(super) fn update_waits(&mut self, id: u32, reason: String) {
        self.unpromise_all(id);
        let Some(workload) = self.state.workload.get(&id) else { return };
        let (from, revision) = (workload.memo.next_pod, workload.memo.current);
        self.wait(id, Some(Waiting { reason, from, count: 0, revision }));
    }

    fn waits_until(&self, workload: &Workload) -> Option<String> {
        let all = workload.wants.depends_on.iter();
        let waited_for: Vec<String> = all
            .filter_map(|one| dependencies::waits(one, self.standing_of(workload, one)))
            .collect();
        dependencies::sentence(&waited_for)
    }

    /// How far a workload is that this one depends on.
    fn standing_of(&self, of: &Workload, dependency: &Dependency) -> Met {
        let id = self.state.workloads.get(&dependency.key(&of.key.namespace));
        let Some(on) = id.and_then(|id| self.state.workload.get(id)).filter(|on| !on.deleted)
        else {
            return Met::Absent;
        };
        let is_so = match dependency.condition {
            DependsCondition::Completed => return self.completion(on),
            DependsCondition::Started => self.has_started(on),
            DependsCondition::Healthy => on.updated().ready >= self.wanted_of(on),
        };
        match is_so {
            true => Met::Met,
            false if on.memo.stuck => Met::Failed,
            false => Met::NotYet,
        }
    }

    /// How many pods it is to have: a DaemonSet one on each node that it is meant for, and one at least.
    fn wanted_of(&self, on: &Workload) -> i64 {
        match on.kind {
            WorkloadKind::Daemon => self.daemon_desired(on).max(1),
            _ => on.desired(),
        }
    }

    /// Whether all its pods have started, also those that have ended since.
    fn has_started(&self, on: &Workload) -> bool {
        let updated = on.updated();
        let wanted = self.wanted_of(on);
        if updated.live + updated.ended < wanted {
            return false;
        }
        let current = self.pods_of_current(on);
        let begun = current.filter(|pod| {
            let phase = pod.last.as_ref().map(|last| last.phase);
            pod.is_there
                && matches!(phase, Some(PodPhase::Running | PodPhase::Succeeded | PodPhase::Failed))
        });
        begun.count() as i64 >= wanted
    }

    /// Whether all its pods have ended well.
    fn completion(&self, on: &Workload) -> Met {
        if let Some(job) = &on.memo.job {
            return match &job.record.met {
                Some(met) if met.is_success => Met::Met,
                Some(_) => Met::Failed,
                None => Met::NotYet,
            };
        }
        let ended = self.pods_of_current(on).filter(|pod| pod.standing == Standing::Ended);
        let mut well = 0;
        for pod in ended {
            match pod.last.as_ref().map(|last| last.phase) {
                Some(PodPhase::Failed) => return Met::Failed,
                Some(PodPhase::Succeeded) => well += 1,
                _ => {}
            }
        }
        if well >= self.wanted_of(on) { Met::Met } else { Met::NotYet }
    }

    fn pods_of_current<'a>(&'a self, on: &'a Workload) -> impl Iterator<Item = &'a Pod> {
        let pods = on.pods.iter().filter_map(|pod| self.state.pods.get(pod));
        pods.filter(|pod| pod.revision == on.memo.current && pod.standing != Standing::Stopping)
    }

    /// A workload is otherwise than it was: those that wait for it are looked at.
    pub(crate) fn dependants_look(&mut self, id: u32) {
        if self.state.dependants.is_empty() {
            return;
        }
        let Some(workload) = self.state.workload.get(&id) else { return };
        let waits = |id: &u32| self.state.workload.get(id).is_some_and(|w| w.is_held());
        let on: Vec<u32> = self.state.dependants.on(&workload.key).filter(waits).collect();
        if on.is_empty() {
            return;
        }
        let why = workload.memo.whys.last().cloned();
        for id in on {
            match why.clone() {
                Some(why) => self.because(id, why),
                None => self.state.mark(id),
            }
        }
    }
}
