//! What a replay decided, held against what stands on the log, byte for byte.
//!
//! Guarantee: a record that is there and was not decided again, one that was decided and is not there, and
//! one with other bytes are each found, and the first of them is named. What cleanup took cannot be
//! compared, and is counted.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use serde::Serialize;
use serde_json::{Value, json};
use setpoint_dataflow::Outcome;
use setpoint_ingest::entry::Writer;
use setpoint_ingest::{Entry, Log, LogError, LogRecord, Reader, partition_of};
use setpoint_schemas::{Cleanup, Cut, EpochRecord, Topic};

use crate::roles::engine::follow::ends::OPEN_PATIENCE;
use crate::roles::engine::follow::recorded::{OUTPUTS, epoch_of, seek};
use crate::roles::engine::lead::record;
use crate::roles::engine::ports::gate::decoded;
use crate::roles::engine::reading::{POLL_RECORDS_MAX, POLL_WAIT};

/// How much was compared, records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Compared {
    pub(crate) decisions: u64,
    pub(crate) placements: u64,
    pub(crate) resources: u64,
    /// Decided again, and no longer on the log: superseded, or past their hours.
    pub(crate) gone: u64,
}

/// The first record that a replay decides otherwise.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Divergence {
    pub(crate) epoch: i64,
    pub(crate) topic: &'static str,
    pub(crate) key: String,
    /// As it stands on the log; `None`: nothing stands there.
    pub(crate) recorded: Option<Value>,
    /// As it was decided again; `None`: it was not.
    pub(crate) replayed: Option<Value>,
}

impl Divergence {
    /// Of an epoch whose records are all as decided again, or gone, and whose hash is another one.
    pub(crate) fn of_hash(record: &EpochRecord, outcome: &Outcome) -> Divergence {
        Divergence {
            epoch: record.number,
            topic: Topic::Epochs.name(),
            key: String::new(),
            recorded: Some(json!({"decisionsHash": record.decisions_hash})),
            replayed: Some(json!({"decisionsHash": outcome.hash})),
        }
    }
}

/// Reads what leaders wrote beside their epochs, and compares.
pub(crate) struct Comparison {
    writer: Writer,
    reader: Box<dyn Reader>,
    partitions: BTreeMap<Topic, i32>,
    ahead: BTreeMap<(Topic, i32), Partition>,
    ends: Cut,
    pub(crate) compared: Compared,
}

/// What was read of a partition and not compared yet.
#[derive(Default)]
struct Partition {
    records: VecDeque<(i64, LogRecord)>,
    /// The epoch of the last record that was read: what says none belongs to it.
    last: i64,
    /// Where the next record stands if cleanup took nothing.
    next: i64,
    /// Whether cleanup may have taken what stood there: of compacted topics anything, of others what came
    /// first.
    may_lack: bool,
}

impl Comparison {
    /// A comparison that begins with this epoch.
    pub(crate) fn from(log: &dyn Log, writer: Writer, epoch: i64) -> anyhow::Result<Self> {
        let from = seek(writer.codec(), log, epoch)?;
        let mut partitions = BTreeMap::new();
        for topic in OUTPUTS {
            partitions.insert(topic, log.partitions(topic)?);
        }
        let mut ahead: BTreeMap<(Topic, i32), Partition> = BTreeMap::new();
        let starts = log.starts(&OUTPUTS)?;
        for (topic, partition, next) in from.iter() {
            let is_trimmed = starts.next(topic, partition) > 0;
            let may_lack = is_trimmed || matches!(topic.cleanup(), Cleanup::Compact);
            ahead.insert((topic, partition), Partition { next, may_lack, ..Partition::default() });
        }
        Ok(Comparison {
            writer,
            reader: log.reader(&from, &OUTPUTS)?,
            partitions,
            ahead,
            ends: log.ends(&OUTPUTS)?,
            compared: Compared::default(),
        })
    }

    /// Compares an epoch; epochs come in order.
    pub(crate) fn compare(&mut self, outcome: &Outcome) -> anyhow::Result<Option<Divergence>> {
        self.read(outcome.number)?;
        let mut entries = Vec::new();
        record::outputs(&self.writer, outcome, &mut entries)?;
        let mut decided: BTreeMap<(Topic, i32), VecDeque<Entry>> = BTreeMap::new();
        for entry in entries {
            let partitions = self.partitions.get(&entry.topic).copied().unwrap_or(1);
            let partition = partition_of(&entry.partition_key, partitions);
            decided.entry((entry.topic, partition)).or_default().push_back(entry);
        }
        let mut places: Vec<(Topic, i32)> = self.ahead.keys().copied().collect();
        places.extend(decided.keys().copied());
        places.sort();
        places.dedup();
        // The ledger first: it says why.
        places.sort_by_key(|(topic, _)| *topic != Topic::Decisions);
        for place in places {
            let decided = decided.remove(&place).unwrap_or_default();
            if let Some(divergence) = self.compare_partition(place, outcome.number, decided) {
                return Ok(Some(divergence));
            }
        }
        Ok(None)
    }

    fn compare_partition(
        &mut self,
        place: (Topic, i32),
        epoch: i64,
        decided: VecDeque<Entry>,
    ) -> Option<Divergence> {
        let end = self.ends.next(place.0, place.1);
        let partition = self.ahead.entry(place).or_default();
        for entry in decided {
            let (key, value) = (&entry.key, &entry.value);
            let next = partition.records.front().filter(|(of, _)| *of <= epoch);
            match next {
                Some((_, record)) if record.key == *key && record.value == *value => {
                    partition.next = record.position.offset + 1;
                    partition.records.pop_front();
                    partition.may_lack &= place.0.cleanup() == Cleanup::Compact;
                    self.compared.count(place.0);
                }
                _ if partition.is_hole(end) => self.compared.gone += 1,
                other => {
                    let recorded = other.map(|(_, record)| record.clone());
                    return Some(self.divergence(epoch, recorded, Some(&entry)));
                }
            }
        }
        let left = partition.records.pop_front_if(|(of, _)| *of <= epoch);
        left.map(|(_, record)| self.divergence(epoch, Some(record), None))
    }

    fn divergence(
        &self,
        epoch: i64,
        recorded: Option<LogRecord>,
        replayed: Option<&Entry>,
    ) -> Divergence {
        let codec = self.writer.codec();
        let of_recorded = recorded.as_ref().map(|record| record.position.topic);
        let topic = replayed.map(|entry| entry.topic).or(of_recorded).unwrap_or(Topic::Decisions);
        let key = replayed.map(|entry| &entry.key).or(recorded.as_ref().map(|r| &r.key));
        let shown = |value: Option<&Vec<u8>>| {
            value.map_or(Value::String("(a tombstone)".to_owned()), |v| decoded(codec, topic, v))
        };
        Divergence {
            epoch,
            topic: topic.name(),
            key: key.map(|key| String::from_utf8_lossy(key).into_owned()).unwrap_or_default(),
            recorded: recorded.as_ref().map(|record| shown(record.value.as_ref())),
            replayed: replayed.map(|entry| shown(entry.value.as_ref())),
        }
    }

    /// Reads each partition past this epoch or to its end, and no further: a long way would fill the
    /// memory.
    fn read(&mut self, epoch: i64) -> anyhow::Result<()> {
        let mut heard = Instant::now();
        while !self.is_past(epoch) {
            if heard.elapsed() > OPEN_PATIENCE {
                let attempt = format!("read what epoch {epoch} decided");
                return Err(LogError::transient(attempt, "it does not come").into());
            }
            for record in self.reader.poll(POLL_RECORDS_MAX, POLL_WAIT)? {
                heard = Instant::now();
                let place = (record.position.topic, record.position.partition);
                let partition = self.ahead.entry(place).or_default();
                let of = epoch_of(self.writer.codec(), &record)?.unwrap_or(partition.last);
                partition.last = of;
                partition.records.push_back((of, record));
            }
        }
        // What the seek could not tell apart lies before the first epoch that is compared.
        for partition in self.ahead.values_mut() {
            while let Some((_, record)) = partition.records.pop_front_if(|(of, _)| *of < epoch) {
                partition.next = record.position.offset + 1;
            }
        }
        Ok(())
    }

    fn is_past(&self, epoch: i64) -> bool {
        let position = self.reader.position();
        self.ends.iter().all(|(topic, partition, end)| {
            let last = self.ahead.get(&(topic, partition)).map_or(0, |read| read.last);
            last > epoch || position.next(topic, partition) >= end
        })
    }
}

impl Partition {
    /// Whether something may have stood before the next record that is there, which cleanup took.
    fn is_hole(&self, end: i64) -> bool {
        let next = self.records.front().map_or(end, |(_, record)| record.position.offset);
        self.may_lack && next > self.next
    }
}

impl Compared {
    fn count(&mut self, topic: Topic) {
        match topic {
            Topic::Decisions => self.decisions += 1,
            Topic::Placements => self.placements += 1,
            _ => self.resources += 1,
        }
    }
}
