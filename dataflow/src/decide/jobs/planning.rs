//! A Job is looked at: how many pods it is to have, whether it has ended, and when it is deleted.

use setpoint_rules::job_status::{Met, whole_second};
use setpoint_rules::jobs;
use setpoint_schemas::{Action, PodUid};

use crate::decide::Turn;
use crate::decide::plan::Start;
use crate::decided::About;
use crate::state::JobMemo;
use crate::views::{Standing, Views};

/// The rule that withdraws a Job's pods.
const RULE: &str = "job";

impl<V: Views> Turn<'_, V> {
    /// Looks at a Job.
    pub(crate) fn plan_job(&mut self, id: u32, starts: &mut Vec<Start>) {
        let Some(workload) = self.state.workload.get_mut(&id) else { return };
        if workload.deleted {
            self.stop_pods(id, "its workload was deleted", |standing| {
                standing != Standing::Stopping
            });
            self.waits_no_more(id);
            return;
        }
        workload.memo.job.get_or_insert_default();
        self.job_begins(id);
        self.job_ends(id);
        let is_over = self.job_record(id).is_some_and(|memo| memo.record.met.is_some());
        match is_over {
            true => self.wind_up(id),
            false => self.keep_at_work(id, starts),
        }
        self.redesire(id);
        self.state.status_changed(id);
        self.prune_finished(id);
    }

    fn job_record(&self, id: u32) -> Option<&JobMemo> {
        self.state.workload.get(&id).and_then(|workload| workload.memo.job.as_deref())
    }

    /// It is suspended, resumed, or begins.
    fn job_begins(&mut self, id: u32) {
        let now = whole_second(self.now);
        let Some(workload) = self.state.workload.get_mut(&id) else { return };
        let Some(spec) = workload.wants.job.as_deref() else { return };
        let is_suspended = spec.is_suspended();
        let Some(memo) = workload.memo.job.as_deref_mut() else { return };
        let before = memo.record.clone();
        memo.count_indexes(spec);
        let record = &mut memo.record;
        if record.met.is_some() {
            return;
        }
        let was_suspended = record.suspended.is_some_and(|(is_so, _)| is_so);
        if is_suspended != was_suspended {
            record.suspended = Some((is_suspended, now));
            record.started_ms = None;
        }
        if !is_suspended && record.started_ms.is_none() {
            record.started_ms = Some(now);
        }
        if *record != before {
            self.job_changed(id);
        }
    }

    pub(super) fn job_changed(&mut self, id: u32) {
        self.state.touch_workload(id);
        self.state.jobs_changed.insert(id);
        self.state.status_changed(id);
        self.dependants_look(id);
    }

    /// Whether it has ended, by what its pods have come to.
    fn job_ends(&mut self, id: u32) {
        let now = self.now;
        let now_ms = self.complete.then_some(now);
        let Some(workload) = self.state.workload.get_mut(&id) else { return };
        let Some(at) = workload.job_standing() else { return };
        let Some(spec) = workload.wants.job.as_deref() else { return };
        let Some(end) = jobs::end(spec, at, now_ms) else { return };
        let Some(memo) = workload.memo.job.as_deref_mut() else { return };
        if memo.record.met.is_none() {
            memo.record.met = Some(Met::by(end, now));
            self.job_changed(id);
        }
    }

    /// It has ended: what still runs goes, and after its time so does it.
    fn wind_up(&mut self, id: u32) {
        let Some(met) = self.job_record(id).and_then(|memo| memo.record.met.clone()) else {
            return;
        };
        let why = if met.is_success { "its Job is complete" } else { "its Job has failed" };
        self.stop_pods(id, why, Standing::is_live);
        self.waits_no_more(id);
        let now = self.now;
        let Some(workload) = self.state.workload.get_mut(&id) else { return };
        workload.memo.whys_served = true;
        let is_quiet = workload.job_standing().is_some_and(|at| at.active + at.terminating == 0);
        let text = workload.text.clone();
        let Some(memo) = workload.memo.job.as_deref_mut() else { return };
        memo.wanted = 0;
        if is_quiet && memo.record.finished_ms.is_none() {
            memo.record.finished_ms = Some(whole_second(now));
            let causes = self.state.causes(id);
            let about = About { resource: Some(text), causes, ..About::default() };
            let word = if met.is_success { "Complete" } else { "Failed" };
            let reason = format!("{word}: {}: {}", met.reason, met.message);
            self.ledger.write(Action::Rollout, RULE, reason, about);
            self.job_changed(id);
            self.cron_job_moved(id);
        }
        self.job_expires(id);
    }

    /// The time after its end is over: it is deleted.
    fn job_expires(&mut self, id: u32) {
        let Some(workload) = self.state.workload.get(&id) else { return };
        let Some((spec, memo)) = workload.job().filter(|_| !workload.is_kept) else { return };
        let due_ms = memo.record.finished_ms.and_then(|at| jobs::expires_ms(spec, at));
        let Some(due_ms) = due_ms else { return };
        if self.now < due_ms || !self.complete {
            return self.state.look_again(id, due_ms);
        }
        let (key, text) = (workload.key.clone(), workload.text.clone());
        let causes = self.state.causes(id);
        let Some(cause) = causes.first().cloned() else { return };
        let about = About { resource: Some(text), causes, ..About::default() };
        let reason = "its ttlSecondsAfterFinished are over: it is deleted";
        self.ledger.write(Action::Rollout, "job_ttl", reason, about);
        self.delete(&key, None, &cause);
    }

    /// It goes on: as many pods as it is to have.
    fn keep_at_work(&mut self, id: u32, starts: &mut Vec<Start>) {
        let now = self.now;
        let Some(workload) = self.state.workload.get_mut(&id) else { return };
        let Some(at) = workload.job_standing() else { return };
        let Some(spec) = workload.wants.job.clone() else { return };
        let wanted = jobs::wanted(&spec, at);
        let deadline_ms = jobs::deadline_ms(&spec, at.started_ms);
        let (mut lacking, excess) = (jobs::lacking(&spec, wanted, at), at.active - wanted);
        let (waiting, until_ms) = workload.indexes_that_wait(now);
        if waiting > 0 {
            let all = spec.to_complete().unwrap_or(0);
            let record = workload.memo.job.as_ref().map(|memo| &memo.record);
            let over = record.map_or(0, |r| r.succeeded + r.failed_indexes.count_below(all));
            lacking = lacking.min((all - over - at.active - waiting).max(0));
        }
        if let Some(memo) = workload.memo.job.as_deref_mut()
            && memo.wanted != wanted
        {
            memo.wanted = wanted;
            self.state.touch_workload(id);
        }
        [until_ms, deadline_ms.filter(|at| *at > now || !self.complete)]
            .into_iter()
            .flatten()
            .for_each(|at| self.state.look_again(id, at));
        if excess > 0 {
            let why =
                if spec.is_suspended() { "its Job is suspended" } else { "more pods than wanted" };
            self.stop_some(id, excess, why);
        }
        // One that is being deleted, and that finalizers keep, makes no pods.
        let is_kept = self.state.workload.get(&id).is_some_and(|workload| workload.is_kept);
        self.start(id, if is_kept { 0 } else { lacking }, starts);
    }

    /// Withdraws its pods that stand so, in the order in which they were made.
    fn stop_pods(&mut self, id: u32, why: &'static str, which: impl Fn(Standing) -> bool) {
        let Some(workload) = self.state.workload.get(&id) else { return };
        let with_counter = |pod: &u32| self.state.pods.get(pod).map(|p| (p, *pod));
        let pods = workload.pods.iter().filter_map(with_counter);
        let mut pods: Vec<(u64, PodUid, u32)> = pods
            .filter(|(pod, _)| which(pod.standing))
            .map(|(pod, number)| (pod.counter, pod.uid.clone(), number))
            .collect();
        pods.sort();
        let causes = if pods.is_empty() { Default::default() } else { self.state.causes(id) };
        pods.into_iter().for_each(|(.., pod)| self.withdraw(pod, RULE, why, causes.clone()));
    }

    fn stop_some(&mut self, id: u32, count: i64, why: &'static str) {
        let causes = self.state.causes(id);
        for uid in self.victims(id, count, |_, _| true) {
            if let Some(pod) = self.state.pods.id_of(&uid) {
                self.withdraw(pod, RULE, why, causes.clone());
            }
        }
    }
}
