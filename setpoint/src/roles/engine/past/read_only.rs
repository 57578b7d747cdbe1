//! A log that is only read, whatever it could do.

use std::sync::Arc;

use setpoint_ingest::{
    AppendError, Appender, AppenderKind, Entry, Log, LogError, LogRecord, Reader,
};
use setpoint_schemas::{Cut, Position, Topic};

/// The log beneath, without topics being made and without appends.
pub(super) struct ReadOnly(pub(super) Arc<dyn Log>);

/// Appends nothing.
struct Refusing;

impl Appender for Refusing {
    fn append(&mut self, _: Vec<Entry>) -> Result<Vec<Position>, AppendError> {
        Err(LogError::permanent("append to the log", "the past is only read").into())
    }
}

impl Log for ReadOnly {
    fn ensure_topics(&self) -> Result<(), LogError> {
        Ok(())
    }

    fn look(&self) -> Result<(), LogError> {
        self.0.look()
    }

    fn partitions(&self, topic: Topic) -> Result<i32, LogError> {
        self.0.partitions(topic)
    }

    fn reader(&self, from: &Cut, topics: &[Topic]) -> Result<Box<dyn Reader>, LogError> {
        self.0.reader(from, topics)
    }

    fn reader_of(
        &self,
        from: &Cut,
        partitions: &[(Topic, i32)],
    ) -> Result<Box<dyn Reader>, LogError> {
        self.0.reader_of(from, partitions)
    }

    fn appender(&self, _: AppenderKind) -> Result<Box<dyn Appender>, LogError> {
        Ok(Box::new(Refusing))
    }

    fn ends(&self, topics: &[Topic]) -> Result<Cut, LogError> {
        self.0.ends(topics)
    }

    fn starts(&self, topics: &[Topic]) -> Result<Cut, LogError> {
        self.0.starts(topics)
    }

    fn read_at(
        &self,
        topic: Topic,
        partition: i32,
        offset: i64,
        max: usize,
    ) -> Result<Vec<LogRecord>, LogError> {
        self.0.read_at(topic, partition, offset, max)
    }
}
