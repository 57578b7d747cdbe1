//! How far an update is: whether it proceeds, is complete, is late.
//!
//! Guarantee: what was complete once is no update any more, until the next revision; what is late is said once.
//! Absent: what becomes of an update that fails (`reverting.rs`).

use setpoint_rules::rollout::Counts;
use setpoint_schemas::Action;

use crate::decide::Turn;
use crate::state::{Seen, State, Workload, WorkloadKind};
use crate::views::Views;

/// What is told of an update: whether it is complete, whether it is stuck, and unless it is complete when it
/// proceeded last.
type Told = (bool, bool, i64);

/// What is noted of an update.
pub(super) struct Noted {
    /// Engine time at which it is to be looked at again.
    pub(super) due_ms: Option<i64>,
    /// Whether its status is to be told anew.
    pub(super) is_news: bool,
    /// Whether another number of replacements that followed each other is to be remembered.
    pub(super) is_remembered: bool,
}

impl Noted {
    /// What follows from it is told in the next cold steps.
    pub(super) fn mark(&self, state: &mut State, id: u32) {
        if self.is_news {
            state.status_dirty.insert(id);
        }
        if self.is_news || self.is_remembered {
            state.memory_dirty.insert(id);
        }
    }
}

impl<V: Views> Turn<'_, V> {
    /// Takes note of how far an update is, and sees to what follows. Says whether it went back: then all is to be
    /// looked at anew.
    pub(super) fn track_progress(&mut self, id: u32, counts: &Counts) -> bool {
        let now = self.now;
        let Some(workload) = self.state.workload.get_mut(&id) else { return false };
        let noted = workload.note_progress(counts, now);
        let is_healthy_now = workload.is_healthy_now();
        noted.mark(&mut self.state, id);
        self.state.touch_workload(id);
        if is_healthy_now {
            self.healthy(id);
        }
        let Some(due_ms) = noted.due_ms else { return false };
        if now < due_ms || !self.complete {
            self.state.look_again(id, due_ms);
            return false;
        }
        self.is_late(id)
    }

    /// The deadline of an update has passed. Says whether it went back.
    fn is_late(&mut self, id: u32) -> bool {
        let about = self.about_workload(id);
        let Some(workload) = self.state.workload.get_mut(&id) else { return false };
        workload.memo.stuck = true;
        let limit_s = workload.wants.progress_limit_ms.unwrap_or(0) / 1_000;
        self.dependants_look(id);
        let reason = format!("no progress for {limit_s} s: ProgressDeadlineExceeded");
        self.ledger.write(Action::Rollout, "progress_deadline", reason, about);
        self.state.status_changed(id);
        self.goes_back_for(id, format!("it made no progress for {limit_s} s"))
    }
}

impl Workload {
    /// How many pods its update is about: of a DaemonSet one on each node that has one or waits for room for one,
    /// lost ones left out, for of those nobody knows when they return.
    pub(in crate::decide) fn pods_wanted(&self) -> i64 {
        match self.kind {
            WorkloadKind::Daemon if self.deleted => 0,
            WorkloadKind::Daemon => {
                let total = self.total();
                total.live + total.ended + self.memo.waiting_here.len() as i64
            }
            _ => self.desired(),
        }
    }

    /// The counts of a workload that is looked at by its nodes or its identities, of which so many are to have
    /// a pod and have none yet. What wants nobody is not late.
    pub(super) fn counts_with(&self, missing: usize) -> Counts {
        let desired = self.pods_wanted() + missing as i64;
        let counts = self.counts();
        Counts { desired, paused: counts.paused || desired == 0, ..counts }
    }

    /// Whether its update stands still, because somebody paused it or too many pods failed.
    pub(in crate::decide) fn stands_still(&self) -> bool {
        self.wants.paused || !self.memo.watch.halted.is_empty()
    }

    /// How many of its pods keep an earlier revision on purpose: those below a StatefulSet's partition.
    fn kept(&self) -> i64 {
        i64::from(self.wants.partition()).min(self.desired())
    }

    /// Takes note of how far its update is.
    pub(super) fn note_progress(&mut self, counts: &Counts, now: i64) -> Noted {
        let (told, row) = (self.progress_told(), self.memo.rescheduled.row);
        let due_ms = self.proceed(counts, now);
        let is_news = self.progress_told() != told;
        if is_news {
            self.shown = None;
        }
        Noted { due_ms, is_news, is_remembered: self.memo.rescheduled.row != row }
    }

    /// Takes note of how far its update is. Engine time at which it counts as stuck unless it
    /// proceeds; `None` when nothing is under way, or nobody judges it.
    fn proceed(&mut self, counts: &Counts, now: i64) -> Option<i64> {
        if !self.kind.rolls() {
            return None;
        }
        let seen = Seen {
            updated: counts.current,
            old: counts.old,
            ready: self.total().ready,
            available: counts.current_available + counts.old_available,
        };
        let (limit_ms, kept) = (self.wants.progress_limit_ms, self.kept());
        let monitor_ms = self.monitor_ms();
        let is_deployment = self.kind == WorkloadKind::Rolling;
        let memo = &mut self.memo;
        let is_complete = seen.available >= counts.desired && counts.old <= kept;
        // None of none is complete, and nobody saw it run.
        let is_whole = is_complete && counts.current_available > 0;
        if is_whole && is_deployment {
            memo.rescheduled.row = 0;
        }
        memo.complete |= is_complete && !counts.paused;
        // While it is paused the clock stands still.
        if seen.is_ahead_of(memo.progress) || memo.complete || counts.paused {
            (memo.progress_ms, memo.stuck) = (now, false);
        }
        memo.progress = seen;
        // A part of the pods does not prove that all of them would run.
        let is_watched_whole = (is_whole && kept == 0) || memo.watch.whole_ms > 0;
        if memo.complete && is_watched_whole && counts.desired > 0 && !memo.watch.over {
            if memo.watch.whole_ms == 0 {
                memo.watch.whole_ms = now.max(1);
            }
            let until_ms = memo.watch.whole_ms + monitor_ms;
            if now < until_ms {
                return Some(until_ms);
            }
            memo.watch.over = true;
        }
        let is_over = memo.complete || counts.paused || memo.stuck;
        limit_ms.filter(|_| !is_over).map(|limit_ms| memo.progress_ms + limit_ms)
    }

    /// What is told of its progress.
    fn progress_told(&self) -> Told {
        let memo = &self.memo;
        let progress_ms = if memo.complete { 0 } else { memo.progress_ms };
        (memo.complete, memo.stuck, progress_ms)
    }
}
