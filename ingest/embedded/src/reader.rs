//! Reading committed records in offset order.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use rocksdb::ReadOptions;
use setpoint_ingest::{LogError, LogRecord, READ_BYTES_MAX, Reader, RecordView};
use setpoint_schemas::{Cut, Position, Topic};

use crate::shared::Shared;
use crate::value::Stored;
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

    /// Fills a page with what is there, waiting for the first record.
    fn fill(&mut self, page: &mut impl Page, wait: Duration) -> Result<(), LogError> {
        let until = Instant::now() + wait;
        while page.filled().records == 0 {
            let ready = self.ready(until);
            if ready.is_empty() {
                break;
            }
            for (partition, end) in ready {
                let from = self.next[&partition];
                let next = scan(&self.shared, partition, from, end, page)?;
                self.next.insert(partition, next);
            }
        }
        Ok(())
    }
}

impl Reader for EmbeddedReader {
    fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<LogRecord>, LogError> {
        let mut page = Kept::new(max);
        self.fill(&mut page, wait)?;
        Ok(page.records)
    }

    fn show(
        &mut self,
        max: usize,
        wait: Duration,
        to: &mut dyn FnMut(RecordView<'_>),
    ) -> Result<usize, LogError> {
        let mut page = Shown { to, filled: Filled::default(), records_max: max };
        self.fill(&mut page, wait)?;
        Ok(page.filled.records)
    }

    fn hold_behind(&mut self, cut: Option<&Cut>) -> Result<(), LogError> {
        self.held_behind = cut.cloned();
        Ok(())
    }

    fn position(&self) -> Cut {
        self.next.iter().map(|(&(topic, partition), &next)| (topic, partition, next)).collect()
    }
}

/// Where records go that are read together, until they are as many or as large as they may be.
pub(crate) trait Page {
    /// Takes a record; `None` when it is damaged.
    fn take(&mut self, stored: &Stored<'_>) -> Option<()>;
    /// How much was taken.
    fn filled(&self) -> Filled;
    /// How many records it takes.
    fn records_max(&self) -> usize;

    fn is_full(&self) -> bool {
        let filled = self.filled();
        filled.records >= self.records_max() || filled.bytes >= READ_BYTES_MAX
    }
}

/// How much a page holds.
#[derive(Clone, Copy, Default)]
pub(crate) struct Filled {
    records: usize,
    bytes: usize,
}

/// A page of records that are kept.
pub(crate) struct Kept {
    pub(crate) records: Vec<LogRecord>,
    bytes: usize,
    records_max: usize,
}

impl Kept {
    pub(crate) fn new(records_max: usize) -> Self {
        Kept { records: Vec::new(), bytes: 0, records_max }
    }
}

impl Page for Kept {
    fn take(&mut self, stored: &Stored<'_>) -> Option<()> {
        let record = stored.kept()?;
        self.bytes += record.bytes();
        self.records.push(record);
        Some(())
    }

    fn filled(&self) -> Filled {
        Filled { records: self.records.len(), bytes: self.bytes }
    }

    fn records_max(&self) -> usize {
        self.records_max
    }
}

/// A page of records that are shown and gone.
struct Shown<'a> {
    to: &'a mut dyn FnMut(RecordView<'_>),
    filled: Filled,
    records_max: usize,
}

impl Page for Shown<'_> {
    fn take(&mut self, stored: &Stored<'_>) -> Option<()> {
        (self.to)(stored.view);
        self.filled.records += 1;
        self.filled.bytes += stored.view.bytes();
        Some(())
    }

    fn filled(&self) -> Filled {
        self.filled
    }

    fn records_max(&self) -> usize {
        self.records_max
    }
}

/// Reads records of a partition until the page is full, and answers the next offset: past the
/// last record read, or the end when what is left is a gap of compaction.
pub(crate) fn scan(
    shared: &Shared,
    (topic, partition): (Topic, i32),
    from: i64,
    end: i64,
    page: &mut impl Page,
) -> Result<i64, LogError> {
    let at = |offset| keys::record(Position { topic, partition, offset });
    let mut bounded = ReadOptions::default();
    bounded.set_iterate_upper_bound(at(end));
    let attempt = || format!("read {topic}/{partition}");
    let mut next = from;
    let mut rows = shared.db.raw_iterator_opt(bounded);
    rows.seek(at(from));
    while let Some((key, bytes)) = rows.item() {
        if page.is_full() {
            return Ok(next);
        }
        next = keys::offset_of(key)
            .and_then(|offset| value::decode(Position { topic, partition, offset }, bytes))
            .and_then(|stored| page.take(&stored).map(|()| stored.view.position.offset + 1))
            .ok_or_else(|| LogError::permanent(attempt(), "a stored record is damaged"))?;
        rows.next();
    }
    // It ends where there is nothing more, or where it cannot be read.
    rows.status().map_err(|error| LogError::permanent(attempt(), error))?;
    Ok(next.max(end))
}
