//! The contract of the log. Blocking and object safe: the engine's thread calls it directly.

use std::time::Duration;

use setpoint_schemas::{Cut, FleetId, Position, Topic};

use crate::{AppendError, Entry, LogError, LogRecord, RecordView};

/// Who appends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppenderKind {
    /// One of several writers of single records (the API, a source). Each entry is durable before
    /// the append returns, and never twice; on Kafka several entries of one append are **not**
    /// atomic, on the embedded log they are.
    Shared,
    /// The leader of a fleet. Making one fences every earlier leader's appender of that fleet.
    Leader {
        /// The fleet.
        fleet: FleetId,
    },
}

/// The log.
pub trait Log: Send + Sync {
    /// Makes the topics that are not there yet, with their cleanup.
    ///
    /// # Errors
    /// [`LogError`] when the log does not answer or refuses.
    fn ensure_topics(&self) -> Result<(), LogError>;

    /// Looks whether what the log stands on is still there. A log that others keep has nothing to
    /// look at.
    ///
    /// # Errors
    /// [`LogError::Gone`] when it is not: nothing is acknowledged any more.
    fn look(&self) -> Result<(), LogError> {
        Ok(())
    }

    /// How many partitions a topic has.
    ///
    /// # Errors
    /// [`LogError`] when the log does not answer.
    fn partitions(&self, topic: Topic) -> Result<i32, LogError>;

    /// A reader of these topics, every partition, that starts at the cut. A partition whose next
    /// offset lies before the first one still there starts at the first one when the cut says
    /// nothing about it (0), and fails with [`LogError::Forgotten`] otherwise, here or at the
    /// first poll.
    ///
    /// # Errors
    /// [`LogError`] when the log does not answer.
    fn reader(&self, from: &Cut, topics: &[Topic]) -> Result<Box<dyn Reader>, LogError>;

    /// The same of these partitions alone.
    ///
    /// # Errors
    /// [`LogError`] when the log does not answer, or has no such partition.
    fn reader_of(
        &self,
        from: &Cut,
        partitions: &[(Topic, i32)],
    ) -> Result<Box<dyn Reader>, LogError>;

    /// A new appender; a leader's fences the earlier leaders' before this returns.
    ///
    /// # Errors
    /// [`LogError`] when the log does not answer or refuses.
    fn appender(&self, kind: AppenderKind) -> Result<Box<dyn Appender>, LogError>;

    /// The next offset that will be written in each partition of these topics. Whoever has read
    /// as far ([`crate::covers`]) knows all that was acknowledged before this call.
    ///
    /// # Errors
    /// [`LogError`] when the log does not answer.
    fn ends(&self, topics: &[Topic]) -> Result<Cut, LogError>;

    /// The first offset still there of each partition of these topics.
    ///
    /// # Errors
    /// [`LogError`] when the log does not answer.
    fn starts(&self, topics: &[Topic]) -> Result<Cut, LogError>;

    /// At most `max` records of one partition from this offset on, without waiting for new ones;
    /// fewer when they come to [`crate::READ_BYTES_MAX`] bytes, but one at least where one is.
    ///
    /// # Errors
    /// [`LogError`] when the log does not answer.
    fn read_at(
        &self,
        topic: Topic,
        partition: i32,
        offset: i64,
        max: usize,
    ) -> Result<Vec<LogRecord>, LogError>;
}

/// Appends to the log. One thread uses it at a time.
pub trait Appender: Send {
    /// Appends all entries or none and returns when they are durable: their positions, in the
    /// entries' order. See [`AppenderKind::Shared`] for what it promises less.
    ///
    /// # Errors
    /// [`AppendError`] says whether the appender may be used again.
    fn append(&mut self, entries: Vec<Entry>) -> Result<Vec<Position>, AppendError>;

    /// The same of entries that whoever appends goes on holding, to try some of them again.
    ///
    /// # Errors
    /// As [`Appender::append`].
    fn append_held(&mut self, entries: &[Entry]) -> Result<Vec<Position>, AppendError> {
        self.append(entries.to_vec())
    }
}

/// Reads committed records in the order of each partition. One thread uses it at a time.
pub trait Reader: Send {
    /// At most `max` records that are there, waiting up to `wait` for the first. Empty when none
    /// came; fewer when they come to [`crate::READ_BYTES_MAX`] bytes, which the last may exceed. Records of one partition come in order; partitions interleave in any way.
    ///
    /// # Errors
    /// [`LogError`] when the log does not answer: the reader goes on where it was. With
    /// [`LogError::Forgotten`] it reads no further, since cleanup took what it was to read next.
    fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<LogRecord>, LogError>;

    /// The same, but each record is shown where it stands instead of copied: for who makes something
    /// of its own of it anyway. How many were shown.
    ///
    /// # Errors
    /// [`LogError`] when the log does not answer. What was shown until then counts for nothing: whoever
    /// goes on does so with another reader.
    fn show(
        &mut self,
        max: usize,
        wait: Duration,
        to: &mut dyn FnMut(RecordView<'_>),
    ) -> Result<usize, LogError> {
        let records = self.poll(max, wait)?;
        records.iter().for_each(|record| to(record.into()));
        Ok(records.len())
    }

    /// From here on records may come without their headers. Who only decodes them needs none, and to
    /// take them out of a record is half of the work of reading it.
    fn without_headers(&mut self) {}

    /// Partitions that have come to this cut are not read on, until another one is told; `None`: all
    /// are.
    ///
    /// # Errors
    /// [`LogError`] when the reader refuses; it reads as before then.
    fn hold_behind(&mut self, cut: Option<&Cut>) -> Result<(), LogError>;

    /// The next offset of each partition: all before it was returned by [`Reader::poll`] or holds
    /// no record (transaction markers, compacted away, aborted).
    fn position(&self) -> Cut;
}
