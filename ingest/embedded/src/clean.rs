//! Forgetting: records past their hours, and superseded records of compacted topics.
//!
//! Guarantee: the latest record of a key stays, unless it is a tombstone that every reader has had
//! two days to see; nothing younger than a day is compacted, so that history reaches the archive.

use std::collections::HashMap;

use rocksdb::WriteBatch;
use setpoint_ingest::{LogError, LogRecord};
use setpoint_schemas::{Cleanup, Position, Topic};

use crate::keys;
use crate::reader::{Kept, scan};
use crate::shared::Shared;

/// What a cleanup forgot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Records past their hours.
    pub expired: u64,
    /// Records superseded by a later one of their key, and old tombstones.
    pub compacted: u64,
}

const HOUR_MS: i64 = 3_600_000;
/// The archive's bound (`min.compaction.lag.ms` on Kafka).
const COMPACTION_LAG_MS: i64 = 24 * HOUR_MS;
/// A reader that is two days behind begins anew.
const TOMBSTONE_MS: i64 = 2 * COMPACTION_LAG_MS;
/// Records looked at before the deletions among them are written: bounds memory.
const SCAN_RECORDS_MAX: usize = 4096;

pub(crate) fn clean(shared: &Shared, now_ms: i64) -> Result<Cleaned, LogError> {
    let mut cleaned = Cleaned::default();
    for (topic, partition, end) in shared.ends_of(&Topic::ALL).iter() {
        match topic.cleanup() {
            Cleanup::Hours(hours) => {
                let before_ms = now_ms - i64::from(hours) * HOUR_MS;
                cleaned.expired += expire(shared, (topic, partition), end, before_ms)?;
            }
            Cleanup::Compact => {
                cleaned.compacted += compact(shared, (topic, partition), end, now_ms)?;
            }
        }
    }
    Ok(cleaned)
}

/// Drops records from the start up to the first one that is young enough.
fn expire(
    shared: &Shared,
    (topic, partition): (Topic, i32),
    end: i64,
    before_ms: i64,
) -> Result<u64, LogError> {
    let begin = shared.start(topic, partition)?;
    let mut start = begin;
    each(shared, (topic, partition), begin, end, |records| {
        let old = records.iter().take_while(|record| record.timestamp_ms < before_ms).count();
        start = old.checked_sub(1).map_or(start, |last| records[last].position.offset + 1);
        Ok(old == records.len())
    })?;
    if start == begin {
        return Ok(0);
    }
    let at = |offset| keys::record(Position { topic, partition, offset });
    let mut batch = WriteBatch::default();
    batch.delete_range(at(begin), at(start));
    batch.put(keys::start(topic, partition), start.to_be_bytes());
    write(shared, topic, batch)?;
    Ok((start - begin).cast_unsigned())
}

/// Drops records that a later one of their key supersedes. Two passes: the latest offset of each
/// key, then the deletions.
fn compact(
    shared: &Shared,
    partition: (Topic, i32),
    end: i64,
    now_ms: i64,
) -> Result<u64, LogError> {
    let mut latest: HashMap<Vec<u8>, i64> = HashMap::new();
    each(shared, partition, 0, end, |records| {
        latest.extend(records.iter().map(|record| (record.key.clone(), record.position.offset)));
        Ok(true)
    })?;
    let mut deleted = 0;
    each(shared, partition, 0, end, |records| {
        let mut batch = WriteBatch::default();
        for record in records.iter().filter(|record| is_waste(record, &latest, now_ms)) {
            batch.delete(keys::record(record.position));
        }
        deleted += batch.len() as u64;
        write(shared, partition.0, batch)?;
        Ok(true)
    })?;
    Ok(deleted)
}

fn is_waste(record: &LogRecord, latest: &HashMap<Vec<u8>, i64>, now_ms: i64) -> bool {
    let age_ms = now_ms - record.timestamp_ms;
    let superseded = latest.get(&record.key).is_some_and(|last| *last > record.position.offset);
    match superseded {
        true => age_ms > COMPACTION_LAG_MS,
        false => record.value.is_none() && age_ms > TOMBSTONE_MS,
    }
}

/// Gives the records of a partition to the caller, some at a time, until it has seen enough.
fn each(
    shared: &Shared,
    partition: (Topic, i32),
    from: i64,
    end: i64,
    mut go_on: impl FnMut(&[LogRecord]) -> Result<bool, LogError>,
) -> Result<(), LogError> {
    let mut next = from;
    while next < end {
        let mut page = Kept::new(SCAN_RECORDS_MAX);
        next = scan(shared, partition, next, end, &mut page)?;
        if !go_on(&page.records)? {
            break;
        }
    }
    Ok(())
}

fn write(shared: &Shared, topic: Topic, batch: WriteBatch) -> Result<(), LogError> {
    shared.db.write(batch).map_err(|error| LogError::permanent(format!("clean {topic}"), error))
}
