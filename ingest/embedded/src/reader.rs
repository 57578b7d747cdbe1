//! Reading committed records in offset order.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use rocksdb::{Direction, IteratorMode, ReadOptions};
use setpoint_ingest::{LogError, LogRecord, READ_BYTES_MAX, Reader};
use setpoint_schemas::{Cut, Position, Topic};

use crate::shared::Shared;
use crate::{keys, value};

pub(crate) struct EmbeddedReader {
    shared: Arc<Shared>,
    next: BTreeMap<(Topic, i32), i64>,
    /// Where partitions wait, when they do.
    held_behind: Option<Cut>,
}

impl EmbeddedReader {
    pub(crate) fn new(
        shared: Arc<Shared>,
        from: &Cut,
        partitions: impl IntoIterator<Item = (Topic, i32)>,
    ) -> Result<Self, LogError> {
        let mut next = BTreeMap::new();
        for (topic, partition) in partitions {
            let (wanted, start) = (from.next(topic, partition), shared.start(topic, partition)?);
            if wanted != 0 && wanted < start {
                return Err(LogError::Forgotten { topic, partition, start, wanted });
            }
            next.insert((topic, partition), wanted.max(start));
        }
        Ok(EmbeddedReader { shared, next, held_behind: None })
    }

    /// The partitions that hold something unread, with their ends; waits for one until then.
    fn ready(&self, until: Instant) -> Vec<((Topic, i32), i64)> {
        let mut ends = self.shared.ends();
        loop {
            let unread = self.next.iter().filter_map(|(partition, next)| {
                let end = ends.next.get(partition).copied().unwrap_or(0);
                let (topic, number) = *partition;
                let until = self.held_behind.as_ref().map(|cut| cut.next(topic, number));
                let end = end.min(until.unwrap_or(i64::MAX));
                (end > *next).then_some((*partition, end))
            });
            let unread: Vec<_> = unread.collect();
            let left = until.saturating_duration_since(Instant::now());
            if !unread.is_empty() || left.is_zero() {
                return unread;
            }
            let woken = self.shared.appended.wait_timeout(ends, left);
            ends = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Reader for EmbeddedReader {
    fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<LogRecord>, LogError> {
        let until = Instant::now() + wait;
        let mut records = Vec::new();
        while records.is_empty() {
            let ready = self.ready(until);
            if ready.is_empty() {
                break;
            }
            let mut page = Page::new(max);
            for (partition, end) in ready {
                let from = self.next[&partition];
                let next = scan(&self.shared, partition, from, end, &mut page)?;
                self.next.insert(partition, next);
            }
            records = page.records;
        }
        Ok(records)
    }

    fn hold_behind(&mut self, cut: Option<&Cut>) -> Result<(), LogError> {
        self.held_behind = cut.cloned();
        Ok(())
    }

    fn position(&self) -> Cut {
        self.next.iter().map(|(&(topic, partition), &next)| (topic, partition, next)).collect()
    }
}

/// Records that are read together, until they are as many or as large as they may be.
pub(crate) struct Page {
    pub(crate) records: Vec<LogRecord>,
    bytes: usize,
    records_max: usize,
}

impl Page {
    pub(crate) fn new(records_max: usize) -> Self {
        Page { records: Vec::new(), bytes: 0, records_max }
    }

    fn is_full(&self) -> bool {
        self.records.len() >= self.records_max || self.bytes >= READ_BYTES_MAX
    }

    fn push(&mut self, record: LogRecord) {
        self.bytes += record.bytes();
        self.records.push(record);
    }
}

/// Reads records of a partition until the page is full, and answers the next offset: past the
/// last record read, or the end when what is left is a gap of compaction.
pub(crate) fn scan(
    shared: &Shared,
    (topic, partition): (Topic, i32),
    from: i64,
    end: i64,
    page: &mut Page,
) -> Result<i64, LogError> {
    let at = |offset| keys::record(Position { topic, partition, offset });
    let mut bounded = ReadOptions::default();
    bounded.set_iterate_upper_bound(at(end));
    let attempt = || format!("read {topic}/{partition}");
    let mut next = from;
    let from = at(from);
    let mode = IteratorMode::From(&from, Direction::Forward);
    for row in shared.db.iterator_opt(mode, bounded) {
        if page.is_full() {
            return Ok(next);
        }
        let (key, bytes) = row.map_err(|error| LogError::permanent(attempt(), error))?;
        let record = keys::offset_of(&key)
            .and_then(|offset| value::decode(Position { topic, partition, offset }, &bytes))
            .ok_or_else(|| LogError::permanent(attempt(), "a stored record is damaged"))?;
        next = record.position.offset + 1;
        page.push(record);
    }
    Ok(next.max(end))
}
