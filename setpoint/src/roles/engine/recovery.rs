//! From a checkpoint and the later epochs on the log to an engine that is up to date.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use setpoint_dataflow::views::Differential;
use setpoint_dataflow::{Engine, Epoch, Outcome};
use setpoint_ingest::{Decoder, Log, LogError, LogRecord, Reader, covers};
use setpoint_schemas::avro::Codec;
use setpoint_schemas::{Cut, EpochRecord, Position, Sourced, Topic};
use setpoint_store::Checkpoint;

use super::stray::epoch_of;
use super::wire::Wire;

/// Records asked for at once.
const POLL_RECORDS_MAX: usize = 4096;
/// How long a poll of what must be there waits.
const POLL_WAIT: Duration = Duration::from_millis(50);

/// An engine that follows the log: the leader before it leads, a standby all the time.
pub(super) struct Follower {
    pub(super) engine: Engine<Differential>,
    /// The next offset of each input partition that no epoch has taken yet.
    pub(super) cut: Cut,
    /// When the last epoch came, or following began.
    pub(super) heard: Instant,
    epochs: Box<dyn Reader>,
    inputs: Box<dyn Reader>,
    /// Records read ahead of the epochs that take them, by position.
    ahead: BTreeMap<Position, LogRecord>,
    decoder: Decoder,
    codec: Codec,
}

impl Follower {
    /// From the checkpoint, or from nothing.
    pub(super) fn open(
        log: &dyn Log,
        store: &Checkpoint,
        policy: setpoint_schemas::Policy,
        wire: &Wire,
    ) -> anyhow::Result<Self> {
        let loaded = store.load().context("failed to load the checkpoint")?;
        let (engine, cut) = match loaded {
            Some(loaded) => {
                let cut = loaded.cut.clone();
                let rows = loaded
                    .rows
                    .collect::<Result<Vec<_>, _>>()
                    .context("failed to read the checkpoint")?;
                (
                    Engine::restore(Differential::new(), rows)
                        .context("failed to restore the checkpoint")?,
                    cut,
                )
            }
            None => (Engine::new(Differential::new(), policy), Cut::default()),
        };
        let epochs = log.reader(&cut, &[Topic::Epochs])?;
        let inputs = log.reader(&cut, &Topic::INPUTS)?;
        Ok(Follower {
            engine,
            cut,
            heard: Instant::now(),
            epochs,
            inputs,
            ahead: BTreeMap::new(),
            decoder: Decoder::with_source(wire.codec.clone(), wire.source.clone()),
            codec: wire.codec.clone(),
        })
    }

    /// Steps every epoch up to the present end of the log, giving each outcome to `each`. With
    /// patience it is content with less when nothing came for so long: records of a transaction
    /// that a dead leader left open can be read by nobody until it is aborted.
    pub(super) fn catch_up(
        &mut self,
        log: &dyn Log,
        patience: Option<Duration>,
        mut each: impl FnMut(&Outcome),
    ) -> anyhow::Result<()> {
        let ends = log.ends(&[Topic::Epochs])?;
        while !covers(&self.epochs.position(), &ends) {
            self.follow(POLL_WAIT, &mut each)?;
            if patience.is_some_and(|patience| self.heard.elapsed() > patience) {
                break;
            }
        }
        Ok(())
    }

    /// Steps the epochs that can be read now, waiting so long for the first.
    pub(super) fn follow(
        &mut self,
        wait: Duration,
        mut each: impl FnMut(&Outcome),
    ) -> anyhow::Result<()> {
        for record in self.epochs.poll(POLL_RECORDS_MAX, wait)? {
            let Position { topic, partition, offset } = record.position;
            let epoch = epoch_of(&self.codec, &record)?;
            self.cut.advance(topic, partition, offset + 1);
            let Some(epoch) = epoch else { continue };
            if epoch.number <= self.engine.number() {
                continue;
            }
            let outcome = self.replay(&epoch)?;
            each(&outcome);
            self.heard = Instant::now();
        }
        Ok(())
    }

    /// The engine and how far it took; the readers end, and fetch nothing ahead any more.
    pub(super) fn into_parts(self) -> (Engine<Differential>, Cut) {
        (self.engine, self.cut)
    }

    fn replay(&mut self, record: &EpochRecord) -> anyhow::Result<Outcome> {
        for entry in record.cut().iter() {
            self.cut.advance(entry.0, entry.1, entry.2);
        }
        let inputs = self.take_until_cut(&record.refused())?;
        let policy = if record.settings.is_empty() {
            None
        } else {
            Some(
                serde_json::from_str(&record.settings)
                    .context("failed to read an epoch's settings")?,
            )
        };
        let outcome = self.engine.step(Epoch {
            number: record.number,
            term: record.term,
            time_ms: record.time_ms,
            cold: record.cold,
            complete: record.complete,
            renew_leases: record.renew_leases,
            policy,
            inputs,
        });
        if outcome.hash != record.decisions_hash {
            bail!(
                "epoch {} replays to other decisions than recorded (rules {} then, {} now); the log and this binary do not fit",
                record.number,
                record.rules,
                setpoint_rules::RULES_VERSION
            );
        }
        Ok(outcome)
    }

    /// The inputs before the cut that no earlier epoch took, decoded, in order; without those that
    /// the leader set aside.
    fn take_until_cut(&mut self, refused: &BTreeSet<Position>) -> anyhow::Result<Vec<Sourced>> {
        let wanted: Cut =
            self.cut.iter().filter(|(topic, ..)| Topic::INPUTS.contains(topic)).collect();
        while !covers(&self.inputs.position(), &wanted) {
            for record in self.inputs.poll(POLL_RECORDS_MAX, POLL_WAIT)? {
                self.ahead.insert(record.position, record);
            }
        }
        let (taken, kept) = std::mem::take(&mut self.ahead)
            .into_iter()
            .partition(|(position, _)| wanted.covers(*position));
        self.ahead = kept;
        let taken: BTreeMap<Position, LogRecord> = taken;
        let mut inputs = Vec::with_capacity(taken.len());
        for record in taken.values().filter(|record| !refused.contains(&record.position)) {
            // The leader could read it: who cannot ask for its schema now waits until it can.
            self.decoder.prepare(record).map_err(|unanswered| {
                LogError::transient(format!("read the record at {}", record.position), unanswered)
            })?;
            inputs.extend(self.decoder.decode(record).ok().flatten());
        }
        Ok(inputs)
    }
}
