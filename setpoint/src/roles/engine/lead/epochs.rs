//! The leader's epochs: cut what is ready, decide it, hand it over to be committed.
//!
//! Guarantee: what an epoch's record says is all that its decision was made from. Absent: the
//! commit, and everyone who waits for it (`committer.rs`).

use std::sync::Arc;
use std::time::{Duration, Instant};

use setpoint_dataflow::views::Differential;
use setpoint_dataflow::{ChangedRows, Engine, Epoch, Outcome, Remains, pause_after_cold};
use setpoint_ingest::Decoder;
use setpoint_ingest::entry::Writer;
use setpoint_schemas::{Cut, Policy};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::burying;
use super::cutting::{Batch, Cutter};
use super::intake::{Door, Intake};
use super::queue::{Commit, Sender};
use super::record;
use crate::clock::{Steady, now_ms};
use crate::roles::engine::SharedLog;
use crate::roles::engine::metrics::Metrics;
use crate::roles::engine::ports::questions::Questions;
use crate::roles::engine::wire::Wire;
use crate::roles::engine::workers::Workers;

/// Every so many epochs the record names how far each partition was read, and not only those that
/// moved: so a rebuild need not read back to the last record of a quiet partition.
const CUT_WHOLE_EVERY: i64 = 256;

/// What leading needs beside the engine.
pub(crate) struct Means {
    pub(crate) log: SharedLog,
    pub(crate) wire: Wire,
    pub(crate) writer: Writer,
    pub(crate) questions: Arc<Questions>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) workers: Arc<Workers>,
    pub(crate) policy: Policy,
    pub(crate) checkpoint_interval_ms: u64,
}

/// One reign, epoch after epoch.
pub(crate) struct Epochs {
    means: Means,
    engine: Engine<Differential>,
    cutter: Cutter,
    term: i64,
    /// Whether the first epoch must say that the state before it came by no exact replay.
    is_to_mark: bool,
    is_first: bool,
    due: Due,
    /// When the last epoch was cut.
    looked_ms: i64,
    checkpoint_ms: i64,
    /// When all that remains was last handed over; `None` before the first time.
    buried_ms: Option<i64>,
}

/// What the engine waits for.
struct Due {
    /// The next deadline.
    hot_ms: Option<i64>,
    wants_cold: bool,
    /// Before this the cold step does not come again.
    cold_from_ms: i64,
}

impl Epochs {
    /// The reign of an engine that has taken the inputs up to this cut; its term is one above.
    pub(crate) fn begin(
        means: Means,
        engine: Engine<Differential>,
        taken: Cut,
        is_to_mark: bool,
    ) -> anyhow::Result<Self> {
        let decoder = Decoder::with_source(means.wire.codec.clone(), means.wire.source.clone());
        let door = Door { decoder, writer: means.writer.clone() };
        let intake = Intake::open(&*means.log, &taken, door, means.workers.here())?;
        let clock = Steady::at(engine.time_ms());
        let now_ms = engine.time_ms().max(now_ms());
        Ok(Epochs {
            cutter: Cutter::new(intake, taken, clock),
            means,
            term: engine.term() + 1,
            engine,
            is_to_mark,
            is_first: true,
            due: Due { hot_ms: Some(0), wants_cold: true, cold_from_ms: 0 },
            looked_ms: now_ms,
            checkpoint_ms: now_ms,
            buried_ms: None,
        })
    }

    /// Decides until closing, or until the committer is gone; it says why.
    pub(crate) fn run(mut self, closing: &CancellationToken, send: &Sender) -> anyhow::Result<()> {
        while !closing.is_cancelled() {
            self.means.workers.are_there()?;
            let batch = self.cut()?;
            if send.send(self.decide(batch)).is_err() {
                return Ok(());
            }
        }
        let _ = send.send(self.last());
        info!("draining: the last epoch and the checkpoint are on their way");
        Ok(())
    }

    /// What is ready, at the latest when something is due; questions are answered meanwhile.
    fn cut(&mut self) -> anyhow::Result<Batch> {
        let due_ms = self.due.at_ms();
        let (engine, questions) = (&self.engine, &self.means.questions);
        let answer = |taken: &Cut| questions.answer(engine, taken);
        Ok(self.cutter.next(&*self.means.log, due_ms, answer)?)
    }

    /// Makes an epoch of a batch, and decides it.
    fn decide(&mut self, batch: Batch) -> Commit {
        let time_ms = batch.time_ms.max(self.engine.time_ms());
        let is_stalled = self.is_stalled(time_ms);
        let epoch = Epoch {
            number: self.engine.number() + 1,
            term: self.term,
            time_ms,
            cold: self.due.is_cold(time_ms),
            complete: batch.complete,
            renew_leases: self.is_first || is_stalled,
            policy: self.new_policy(),
            rebuilt: self.is_first && self.is_to_mark,
            behind: batch.behind,
            inputs: batch.inputs,
        };
        let is_whole = self.is_first || epoch.number % CUT_WHOLE_EVERY == 0;
        let cut = if is_whole { self.cutter.whole() } else { batch.cut };
        let record = record::begun(&epoch, cut, batch.refused, &self.means.policy);
        let outcome = self.step(epoch, (batch.records, batch.bytes));
        Commit {
            record: record::finished(record, &outcome),
            rows: self.rows_when_due(time_ms),
            remains: self.remains(time_ms, &outcome),
            dead_letters: batch.dead_letters,
            outcome,
        }
    }

    fn step(&mut self, epoch: Epoch, taken: (usize, usize)) -> Outcome {
        let (cold, time_ms) = (epoch.cold, epoch.time_ms);
        let started = Instant::now();
        let outcome = self.engine.step(epoch);
        let took = started.elapsed();
        self.means.metrics.stepped(&outcome, taken, took);
        self.is_first = false;
        (self.due.hot_ms, self.due.wants_cold) = (outcome.due_ms, outcome.wants_cold);
        if cold {
            self.due.cold_from_ms = time_ms + self.pause_after_cold(took, outcome.is_cold_left);
        }
        outcome
    }

    /// How long decisions have the time for themselves after a cold step, milliseconds.
    fn pause_after_cold(&self, took: Duration, is_left: bool) -> i64 {
        let interval = u64::try_from(self.engine.policy().cold_interval_ms).unwrap_or(0);
        let pause = pause_after_cold(Duration::from_millis(interval), took, is_left);
        i64::try_from(pause.as_millis()).unwrap_or(i64::MAX)
    }

    /// Whether this engine slept: a pause of our own (a stopped process, a stalled log) is not the
    /// silence of nodes.
    fn is_stalled(&mut self, time_ms: i64) -> bool {
        let paused_ms = time_ms - self.looked_ms;
        self.looked_ms = time_ms;
        let is_stalled = paused_ms > self.engine.policy().lease_grace_ms / 2;
        if is_stalled {
            warn!(paused_ms, "this engine was paused; every lease begins anew");
        }
        is_stalled
    }

    /// The settings that the next epoch's record must carry: where a reign begins with others than
    /// its replay would know.
    fn new_policy(&self) -> Option<Policy> {
        let policy = &self.means.policy;
        let is_unknown = self.engine.number() == 0 || self.is_to_mark;
        let is_told = self.is_first && (is_unknown || self.engine.policy() != policy);
        is_told.then(|| policy.clone())
    }

    /// The checkpoint's rows, when it is time for one.
    fn rows_when_due(&mut self, time_ms: i64) -> Option<(Cut, ChangedRows)> {
        let interval = i64::try_from(self.means.checkpoint_interval_ms).unwrap_or(i64::MAX);
        (time_ms - self.checkpoint_ms >= interval).then(|| {
            self.checkpoint_ms = time_ms;
            (self.cutter.taken().clone(), self.engine.take_changed())
        })
    }

    /// Who is to be buried: those of this epoch; at first what earlier leaders left behind, and now
    /// and then what was not written.
    fn remains(&mut self, time_ms: i64, outcome: &Outcome) -> Vec<Remains> {
        if self.buried_ms.is_some_and(|at_ms| time_ms - at_ms < burying::LOOK_MS) {
            return outcome.remains.clone();
        }
        self.buried_ms = Some(time_ms);
        self.engine.remains()
    }

    /// An epoch without inputs, with the checkpoint as of it: who starts next begins there.
    fn last(&mut self) -> Commit {
        let epoch = Epoch {
            number: self.engine.number() + 1,
            term: self.term,
            time_ms: self.engine.time_ms(),
            rebuilt: self.is_first && self.is_to_mark,
            ..Epoch::default()
        };
        let record = record::begun(&epoch, Vec::new(), Vec::new(), &self.means.policy);
        let outcome = self.engine.step(epoch);
        Commit {
            record: record::finished(record, &outcome),
            dead_letters: Vec::new(),
            remains: outcome.remains.clone(),
            rows: Some((self.cutter.taken().clone(), self.engine.take_changed())),
            outcome,
        }
    }
}

impl Due {
    /// When an epoch is due without any record; `None` when nothing waits for one.
    fn at_ms(&self) -> Option<i64> {
        let cold_ms = self.wants_cold.then_some(self.cold_from_ms);
        self.hot_ms.into_iter().chain(cold_ms).min()
    }

    /// Whether the cold step runs in an epoch of this time.
    fn is_cold(&self, time_ms: i64) -> bool {
        self.wants_cold && time_ms >= self.cold_from_ms
    }
}
