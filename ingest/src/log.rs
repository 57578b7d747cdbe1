//! The contract of the log. Blocking and object safe: the engine's thread calls it directly.

use std::time::Duration;

use setpoint_schemas::{Cut, FleetId, Position, Topic};

use crate::{Entry, LogRecord};

/// Why the log cannot answer. Transient errors may pass by themselves; the caller waits and tries
/// again. Permanent ones need a human.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The log did not answer, or not in time.
    #[error("failed to {attempt}")]
    Transient {
        /// What was tried, in words.
        attempt: String,
        /// What the log's own library says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The log is damaged, misconfigured or refuses us.
    #[error("failed to {attempt}")]
    Permanent {
        /// What was tried, in words.
        attempt: String,
        /// What the log's own library says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The records asked for are no longer there: cleanup took them.
    #[error("{topic}/{partition} begins at offset {start}, and offset {wanted} was asked for")]
    Forgotten {
        /// The topic.
        topic: Topic,
        /// The partition.
        partition: i32,
        /// The first offset still there.
        start: i64,
        /// The offset asked for.
        wanted: i64,
    },
    /// There is no such partition.
    #[error("{topic} has no partition {partition}")]
    NoPartition {
        /// The topic.
        topic: Topic,
        /// The partition asked for.
        partition: i32,
    },
}

impl LogError {
    /// An error that may pass by itself.
    pub fn transient(
        attempt: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        LogError::Transient { attempt: attempt.into(), source: source.into() }
    }

    /// An error that needs a human.
    pub fn permanent(
        attempt: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        LogError::Permanent { attempt: attempt.into(), source: source.into() }
    }

    /// Whether trying again may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, LogError::Transient { .. })
    }
}

/// Why an append was not acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// A later leader's appender exists: nothing of this append is on the log, and nothing of any
    /// later one of this appender will be.
    #[error("a later leader has fenced this appender")]
    Fenced,
    /// An entry is larger than the log takes; nothing of this append is on the log.
    #[error("an entry for {topic} has {bytes} bytes, more than the {bytes_max} that the log takes")]
    TooLarge {
        /// The entry's topic.
        topic: Topic,
        /// Its bytes.
        bytes: usize,
        /// The bound.
        bytes_max: usize,
    },
    /// The log failed. A leader's entries are not on the log, unless the outcome is unknown: then
    /// the appender is spent, and the caller reads the log's end before it appends by a new one.
    #[error("failed to append")]
    Log(#[from] LogError),
}

impl AppendError {
    /// Whether following the log anew, or another try, may help. What is too large stays so, and a
    /// log that is damaged or refuses us needs a human.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            AppendError::Fenced => true,
            AppendError::TooLarge { .. } => false,
            AppendError::Log(error) => error.is_transient(),
        }
    }
}

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
}

/// Reads committed records in the order of each partition. One thread uses it at a time.
pub trait Reader: Send {
    /// At most `max` records that are there, waiting up to `wait` for the first. Empty when none
    /// came; fewer when they come to [`crate::READ_BYTES_MAX`] bytes, which the last may exceed. Records of one partition come in order; partitions interleave in any way.
    ///
    /// # Errors
    /// [`LogError`] when the log does not answer. The reader goes on where it was.
    fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<LogRecord>, LogError>;

    /// The next offset of each partition: all before it was returned by [`Reader::poll`] or holds
    /// no record (transaction markers, compacted away, aborted).
    fn position(&self) -> Cut;
}
