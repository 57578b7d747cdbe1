//! Kafka's side of the contract.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::Offset;
use setpoint_ingest::{Appender, AppenderKind, Log, LogError, LogRecord, READ_BYTES_MAX, Reader};
use setpoint_schemas::{Cut, Topic};

use crate::brokers::Brokers;
use crate::config::{ANSWER_WAIT, Settings};
use crate::leader::LeaderAppender;
use crate::reader::KafkaReader;
use crate::shared::SharedAppender;
use crate::topics;

/// The log. Cheap to clone; clones share the client that asks.
#[derive(Clone)]
pub struct KafkaLog {
    brokers: Arc<Brokers>,
}

impl KafkaLog {
    /// A log on these brokers. Nothing is asked of them yet.
    ///
    /// # Errors
    /// [`LogError::Permanent`] when librdkafka refuses a property.
    pub fn new(settings: Settings) -> Result<Self, LogError> {
        Ok(KafkaLog { brokers: Arc::new(Brokers::new(settings)?) })
    }
}

impl KafkaLog {
    /// A reader of the partitions that begin so, behind this cut.
    fn reader_from(
        &self,
        from: &Cut,
        starts: impl Iterator<Item = (Topic, i32, i64)>,
    ) -> Result<Box<dyn Reader>, LogError> {
        let mut next = Cut::default();
        for (topic, partition, start) in starts {
            let wanted = from.next(topic, partition);
            if wanted != 0 && wanted < start {
                return Err(LogError::Forgotten { topic, partition, start, wanted });
            }
            next.advance(topic, partition, wanted.max(start));
        }
        Ok(Box::new(KafkaReader::new(&self.brokers.settings, next)?))
    }
}

impl Log for KafkaLog {
    fn ensure_topics(&self) -> Result<(), LogError> {
        topics::ensure(&self.brokers.settings)?;
        let until = Instant::now() + ANSWER_WAIT;
        for topic in Topic::ALL {
            // Brokers learn of a new topic one after the other.
            while let Err(error) = self.brokers.partitions(topic) {
                if Instant::now() > until {
                    return Err(error);
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        Ok(())
    }

    fn partitions(&self, topic: Topic) -> Result<i32, LogError> {
        self.brokers.partitions(topic)
    }

    fn reader(&self, from: &Cut, topics: &[Topic]) -> Result<Box<dyn Reader>, LogError> {
        let starts = self.starts(topics)?;
        self.reader_from(from, starts.iter())
    }

    fn reader_of(
        &self,
        from: &Cut,
        partitions: &[(Topic, i32)],
    ) -> Result<Box<dyn Reader>, LogError> {
        let topics: BTreeSet<Topic> = partitions.iter().map(|(topic, _)| *topic).collect();
        let starts = self.starts(&topics.into_iter().collect::<Vec<_>>())?;
        let is_meant = |at: &(Topic, i32, i64)| partitions.contains(&(at.0, at.1));
        self.reader_from(from, starts.iter().filter(is_meant))
    }

    fn appender(&self, kind: AppenderKind) -> Result<Box<dyn Appender>, LogError> {
        Ok(match kind {
            AppenderKind::Shared => Box::new(SharedAppender::new(self.brokers.clone())?),
            AppenderKind::Leader { fleet } => {
                Box::new(LeaderAppender::new(self.brokers.clone(), &fleet)?)
            }
        })
    }

    fn ends(&self, topics: &[Topic]) -> Result<Cut, LogError> {
        self.brokers.offsets(topics, Offset::End)
    }

    fn starts(&self, topics: &[Topic]) -> Result<Cut, LogError> {
        self.brokers.offsets(topics, Offset::Beginning)
    }

    fn read_at(
        &self,
        topic: Topic,
        partition: i32,
        offset: i64,
        max: usize,
    ) -> Result<Vec<LogRecord>, LogError> {
        if !(0..self.brokers.partitions(topic)?).contains(&partition) {
            return Err(LogError::NoPartition { topic, partition });
        }
        let start = self.starts(&[topic])?.next(topic, partition);
        let end = self.ends(&[topic])?.next(topic, partition);
        let from: Cut = [(topic, partition, offset.max(start))].into_iter().collect();
        let mut records = Vec::new();
        if from.next(topic, partition) >= end {
            return Ok(records);
        }
        let mut reader = KafkaReader::new(&self.brokers.settings, from)?;
        let stable = reader.stable_end(topic, partition)?;
        let (began, mut until) = (Instant::now(), Instant::now() + ANSWER_WAIT);
        while records.len() < max && Instant::now() < until {
            let next = reader.position().next(topic, partition);
            if next >= end {
                break;
            }
            if next >= stable {
                until = until.min(began + OPEN_WAIT);
            }
            records.extend(reader.poll(max - records.len(), READ_AT_WAIT)?);
            if records.iter().map(LogRecord::bytes).sum::<usize>() >= READ_BYTES_MAX {
                return Ok(records);
            }
        }
        let next = reader.position().next(topic, partition);
        if records.is_empty() && next < end.min(stable) {
            let attempt = format!("read {topic}/{partition} from offset {offset}");
            return Err(LogError::transient(attempt, "its records do not come"));
        }
        Ok(records)
    }
}

/// How long a read of one partition waits for the end of a transaction: a living leader's ends in
/// milliseconds, a dead one's only when it is fenced.
const OPEN_WAIT: Duration = Duration::from_secs(1);
/// How often a read of one partition looks whether it has come to the end.
const READ_AT_WAIT: Duration = Duration::from_millis(50);
