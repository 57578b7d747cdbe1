//! From where an engine begins to one that is up to date: the recorded epochs, stepped.
//!
//! Guarantee: the same rules on the same state decide what was recorded, or the engine stops. Other
//! rules, or a state that was rebuilt, follow what was recorded and tell where they would have
//! decided otherwise.

use std::collections::{BTreeSet, VecDeque};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use setpoint_dataflow::views::Differential;
use setpoint_dataflow::{Engine, Epoch, Outcome};
use setpoint_ingest::{Decoder, Log, LogError, Reader, covers};
use setpoint_rules::RULES_VERSION;
use setpoint_schemas::avro::Codec;
use setpoint_schemas::{Cut, EpochRecord, Policy, Position, Sourced, Topic};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::ends::Trimmed;
use super::inputs::Inputs;
use super::recorded::Recordings;
use super::stall::Stall;
use super::stray;
use crate::roles::engine::metrics::Metrics;
use crate::roles::engine::reading::{POLL_RECORDS_MAX, POLL_WAIT};
use crate::roles::engine::wire::Wire;
use crate::roles::engine::workers::Workers;

/// Differences told in the log of one engine's life; the metric counts them all.
const DIFFERENCES_TOLD_MAX: usize = 50;

/// What an engine is made with.
pub(crate) struct Parts<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) workers: &'a Workers,
    pub(crate) metrics: &'a Arc<Metrics>,
    pub(crate) wire: &'a Wire,
    /// Whether it is to end: reading a long log back takes longer than anyone waits for that.
    pub(crate) closing: &'a CancellationToken,
}

/// An epoch that was stepped.
pub(crate) struct Stepped {
    /// As it was recorded.
    pub(crate) record: EpochRecord,
    pub(crate) outcome: Outcome,
    /// Whether it was decided here; otherwise it was taken in as recorded, being of other rules or of a
    /// state that was rebuilt.
    pub(crate) is_decided: bool,
}

/// An engine that follows the log: the leader before it leads, a standby all the time.
pub(crate) struct Follower {
    pub(crate) engine: Engine<Differential>,
    /// The next offset of each input partition that no epoch has taken yet, and of the epochs.
    pub(crate) cut: Cut,
    /// The rules of the last epoch; ours when there was none.
    pub(crate) rules: String,
    /// When the last epoch came, or following began.
    pub(crate) heard: Instant,
    epochs: Box<dyn Reader>,
    /// Epochs that were read and not stepped yet, with where they stand.
    read: VecDeque<(Position, Option<EpochRecord>)>,
    /// Whether an epoch that these rules decide otherwise than recorded is told to the caller, who compares
    /// each decision itself; otherwise it ends the engine.
    goes_on: bool,
    inputs: Inputs,
    /// The inputs that epochs have taken.
    taken: Cut,
    /// Whether cleanup took inputs that an epoch was decided from: these epochs may replay
    /// otherwise, and that is no contradiction.
    has_gaps: bool,
    recordings: Recordings,
    differences_told: usize,
    metrics: Arc<Metrics>,
    decoder: Decoder,
    codec: Codec,
    closing: CancellationToken,
}

impl Follower {
    /// An engine that stands at a cut of the log, behind an epoch of these rules.
    pub(crate) fn at(
        log: &dyn Log,
        engine: Engine<Differential>,
        cut: Cut,
        rules: String,
        parts: &Parts<'_>,
    ) -> anyhow::Result<Self> {
        let epochs = log.reader(&cut, &[Topic::Epochs])?;
        let mut inputs = log.reader(&cut, &Topic::INPUTS)?;
        inputs.without_headers();
        let inputs = Inputs::new(inputs);
        // Below these nothing was there when this engine's state was made.
        let mut taken = inputs.position();
        cut.iter().for_each(|(topic, partition, next)| taken.advance(topic, partition, next));
        let taken = taken.iter().filter(|(topic, ..)| Topic::INPUTS.contains(topic)).collect();
        let wire = parts.wire;
        Ok(Follower {
            taken,
            engine,
            cut,
            rules,
            heard: Instant::now(),
            epochs,
            read: VecDeque::new(),
            goes_on: false,
            inputs,
            has_gaps: false,
            recordings: Recordings::new(wire.codec.clone()),
            differences_told: 0,
            metrics: parts.metrics.clone(),
            decoder: Decoder::with_source(wire.codec.clone(), wire.source.clone()),
            codec: wire.codec.clone(),
            closing: parts.closing.clone(),
        })
    }

    /// Whether the first epoch of this engine as leader must say that its state did not come by
    /// exact replay under one version of the rules.
    pub(crate) fn is_to_mark(&self) -> bool {
        !self.engine.is_exact() || self.has_gaps || self.rules != RULES_VERSION
    }

    /// Steps every epoch up to the present end of the log, giving each outcome to `each`. With
    /// patience it is content with less when nothing came for so long: records of a transaction
    /// that a dead leader left open can be read by nobody until it is aborted.
    pub(crate) fn catch_up(
        &mut self,
        log: &dyn Log,
        patience: Option<Duration>,
        mut each: impl FnMut(&Outcome),
    ) -> anyhow::Result<()> {
        let ends = log.ends(&[Topic::Epochs])?;
        let mut stall = Stall::new(&self.closing);
        while !covers(&self.epochs.position(), &ends) {
            let before = self.epochs.position();
            self.follow(log, POLL_WAIT, &mut each)?;
            stall.look(self.epochs.position() != before, log, &ends)?;
            if patience.is_some_and(|patience| self.heard.elapsed() > patience) {
                break;
            }
        }
        Ok(())
    }

    /// Steps the epochs that can be read now, waiting so long for the first.
    pub(crate) fn follow(
        &mut self,
        log: &dyn Log,
        wait: Duration,
        mut each: impl FnMut(&Outcome),
    ) -> anyhow::Result<()> {
        self.read_epochs(wait)?;
        while let Some(stepped) = self.step(log)? {
            each(&stepped.outcome);
        }
        Ok(())
    }

    /// Steps epoch after epoch up to the present end of the log, as long as the next one is wanted, and
    /// gives each to the caller. An epoch that is decided otherwise than recorded does not end it.
    pub(crate) fn replay_while(
        &mut self,
        log: &dyn Log,
        is_wanted: impl Fn(&EpochRecord) -> bool,
        mut each: impl FnMut(Stepped) -> anyhow::Result<ControlFlow<()>>,
    ) -> anyhow::Result<()> {
        self.goes_on = true;
        let ends = log.ends(&[Topic::Epochs])?;
        let mut stall = Stall::new(&self.closing);
        loop {
            if self.read.is_empty() {
                if covers(&self.epochs.position(), &ends) {
                    return Ok(());
                }
                self.read_epochs(POLL_WAIT)?;
                stall.look(!self.read.is_empty(), log, &ends)?;
            }
            let next = self.read.iter().find_map(|(_, epoch)| epoch.as_ref());
            if next.is_some_and(|next| !is_wanted(next)) {
                return Ok(());
            }
            if let Some(stepped) = self.step(log)?
                && each(stepped)?.is_break()
            {
                return Ok(());
            }
        }
    }

    fn read_epochs(&mut self, wait: Duration) -> anyhow::Result<()> {
        for record in self.epochs.poll(POLL_RECORDS_MAX, wait)? {
            let epoch = stray::decoded::<EpochRecord>(&self.codec, &record)?;
            self.read.push_back((record.position, epoch));
        }
        Ok(())
    }

    /// Steps the next epoch that was read; `None` when there is none.
    fn step(&mut self, log: &dyn Log) -> anyhow::Result<Option<Stepped>> {
        let latest = self.read.iter().rev().find_map(|(_, epoch)| epoch.as_ref().map(|e| e.number));
        while let Some((Position { topic, partition, offset }, epoch)) = self.read.pop_front() {
            self.cut.advance(topic, partition, offset + 1);
            let Some(record) = epoch.filter(|epoch| epoch.number > self.engine.number()) else {
                continue;
            };
            let (outcome, is_decided) = self.replay(log, &record, latest.unwrap_or(0))?;
            self.heard = Instant::now();
            return Ok(Some(Stepped { record, outcome, is_decided }));
        }
        Ok(None)
    }

    /// The engine and how far it took; the readers end, and fetch nothing ahead any more.
    pub(crate) fn into_parts(self) -> (Engine<Differential>, Cut) {
        (self.engine, self.cut)
    }

    fn replay(
        &mut self,
        log: &dyn Log,
        record: &EpochRecord,
        known: i64,
    ) -> anyhow::Result<(Outcome, bool)> {
        if record.number != self.engine.number() + 1 {
            return Err(Trimmed { epoch: record.number }.into());
        }
        for entry in record.cut().iter() {
            self.cut.advance(entry.0, entry.1, entry.2);
        }
        let inputs = self.take_until_cut(log, &record.refused())?;
        let policy = if record.settings.is_empty() {
            None
        } else {
            Some(
                serde_json::from_str(&record.settings)
                    .context("failed to read an epoch's settings")?,
            )
        };
        let epoch = Epoch {
            number: record.number,
            term: record.term,
            time_ms: record.time_ms,
            cold: record.cold,
            complete: record.complete,
            renew_leases: record.renew_leases,
            policy,
            rebuilt: record.rebuilt,
            behind: record.behind,
            inputs,
        };
        self.rules.clone_from(&record.rules);
        if record.rules != RULES_VERSION || record.rebuilt || !self.engine.is_exact() {
            return Ok((self.follow_recorded(log, epoch, record, known)?, false));
        }
        let outcome = self.engine.step(epoch);
        if outcome.hash == record.decisions_hash || (self.goes_on && !self.has_gaps) {
            return Ok((outcome, true));
        }
        if self.has_gaps {
            return Err(Trimmed { epoch: record.number }.into());
        }
        bail!(
            "epoch {} replays to other decisions than recorded (rules {} then and now); the log and this binary do not fit",
            record.number,
            record.rules,
        );
    }

    /// Takes in what was recorded, and tells where these rules would have decided otherwise.
    fn follow_recorded(
        &mut self,
        log: &dyn Log,
        epoch: Epoch,
        record: &EpochRecord,
        known: i64,
    ) -> anyhow::Result<Outcome> {
        let recorded = self.recordings.of(log, record, known)?;
        let was_exact = self.engine.is_exact();
        let followed = self.engine.follow(epoch, &recorded);
        if was_exact && !self.engine.is_exact() {
            info!(
                epoch = record.number,
                rules = record.rules,
                ours = RULES_VERSION,
                rebuilt = record.rebuilt,
                "from here on recorded decisions are followed, and not compared by their hash"
            );
        }
        self.metrics.differed(followed.differences.len());
        for difference in followed.differences {
            if self.differences_told < DIFFERENCES_TOLD_MAX {
                self.differences_told += 1;
                let (epoch, rules) = (record.number, &record.rules);
                warn!(epoch, rules, ours = RULES_VERSION, %difference, "decided otherwise than recorded");
            }
        }
        Ok(followed.outcome)
    }

    /// The inputs before the cut that no earlier epoch took, decoded, in order; without those that
    /// the leader set aside.
    fn take_until_cut(
        &mut self,
        log: &dyn Log,
        refused: &BTreeSet<Position>,
    ) -> anyhow::Result<Vec<Sourced>> {
        let wanted: Cut =
            self.cut.iter().filter(|(topic, ..)| Topic::INPUTS.contains(topic)).collect();
        let taken = self.inputs.take_until(log, &wanted, Stall::new(&self.closing))?;
        self.note_gaps(taken.len(), &wanted);
        let mut inputs = Vec::with_capacity(taken.len());
        for record in taken.iter().filter(|record| !refused.contains(&record.position)) {
            // The leader could read it: who cannot ask for its schema now waits until it can.
            self.decoder.prepare(record).map_err(|unanswered| {
                LogError::transient(format!("read the record at {}", record.position), unanswered)
            })?;
            inputs.extend(self.decoder.decode(record).ok().flatten());
        }
        Ok(inputs)
    }

    /// Offsets of inputs have no gaps but where cleanup took something.
    fn note_gaps(&mut self, taken: usize, wanted: &Cut) {
        let mut expected = 0;
        for (topic, partition, next) in wanted.iter() {
            expected += (next - self.taken.next(topic, partition)).max(0);
        }
        self.taken = wanted.clone();
        if i64::try_from(taken).unwrap_or(i64::MAX) < expected {
            self.has_gaps = true;
        }
    }
}
