//! The engine: one entry, [`Engine::step`].
//!
//! Guarantee: the outcome is a function of the state and the epoch. No clock, no randomness, no
//! I/O. An engine restored from its checkpoint takes the same next decisions.

use std::sync::Arc;

use setpoint_placement::Fleet;
use setpoint_schemas::{Input, Policy, Sourced};

use crate::causes::{cause_of_node, cause_of_removal, cause_of_request};
use crate::decide::{AHEAD, LOOK_MS, LOOKED_AT_MAX, Turn};
use crate::digest::hash_of;
use crate::epoch::{Epoch, Outcome, Verdict};
use crate::rebuild::{self, Compacted};
use crate::state::{ChangedRows, CheckpointRow, Ledger, Remains, RestoreError, Rows, State, Table};
use crate::views::{Differential, Views};

/// Rounds of planning within one epoch. A plan that is carried out changes the counts that it was
/// made from; two rounds settle all rules, the rest is for rules that are yet to come. What is
/// left over is looked at in the next epoch.
const ROUNDS_MAX: usize = 4;

/// What deciding costs, counted rather than timed: it follows what changes, not the size of the
/// fleet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// How often a pod was looked at.
    pub pods: u64,
    /// How often a node was asked whether it has room.
    pub nodes: u64,
    /// How often a workload was looked at for what is to be done about it.
    pub workloads: u64,
}

/// The engine over one maintainer of the views.
pub struct Engine<V: Views = Differential> {
    pub(crate) state: State,
    pub(crate) views: V,
    pub(crate) fleet: Fleet,
}

impl<V: Views> Engine<V> {
    /// An engine that knows nothing yet.
    pub fn new(views: V, policy: Policy) -> Self {
        let mut state = State::default();
        state.meta.policy = policy;
        Engine { state, views, fleet: Fleet::new() }
    }

    /// An engine rebuilt from the rows of a checkpoint: (table, key, value).
    ///
    /// # Errors
    /// [`RestoreError`] when a row does not decode or does not fit the others.
    pub fn restore<B: AsRef<[u8]>>(
        views: V,
        rows: impl IntoIterator<Item = (u8, B, B)>,
    ) -> Result<Self, RestoreError> {
        let mut decoded = Rows::default();
        for (table, key, value) in rows {
            decoded.take(table, key.as_ref(), value.as_ref())?;
        }
        let mut engine = Engine { state: State::default(), views, fleet: Fleet::new() };
        engine.turn(&Epoch::default()).load(decoded)?;
        Ok(engine)
    }

    /// An engine rebuilt from the compacted topics, where the epochs behind them are gone. Its rows
    /// all count as changed.
    ///
    /// # Errors
    /// [`RestoreError::Unfit`] when the topics do not fit each other.
    pub fn rebuild(views: V, policy: &Policy, compacted: Compacted) -> Result<Self, RestoreError> {
        let answered = compacted.answered.clone();
        let rows = rebuild::rows(policy, compacted)?;
        let mut engine = Engine { state: State::default(), views, fleet: Fleet::new() };
        engine.turn(&Epoch::default()).load(rows)?;
        engine.state.touch_all();
        for (request, accepted) in answered {
            let verdict = Verdict { request, accepted, items: Vec::new() };
            engine.state.answered.keep(&verdict);
            engine.state.touch(Table::Answers, &verdict.request);
        }
        Ok(engine)
    }

    /// Whether this state is its leader's to the bit: from a checkpoint, and by replays that
    /// decided what was recorded. An engine whose state is not so marks its first epoch as leader.
    pub fn is_exact(&self) -> bool {
        !self.state.meta.inexact
    }

    /// The number of the last epoch; 0 before the first.
    pub fn number(&self) -> i64 {
        self.state.meta.number
    }

    /// The term of the last epoch.
    pub fn term(&self) -> i64 {
        self.state.meta.term
    }

    /// Engine time of the last epoch.
    pub fn time_ms(&self) -> i64 {
        self.state.meta.time_ms
    }

    /// The settings that decide.
    pub fn policy(&self) -> &Policy {
        &self.state.meta.policy
    }

    /// Decides one epoch.
    ///
    /// # Panics
    /// When the epoch does not follow the one before (number, term, time): the caller read the log
    /// in a wrong order, and going on would decide on a wrong past.
    pub fn step(&mut self, mut epoch: Epoch) -> Outcome {
        let before = &self.state.meta;
        assert!(epoch.number == before.number + 1, "epochs are numbered without gaps");
        assert!(epoch.term >= before.term, "the term never falls");
        assert!(epoch.time_ms >= before.time_ms, "engine time never falls");
        self.state.overwritten.clear();
        self.state.meta.number = epoch.number;
        self.state.meta.term = epoch.term;
        self.state.meta.reigns.go_on(epoch.number, epoch.term);
        self.state.meta.time_ms = epoch.time_ms;
        if let Some(policy) = &epoch.policy {
            self.state.meta.policy = policy.clone();
        }

        let mut inputs = std::mem::take(&mut epoch.inputs).into_iter();
        let mut turn = self.turn(&epoch);
        turn.begin(&epoch);
        while !inputs.as_slice().is_empty() {
            let next = inputs.as_slice();
            turn.look_ahead(&next[..next.len().min(AHEAD)]);
            inputs.by_ref().take(AHEAD).for_each(|sourced| turn.take(sourced));
        }
        turn.keep_up(epoch.behind);
        if epoch.complete {
            turn.fire_deadlines();
        }
        turn.settle();
        for _ in 0..ROUNDS_MAX {
            turn.collect();
            if !turn.plan() && !turn.is_more_to_collect() {
                break;
            }
        }
        turn.tell_jobs();
        if epoch.cold {
            turn.cold_step();
        }
        turn.serve_nodes(epoch.cold);
        turn.finish()
    }

    /// Everyone who is gone for good and of whom no tombstone was read yet.
    pub fn remains(&self) -> Vec<Remains> {
        self.state.remains.all().collect()
    }

    /// What deciding has cost so far.
    pub fn work(&self) -> Work {
        let (pods, nodes) = (self.state.pods.looked_at(), self.fleet.nodes_asked());
        Work { pods, nodes, workloads: self.state.workloads_looked_at }
    }

    /// The rows of the checkpoint that changed since this was last asked.
    pub fn take_rows(&mut self) -> Vec<CheckpointRow> {
        self.take_changed().encoded()
    }

    /// The same, yet to be encoded, by whichever thread writes them.
    pub fn take_changed(&mut self) -> ChangedRows {
        self.state.take_rows()
    }

    pub(crate) fn turn(&mut self, epoch: &Epoch) -> Turn<'_, V> {
        Turn {
            state: &mut self.state,
            views: &mut self.views,
            fleet: &mut self.fleet,
            ledger: Ledger::new(epoch.number, epoch.term, epoch.time_ms),
            out: Outcome {
                number: epoch.number,
                term: epoch.term,
                time_ms: epoch.time_ms,
                ..Outcome::default()
            },
            now: epoch.time_ms,
            complete: epoch.complete,
            is_settled: false,
            looks_left: LOOKED_AT_MAX,
            nodes_touched: std::collections::BTreeSet::new(),
            said_gone: std::collections::BTreeSet::new(),
            deleted_lost: std::collections::BTreeSet::new(),
        }
    }
}

impl<V: Views> Turn<'_, V> {
    /// The one closed door.
    fn take(&mut self, sourced: Sourced) {
        let Sourced { position: at, input } = sourced;
        match input {
            Input::Request(request) => self.request(&request, cause_of_request(at, &request)),
            Input::Node(record) => {
                let cause = cause_of_node(at, &record);
                self.node_reported(Arc::from(record), cause);
            }
            Input::NodeRemoved(node) => self.node_removed(&node, &cause_of_removal(at, &node)),
            Input::Lease(lease) => self.lease_renewed(&lease, at),
            Input::Pod(observed) => self.pod_observed(observed, at),
            Input::PodRemoved(uid) => self.pod_removed(&uid),
            Input::Snapshot(snapshot) => self.snapshot(Arc::from(snapshot), at),
        }
    }

    fn finish(self) -> Outcome {
        self.state.keep_pending();
        let due_ms = self.due_ms();
        let mut out = self.out;
        out.decisions = self.ledger.entries;
        out.hash = hash_of(&out);
        out.due_ms = due_ms;
        out.is_cold_left = !self.state.status_dirty.is_empty() || self.state.cold_dirty;
        out.wants_cold = out.is_cold_left
            || !self.state.memory_dirty.is_empty()
            || !self.state.daemons_dirty.is_empty()
            || !self.state.reservations_dirty.is_empty()
            || !self.state.budgets.dirty.is_empty()
            || !self.state.quotas.dirty.is_empty();
        out
    }

    /// When something falls due if nothing happens: a deadline, a judgement of leases under a hold,
    /// room in the pacing for what is still to be looked at, what is owned and was not looked at, or the end of waiting for records of
    /// sessions that have spoken.
    pub(crate) fn due_ms(&self) -> Option<i64> {
        let meta = &self.state.meta;
        let is_left = !self.state.dirty.is_empty() || meta.retry.anyone();
        let pending = is_left.then(|| {
            let policy = &meta.policy;
            let bucket =
                meta.bucket.filled(self.now, policy.starts_per_second, policy.starts_burst);
            self.now + bucket.wait_ms(policy.starts_per_second)
        });
        let deadline = self.state.deadlines.keys().next().copied();
        let early = (!self.state.early.is_empty()).then_some(self.now + LOOK_MS);
        let cron = self.state.crons.due_ms();
        // What this epoch could not look at any more.
        let owned = self.state.owners.due().map(|_| self.now);
        [deadline, meta.judge_ms, pending, early, cron, owned].into_iter().flatten().min()
    }
}
