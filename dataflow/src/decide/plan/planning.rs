//! From counts to steps: which workloads need pods, and which pods go.

use std::collections::BTreeMap;

use setpoint_rules::batches::Batches;
use setpoint_rules::job_failures::Cause as Failure;
use setpoint_rules::rollout::{self, Counts, Steps, Update};
use setpoint_rules::victims::{self, Candidate};
use setpoint_schemas::PodUid;

use super::placing::Start;
use crate::causes::{Cause, Causes};
use crate::decide::{AHEAD, Turn};
use crate::decided::Reason;
use crate::state::{GATED, Numbered, Waiting, Workload, WorkloadKind};
use crate::views::{Standing, Tally, Views};

impl<V: Views> Turn<'_, V> {
    /// Looks at every workload that is marked; says whether anything was done.
    pub(crate) fn plan(&mut self) -> bool {
        let before = (self.out.placements.len(), self.ledger.entries.len());
        self.look_at_crons();
        self.let_claims_go();
        self.bind_volumes();
        self.release_those_said_gone();
        self.retry_waiting();
        self.state.call_queued();
        let dirty = self.state.dirty.take();
        let mut starts = Vec::new();
        let busy = dirty.into_iter().filter(|id| !self.is_quiet(*id)).collect::<Vec<_>>();
        for id in self.state.by_key(busy) {
            self.plan_workload(id, &mut starts);
        }
        self.place_all(starts);
        let after = (self.out.placements.len(), self.ledger.entries.len());
        before != after || self.state.meta.retry.anyone()
    }

    /// Whether there is nothing to do about a workload but to take note of how its pods stand; that
    /// is done. Most workloads that are looked at are so.
    fn is_quiet(&mut self, id: u32) -> bool {
        let now = self.now;
        let Some(workload) = self.state.workload.get_mut(&id) else { return true };
        let Some(counts) = workload.at_rest() else { return false };
        if workload.has_failed(counts.desired) {
            return false;
        }
        let noted = workload.note_progress(&counts, now);
        noted.mark(&mut self.state, id);
        if noted.due_ms.is_some_and(|due_ms| self.complete && due_ms <= now) {
            return false;
        }
        if self.state.workload.get(&id).is_some_and(|workload| workload.is_healthy_now()) {
            self.healthy(id);
        }
        let Some(workload) = self.state.workload.get_mut(&id) else { return true };
        workload.memo.whys_served = true;
        self.state.touch_workload(id);
        if let Some(due_ms) = noted.due_ms {
            self.state.look_again(id, due_ms);
        }
        true
    }

    fn plan_workload(&mut self, id: u32, starts: &mut Vec<Start>) {
        self.state.workloads_looked_at += 1;
        if self.forget_if_done(id) {
            return;
        }
        let kind = self.state.workload.get(&id).map(|workload| workload.kind);
        if kind == Some(WorkloadKind::Job) {
            return self.plan_job(id, starts);
        }
        if self.state.workload.get(&id).is_some_and(|workload| workload.is_kept) {
            return self.stands_still(id);
        }
        self.replace_ended(id);
        let Some(workload) = self.state.workload.get(&id) else { return };
        if workload.has_failed(workload.pods_wanted()) && self.update_failed(id) {
            return;
        }
        if kind == Some(WorkloadKind::Daemon) {
            return self.plan_daemon(id, starts);
        }
        if kind == Some(WorkloadKind::Stateful) {
            return self.plan_stateful(id, starts);
        }
        self.let_leaving_go(id);
        // Pods of earlier revisions stay until those that follow may start.
        let held = self.held_back(id);
        let Some(workload) = self.state.workload.get(&id) else { return };
        let (mut counts, update) = (self.state.counts_without_leaving(workload), workload.update());
        counts.paused |= held.is_some();
        let steps = self.in_batches(id, rollout::steps(&counts, update), &counts, update);
        self.stop_victims(id, &steps, update);
        if self.track_progress(id, &counts) {
            return;
        }
        match held.filter(|_| steps.start == 0 && counts.old > 0 && counts.desired > 0) {
            Some(reason) => self.update_waits(id, reason),
            None => self.start(id, steps.start, starts),
        }
    }

    /// A workload that is being deleted, and that finalizers keep, makes no pods: those that it has run on.
    fn stands_still(&mut self, id: u32) {
        self.waits_no_more(id);
        self.let_leaving_go(id);
        let Some(workload) = self.state.workload.get_mut(&id) else { return };
        workload.memo.ordinals.clear();
        workload.memo.whys_served = true;
        let kind = workload.kind;
        self.state.touch_workload(id);
        if kind == WorkloadKind::Daemon {
            self.state.take_look(id);
            self.state.daemons_dirty.insert(id);
        }
        self.redesire(id);
    }

    /// Pods that ended for good make room for new ones, with a growing pause. Those that were meant
    /// to run once stay, until another revision is to run.
    fn replace_ended(&mut self, id: u32) {
        let Some(workload) = self.state.workload.get(&id) else { return };
        if workload.kind == WorkloadKind::Bare && !workload.deleted {
            return;
        }
        let kept = (workload.wants.runs_once && !workload.deleted).then_some(workload.memo.current);
        let mut ended: Vec<(PodUid, u32)> = workload
            .ended
            .iter()
            .filter_map(|pod| self.state.pods.get(pod).map(|p| (p, *pod)))
            .filter(|(pod, _)| pod.standing == Standing::Ended && Some(pod.revision) != kept)
            .map(|(pod, number)| (pod.uid.clone(), number))
            .collect();
        ended.sort();
        let evicted = self.evicted_soon(id, &ended);
        for (_, pod) in &ended {
            let cause = self.state.pods.get(pod).and_then(|pod| self.state.cause_of(pod));
            self.note_failed(id, *pod);
            self.withdraw(*pod, "replace_ended", "all its containers ended for good", cause);
        }
        let now = self.now;
        if let (false, Some(workload)) = (ended.is_empty(), self.state.workload.get_mut(&id)) {
            workload.put_off(evicted, now);
            self.state.touch_workload(id);
            // Its resource says what is remembered of it.
            self.state.memory_dirty.insert(id);
        }
    }

    /// So many pods of a workload are to be started, unless they wait for the backoff.
    pub(in crate::decide) fn start(&mut self, id: u32, count: i64, starts: &mut Vec<Start>) {
        let not_before_ms = self.state.workload.get(&id).map_or(0, |w| w.memo.not_before_ms);
        if count <= 0 || self.now < not_before_ms {
            self.waits_no_more(id);
        }
        let Some(workload) = self.state.workload.get_mut(&id) else { return };
        if count <= 0 {
            if !std::mem::replace(&mut workload.memo.whys_served, true) {
                self.state.touch_workload(id);
            }
            return;
        }
        if self.now < not_before_ms {
            self.state.look_again(id, not_before_ms);
            return;
        }
        let (from, revision) = (workload.memo.next_pod, workload.memo.current);
        let priority = match self.may_start(id) {
            Ok(priority) => priority,
            Err(reason) => {
                self.unpromise_all(id);
                let count = u64::try_from(count).unwrap_or(0);
                self.wait(id, Some(Waiting { reason, from, count, revision }));
                return;
            }
        };
        starts.push(Start::of(id, priority, count));
    }

    /// The priority of the workload's next pods, where they may start.
    ///
    /// # Errors
    /// Why they wait.
    fn may_start(&mut self, id: u32) -> Result<i32, String> {
        if self.state.workload.get(&id).is_some_and(|workload| workload.has_gates()) {
            return Err(GATED.to_owned());
        }
        self.held_back(id).map_or_else(|| self.prioritize(id), Err)
    }

    fn stop_victims(&mut self, id: u32, steps: &Steps, update: Update) {
        let Some(workload) = self.state.workload.get(&id) else { return };
        let current = workload.memo.current;
        let deleted = workload.deleted;
        let any_revision = update == Update::Keep;
        let old = |revision: u32| revision != current;
        let mut stops: Vec<(PodUid, &'static str)> = Vec::new();
        let unavailable = self.victims(id, steps.stop_old_unavailable, |r, a| old(r) && !a);
        let available = self.victims(id, steps.stop_old_available, |r, a| old(r) && a);
        let present = self.victims(id, steps.stop_current, |r, _| !old(r));
        let old_reason = if any_revision {
            "more pods than desired"
        } else {
            "replaced by the current revision"
        };
        let reason = |usual| if deleted { "its workload was deleted" } else { usual };
        stops.extend(unavailable.into_iter().chain(available).map(|uid| (uid, reason(old_reason))));
        stops.extend(present.into_iter().map(|uid| (uid, reason("more pods than desired"))));
        let causes = if stops.is_empty() { Causes::default() } else { self.state.causes(id) };
        for (uid, reason) in stops {
            if let Some(pod) = self.state.pods.id_of(&uid) {
                self.withdraw(pod, "rollout", reason, causes.clone());
            }
        }
    }

    /// Which of its live pods go, of those of which this says so by their revision and availability.
    pub(in crate::decide) fn victims(
        &self,
        id: u32,
        count: i64,
        which: impl Fn(u32, bool) -> bool,
    ) -> Vec<PodUid> {
        let Some(workload) = self.state.workload.get(&id) else { return Vec::new() };
        if count <= 0 {
            return Vec::new();
        }
        // Those that leave go when others are there in their place.
        let stays = |pod: &&u32| !workload.leaving.contains(*pod);
        let pods = || workload.pods.iter().filter(stays).filter_map(|pod| self.state.pods.get(pod));
        let live = |s: Standing| !matches!(s, Standing::Stopping | Standing::Ended);
        let mut on_node: BTreeMap<u32, usize> = BTreeMap::new();
        pods().for_each(|pod| *on_node.entry(pod.node).or_default() += 1);
        let candidates = pods()
            .filter(|pod| live(pod.standing))
            .filter(|pod| which(pod.revision, pod.standing == Standing::Available))
            .map(|pod| Candidate {
                uid: pod.uid.clone(),
                available: pod.standing == Standing::Available,
                neighbours: on_node.get(&pod.node).copied().unwrap_or(0),
                counter: pod.counter,
            })
            .collect();
        victims::choose(candidates, usize::try_from(count).unwrap_or(0))
    }

    /// What of the steps is to be done now when the update pauses between batches.
    fn in_batches(&mut self, id: u32, steps: Steps, counts: &Counts, update: Update) -> Steps {
        let now = self.now;
        let Some(workload) = self.state.workload.get_mut(&id) else { return steps };
        let Some(pace) = workload.wants.pace(update, workload.goes_back()) else { return steps };
        let is_update = counts.old > 0 && counts.desired > 0 && !counts.paused;
        let before = workload.memo.batches;
        let batches = if is_update { before.at(counts, pace, now) } else { Batches::default() };
        workload.memo.batches = batches;
        if batches != before {
            self.state.touch_workload(id);
        }
        if !is_update {
            return steps;
        }
        if let Some(at_ms) = batches.due_ms(pace) {
            self.state.look_again(id, at_ms);
        }
        batches.within(steps, counts)
    }

    /// Pods on lost nodes: their placements are withdrawn, so that others take their place. A
    /// DaemonSet's pods stay: their place is their node.
    pub(crate) fn withdraw_stranded(&mut self, pods: &[u32]) {
        let mut stranded: Vec<(PodUid, u32)> = Vec::new();
        for some in pods.chunks(AHEAD) {
            self.look_ahead_at(some);
            for id in some {
                let Some(pod) = self.state.pods.get(id) else { continue };
                let kind = self.state.workload.get(&pod.workload).map(|w| w.kind);
                if kind != Some(WorkloadKind::Daemon) && pod.standing != Standing::Stopping {
                    stranded.push((pod.uid.clone(), *id));
                }
            }
        }
        stranded.sort();
        let stranded: Vec<u32> = stranded.into_iter().map(|(_, id)| id).collect();
        // Each stops and has another placed: grown step by step, what tells of a third of a large fleet
        // would be copied again and again.
        self.ledger.entries.reserve(2 * stranded.len());
        self.out.placements.reserve(2 * stranded.len());
        let mut losses = Numbered::default();
        for some in stranded.chunks(AHEAD) {
            self.look_ahead_at(some);
            some.iter().for_each(|id| self.withdraw_of_lost(*id, &mut losses));
        }
    }

    /// Withdraws a pod whose node is lost. What is said of the node is said once.
    fn withdraw_of_lost(&mut self, id: u32, losses: &mut Numbered<(Cause, Reason)>) {
        let Some(pod) = self.state.pods.get(&id) else { return };
        let (workload, Some(host)) = (pod.workload, self.state.host(pod)) else { return };
        let (cause, reason) = losses.entry(pod.node).or_insert_with(|| {
            let node = &host.row.record.node;
            let text = format!("node {node} is lost; this was the last that it said");
            let reason = Reason::from(format!("its node {node} is lost"));
            (Cause::told(host.row.cause.at, text), reason)
        });
        let (cause, reason) = (cause.clone(), reason.clone());
        self.because(workload, &cause);
        self.job_pod_lost(id, Failure::Disrupted);
        self.withdraw(id, "node_loss", reason, cause);
    }
}

impl Workload {
    /// Its counts, from its tallies.
    pub(crate) fn counts(&self) -> Counts {
        let current = self.tallies.get(&self.memo.current).copied().unwrap_or_default();
        let total = self.total();
        let done = match self.kind {
            WorkloadKind::Bare => total.ended,
            _ if self.wants.runs_once => current.ended,
            _ => 0,
        };
        let old = |pick: fn(&Tally) -> i64| pick(&total) - pick(&current);
        Counts {
            desired: self.desired(),
            current: current.live + done,
            current_available: current.available + done,
            old: old(|t| t.live),
            old_available: old(|t| t.available),
            stopping: self.awaited(total.stopping),
            paused: self.stands_still(),
        }
    }

    /// Its counts, when nothing follows from them and nothing is going on: as many pods as are wanted,
    /// all of the current revision, none ended, none that waits.
    fn at_rest(&self) -> Option<Counts> {
        let memo = &self.memo;
        let is_going_on = self.deleted
            || self.is_kept
            || matches!(
                self.kind,
                WorkloadKind::Daemon | WorkloadKind::Job | WorkloadKind::Stateful
            )
            || !self.ended.is_empty()
            || !self.leaving.is_empty()
            || memo.waits()
            || memo.batches != Batches::default();
        if is_going_on {
            return None;
        }
        let counts = self.counts();
        counts.is_settled().then_some(counts)
    }

    /// How its pods of different revisions relate.
    pub(crate) fn update(&self) -> Update {
        match self.kind {
            WorkloadKind::Rolling => self.wants.update(self.desired(), self.goes_back()),
            _ => Update::Keep,
        }
    }
}
