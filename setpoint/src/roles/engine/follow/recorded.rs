//! What leaders recorded of their epochs, read back from the topics that they write.
//!
//! Read only by who cannot decide for itself: an engine with other rules, or with a state that was
//! rebuilt. Everyone else needs the epochs and the inputs alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use setpoint_dataflow::{PlacementChange, Recorded};
use setpoint_ingest::entry::epoch_of_tombstone;
use setpoint_ingest::{Log, LogError, LogRecord, Reader};
use setpoint_schemas::avro::Codec;
use setpoint_schemas::{
    Cut, Decision, EpochRecord, NodeName, Placement, PodUid, Resource, ResourceKey, Topic,
};

use super::ends::{OPEN_PATIENCE, Trimmed};
use super::stray;
use crate::roles::engine::reading::{POLL_RECORDS_MAX, POLL_WAIT};

/// The topics that a leader writes beside its epochs.
pub(crate) const OUTPUTS: [Topic; 3] = [Topic::Desired, Topic::Placements, Topic::Decisions];
/// Records looked at around one offset for one that says its epoch: tombstones of earlier versions
/// do not, and seldom stand so many in a row.
const PROBE_RECORDS_MAX: usize = 64;

/// Reads what was recorded, epoch after epoch.
pub(crate) struct Recordings {
    codec: Codec,
    reader: Option<Box<dyn Reader>>,
    /// What was read and not asked for yet, by epoch.
    ahead: BTreeMap<i64, Recorded>,
    /// The epoch of the last record of each partition: what says no epoch belongs to it.
    last: BTreeMap<(Topic, i32), i64>,
    node_of: BTreeMap<PodUid, NodeName>,
    /// The ends of the topics, which held all up to this epoch.
    ends: (i64, Cut),
}

impl Recordings {
    pub(crate) fn new(codec: Codec) -> Self {
        let (ahead, last, node_of) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Recordings { codec, reader: None, ahead, last, node_of, ends: (0, Cut::default()) }
    }

    /// What was recorded of this epoch. `known` is the latest epoch that the caller has read: its
    /// append was whole before it could be read.
    pub(crate) fn of(
        &mut self,
        log: &dyn Log,
        record: &EpochRecord,
        known: i64,
    ) -> anyhow::Result<Recorded> {
        if self.reader.is_none() {
            let from = seek(&self.codec, log, record.number)?;
            self.reader = Some(log.reader(&from, &OUTPUTS)?);
        }
        if self.ends.0 < record.number {
            self.ends = (known.max(record.number), log.ends(&OUTPUTS)?);
        }
        let is_read = self.read(record.number)?;
        let later = self.ahead.split_off(&(record.number + 1));
        let mut recorded = self.ahead.remove(&record.number).unwrap_or_default();
        self.ahead = later;
        if i32::try_from(recorded.decisions.len()).ok() != Some(record.decisions) {
            if !is_read {
                let attempt = format!("read what epoch {} decided", record.number);
                return Err(LogError::transient(attempt, "it does not come").into());
            }
            return Err(Trimmed { epoch: record.number }.into());
        }
        recorded.decisions.sort_by_key(|decision| decision.sequence);
        recorded.hash = record.decisions_hash;
        Ok(recorded)
    }

    /// Past this epoch or to the ends, in each partition, and no further: a long way would fill the
    /// memory. Or until nothing came for some time: a leader's append that is still open ends behind
    /// what can be read. Says whether all was read.
    fn read(&mut self, number: i64) -> anyhow::Result<bool> {
        let Some(mut reader) = self.reader.take() else { return Ok(false) };
        let mut heard = Instant::now();
        while !self.is_past(number, &reader.position()) && heard.elapsed() < OPEN_PATIENCE {
            for record in reader.poll(POLL_RECORDS_MAX, POLL_WAIT)? {
                heard = Instant::now();
                self.take(&record).with_context(|| {
                    format!("failed to read what was recorded at {}", record.position)
                })?;
            }
        }
        let is_read = self.is_past(number, &reader.position());
        self.reader = Some(reader);
        Ok(is_read)
    }

    /// Whether each partition was read past this epoch, or to its end. Epochs rise along a partition.
    fn is_past(&self, number: i64, position: &Cut) -> bool {
        self.ends.1.iter().all(|(topic, partition, end)| {
            let last = self.last.get(&(topic, partition));
            last.is_some_and(|last| *last > number) || position.next(topic, partition) >= end
        })
    }

    fn take(&mut self, record: &LogRecord) -> anyhow::Result<()> {
        let partition = (record.position.topic, record.position.partition);
        let before = self.last.get(&partition).copied();
        let epoch = epoch_of(&self.codec, record)?.or(before).unwrap_or(0);
        self.last.insert(partition, epoch);
        let recorded = self.ahead.entry(epoch).or_default();
        let (is_gone, key) = (record.value.is_none(), String::from_utf8_lossy(&record.key));
        match record.position.topic {
            Topic::Desired if is_gone => {
                let key = ResourceKey::parse(&key).ok();
                recorded.resources.extend(key.map(|key| (key, None)));
            }
            Topic::Desired => {
                let resource = stray::decoded::<Resource>(&self.codec, record)?.map(Arc::new);
                recorded.resources.extend(resource.map(|r| (r.key(), Some(r))));
            }
            Topic::Placements if is_gone => {
                let Ok(uid) = PodUid::parse(&key) else { return Ok(()) };
                let node = self.node_of.remove(&uid).or_else(|| NodeName::parse("unknown").ok());
                let change = node.map(|node| PlacementChange { uid, node, placement: None });
                recorded.placements.extend(change);
            }
            Topic::Placements => {
                let placement = stray::decoded::<Placement>(&self.codec, record)?;
                let Some(placement) = placement.map(Arc::new) else { return Ok(()) };
                let (uid, node) = (placement.uid.clone(), placement.node.clone());
                self.node_of.insert(uid.clone(), node.clone());
                let placement = Some(placement);
                recorded.placements.push(PlacementChange { uid, node, placement });
            }
            _ => recorded.decisions.extend(stray::decoded::<Decision>(&self.codec, record)?),
        }
        Ok(())
    }
}

/// Where the records of this epoch begin, at the latest: by halving, since epochs rise along a
/// partition.
pub(crate) fn seek(codec: &Codec, log: &dyn Log, number: i64) -> anyhow::Result<Cut> {
    let (starts, ends) = (log.starts(&OUTPUTS)?, log.ends(&OUTPUTS)?);
    let mut cut = Cut::default();
    for (topic, partition, end) in ends.iter() {
        let (mut low, mut high) = (starts.next(topic, partition), end);
        while low < high {
            let middle = low + (high - low) / 2;
            let records = log.read_at(topic, partition, middle, PROBE_RECORDS_MAX)?;
            let mut told = None;
            for record in records.iter().filter(|r| r.position.offset < high) {
                told = epoch_of(codec, record)?.map(|e| (record.position.offset, e));
                if told.is_some() {
                    break;
                }
            }
            match told {
                Some((offset, epoch)) if epoch < number => low = offset + 1,
                _ => high = middle,
            }
        }
        cut.advance(topic, partition, low);
    }
    Ok(cut)
}

/// The epoch that a record was decided in; `None` when it does not say.
pub(crate) fn epoch_of(codec: &Codec, record: &LogRecord) -> anyhow::Result<Option<i64>> {
    if record.value.is_none() {
        return Ok(epoch_of_tombstone(&record.headers));
    }
    Ok(match record.position.topic {
        Topic::Desired => stray::decoded::<Resource>(codec, record)?.map(|r| r.version),
        Topic::Placements => stray::decoded::<Placement>(codec, record)?.map(|p| p.epoch),
        _ => stray::decoded::<Decision>(codec, record)?.map(|d| d.epoch),
    })
}
