//! Cutting epochs: what is ready, up to a bound, and whether deadlines may fire.

use std::time::{Duration, Instant};

use setpoint_ingest::{Entry, Log, LogError, covers};
use setpoint_schemas::{Cut, CutEntry, Position, RefusedEntry, Sourced, Topic};

use super::intake::{Decoded, Intake, Portion};
use crate::clock::Steady;

/// Without inputs an epoch is made this often, so that a standby sees that the leader lives.
pub(crate) const TICK: Duration = Duration::from_millis(1_000);

/// How often questions are looked for while nothing comes: as long as nobody notices a wait.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What the next epoch takes.
pub(crate) struct Batch {
    pub(crate) time_ms: i64,
    pub(crate) complete: bool,
    pub(crate) inputs: Vec<Sourced>,
    pub(crate) dead_letters: Vec<Entry>,
    pub(crate) cut: Vec<CutEntry>,
    pub(crate) refused: Vec<RefusedEntry>,
    pub(crate) records: usize,
    /// What the records take in the log.
    pub(crate) bytes: usize,
}

/// Cuts batches from what comes in.
pub(crate) struct Cutter {
    intake: Intake,
    taken: Cut,
    clock: Steady,
}

impl Cutter {
    pub(crate) fn new(intake: Intake, from: Cut, clock: Steady) -> Self {
        Cutter { intake, taken: from, clock }
    }

    /// The next batch. Waits for the first record until `due_ms` or a tick, and does `meanwhile`
    /// from time to time. When something is due the batch reads to the log's present end, so that
    /// backlog never looks like silence.
    pub(crate) fn next(
        &mut self,
        log: &dyn Log,
        due_ms: Option<i64>,
        meanwhile: impl Fn(&Cut),
    ) -> Result<Batch, LogError> {
        let wait = due_ms.map_or(TICK, |due| millis(due - self.clock.now_ms()).min(TICK));
        let mut portion = self.wait(wait, meanwhile)?.unwrap_or_default();
        // Before the ends are asked for: the batch then covers all that was there at this time.
        let time_ms = self.clock.now_ms();
        let mut complete = false;
        if due_ms.is_some_and(|due| due <= time_ms) {
            let ends = log.ends(&Topic::INPUTS)?;
            while !covers(&self.intake.position(), &ends) && !portion.is_full() {
                self.more(&mut portion, Duration::from_millis(1))?;
            }
            complete = covers(&self.intake.position(), &ends);
        }
        portion.records.sort_by_key(|(position, _)| *position);
        let cut = self.moved();
        let mut batch = Batch {
            time_ms,
            complete,
            inputs: Vec::with_capacity(portion.records.len()),
            dead_letters: Vec::new(),
            cut,
            refused: Vec::new(),
            records: portion.records.len(),
            bytes: portion.bytes,
        };
        portion.records.into_iter().for_each(|(at, decoded)| batch.take(at, decoded));
        Ok(batch)
    }

    /// The records that are there; the first ones that come, when none are.
    fn wait(
        &mut self,
        wait: Duration,
        meanwhile: impl Fn(&Cut),
    ) -> Result<Option<Portion>, LogError> {
        let until = Instant::now() + wait;
        loop {
            meanwhile(&self.taken);
            let left = until.saturating_duration_since(Instant::now());
            let first = self.intake.next(left.min(LOOK_EVERY))?;
            if let Some(mut portion) = first {
                // What other threads have ready goes into the same epoch.
                let is_beside = self.intake.is_beside();
                while is_beside && !portion.is_full() && self.more(&mut portion, Duration::ZERO)? {}
                return Ok(Some(portion));
            }
            if left <= LOOK_EVERY {
                return Ok(None);
            }
        }
    }

    /// Adds what else comes; whether something did.
    fn more(&mut self, portion: &mut Portion, wait: Duration) -> Result<bool, LogError> {
        let more = self.intake.next(wait)?;
        let is_more = more.is_some();
        more.into_iter().for_each(|more| portion.extend(more));
        Ok(is_more)
    }

    /// The partitions that moved since the last batch.
    fn moved(&mut self) -> Vec<CutEntry> {
        let mut cut = Vec::new();
        for (topic, partition, next) in self.intake.position().iter() {
            if next > self.taken.next(topic, partition) {
                self.taken.advance(topic, partition, next);
                cut.push(CutEntry { topic: topic.name().to_owned(), partition, next });
            }
        }
        cut
    }

    /// How far each input partition was read, as an epoch's record says it.
    pub(crate) fn whole(&self) -> Vec<CutEntry> {
        let inputs = self.taken.iter().filter(|(topic, ..)| Topic::INPUTS.contains(topic));
        let entry = |(topic, partition, next): (Topic, i32, i64)| CutEntry {
            topic: topic.name().to_owned(),
            partition,
            next,
        };
        inputs.map(entry).collect()
    }

    /// How far this has read, all partitions.
    pub(crate) fn taken(&self) -> &Cut {
        &self.taken
    }
}

impl Batch {
    fn take(&mut self, position: Position, decoded: Decoded) {
        match decoded {
            Decoded::Input(sourced) => self.inputs.push(sourced),
            Decoded::Nothing => {}
            Decoded::Refused(letter) => {
                self.dead_letters.extend(letter.map(|letter| *letter));
                self.refused.push(RefusedEntry {
                    topic: position.topic.name().to_owned(),
                    partition: position.partition,
                    offset: position.offset,
                });
            }
        }
    }
}

fn millis(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}
