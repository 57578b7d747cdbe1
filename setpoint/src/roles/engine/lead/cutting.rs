//! Cutting epochs: what is ready, up to a bound, and whether deadlines may fire.

use std::time::{Duration, Instant};

use setpoint_ingest::entry::Writer;
use setpoint_ingest::{Decoder, Entry, Log, LogError, LogRecord, READ_BYTES_MAX, Reader, covers};
use setpoint_schemas::{Cut, CutEntry, RefusedEntry, Sourced, Topic};
use tracing::warn;

use crate::clock::Steady;

/// Records of one epoch at most: its decisions are one append, which must stay small enough to be
/// acknowledged within a lease's renewal.
const EPOCH_RECORDS_MAX: usize = 10_000;
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
}

/// Cuts batches from a reader.
pub(crate) struct Cutter {
    reader: Box<dyn Reader>,
    taken: Cut,
    decoder: Decoder,
    writer: Writer,
    clock: Steady,
}

impl Cutter {
    pub(crate) fn new(
        reader: Box<dyn Reader>,
        from: Cut,
        decoder: Decoder,
        writer: Writer,
        clock: Steady,
    ) -> Self {
        Cutter { reader, taken: from, decoder, writer, clock }
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
        let mut records = self.wait(wait, meanwhile)?;
        // Before the ends are asked for: the batch then covers all that was there at this time.
        let time_ms = self.clock.now_ms();
        let mut complete = false;
        if due_ms.is_some_and(|due| due <= time_ms) {
            let ends = log.ends(&Topic::INPUTS)?;
            while !covers(&self.reader.position(), &ends) && !is_full(&records) {
                records.extend(self.reader.poll(EPOCH_RECORDS_MAX, Duration::from_millis(1))?);
            }
            complete = covers(&self.reader.position(), &ends);
        }
        records.sort_by_key(|record| record.position);
        let cut = self.moved();
        let mut batch = Batch {
            time_ms,
            complete,
            inputs: Vec::with_capacity(records.len()),
            dead_letters: Vec::new(),
            cut,
            refused: Vec::new(),
            records: records.len(),
        };
        records.iter().for_each(|record| self.take(record, &mut batch));
        Ok(batch)
    }

    /// The records that are there; the first ones that come, when none are.
    fn wait(
        &mut self,
        wait: Duration,
        meanwhile: impl Fn(&Cut),
    ) -> Result<Vec<LogRecord>, LogError> {
        let until = Instant::now() + wait;
        loop {
            meanwhile(&self.taken);
            let left = until.saturating_duration_since(Instant::now());
            let records = self.reader.poll(EPOCH_RECORDS_MAX, left.min(LOOK_EVERY))?;
            if !records.is_empty() || left <= LOOK_EVERY {
                return Ok(records);
            }
        }
    }

    /// A record becomes an input, or a dead letter.
    fn take(&self, record: &LogRecord, batch: &mut Batch) {
        let position = record.position;
        match self.decoder.decode(record) {
            Ok(Some(sourced)) => batch.inputs.push(sourced),
            Ok(None) => {}
            Err(letter) => {
                warn!(%position, reason = %letter.reason, "record set aside");
                batch.dead_letters.extend(self.writer.dead_letter(&letter).ok());
                batch.refused.push(RefusedEntry {
                    topic: position.topic.name().to_owned(),
                    partition: position.partition,
                    offset: position.offset,
                });
            }
        }
    }

    /// The partitions that moved since the last batch.
    fn moved(&mut self) -> Vec<CutEntry> {
        let mut cut = Vec::new();
        for (topic, partition, next) in self.reader.position().iter() {
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

/// Whether an epoch takes no more, so that its memory is bounded too.
fn is_full(records: &[LogRecord]) -> bool {
    records.len() >= EPOCH_RECORDS_MAX
        || records.iter().map(LogRecord::bytes).sum::<usize>() >= READ_BYTES_MAX
}

fn millis(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}
