//! Kafka's side of the contract.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};
use setpoint_ingest::{
    Appender, AppenderKind, Entry, Log, LogError, LogRecord, READ_BYTES_MAX, Reader, partition_of,
};
use setpoint_schemas::{Cut, Topic};

use crate::config::{ANSWER_WAIT, Settings};
use crate::leader::LeaderAppender;
use crate::reader::KafkaReader;
use crate::shared::SharedAppender;
use crate::topics;

/// The log. Cheap to clone; clones share the client that asks.
#[derive(Clone)]
pub struct KafkaLog {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) settings: Settings,
    /// Asks for metadata and offsets. Uncommitted, so that an end covers what a leader was
    /// acknowledged for even while the broker still writes its transaction markers.
    asker: BaseConsumer,
    partitions: Mutex<HashMap<Topic, i32>>,
}

impl KafkaLog {
    /// A log on these brokers. Nothing is asked of them yet.
    ///
    /// # Errors
    /// [`LogError::Permanent`] when librdkafka refuses a property.
    pub fn new(settings: Settings) -> Result<Self, LogError> {
        let asker = settings
            .consumer("read_uncommitted")
            .create()
            .map_err(|error| LogError::permanent("set up the Kafka client", error))?;
        let partitions = Mutex::default();
        Ok(KafkaLog { inner: Arc::new(Inner { settings, asker, partitions }) })
    }
}

impl Inner {
    pub(crate) fn partitions(&self, topic: Topic) -> Result<i32, LogError> {
        let mut known = self.partitions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(partitions) = known.get(&topic) {
            return Ok(*partitions);
        }
        let attempt = || format!("ask for the partitions of {topic}");
        let failed = |error| LogError::transient(attempt(), error);
        let metadata =
            self.asker.fetch_metadata(Some(topic.name()), ANSWER_WAIT).map_err(failed)?;
        let found = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
        let found = i32::try_from(found).unwrap_or(i32::MAX);
        if found == 0 {
            return Err(LogError::transient(attempt(), "the topic is not there"));
        }
        known.insert(topic, found);
        Ok(found)
    }

    pub(crate) fn partition(&self, entry: &Entry) -> Result<i32, LogError> {
        Ok(partition_of(&entry.partition_key, self.partitions(entry.topic)?))
    }

    /// The first or the next offset of every partition of these topics. After a broker's restart
    /// the client's view of it is stale: it is renewed, and the question asked again.
    fn offsets(&self, topics: &[Topic], which: Offset) -> Result<Cut, LogError> {
        let until = Instant::now() + ANSWER_WAIT;
        loop {
            match self.offsets_once(topics, which) {
                Err(error) if error.is_transient() && Instant::now() < until => {
                    for topic in topics {
                        // Only a renewal: a failure shows in the answer to the question itself.
                        let _ = self.asker.fetch_metadata(Some(topic.name()), ANSWER_WAIT);
                    }
                    std::thread::sleep(ASK_AGAIN_WAIT);
                }
                answer => return answer,
            }
        }
    }

    /// All partitions in one question.
    fn offsets_once(&self, topics: &[Topic], which: Offset) -> Result<Cut, LogError> {
        let mut asked = TopicPartitionList::new();
        for topic in topics {
            for partition in 0..self.partitions(*topic)? {
                asked
                    .add_partition_offset(topic.name(), partition, which)
                    .map_err(|error| LogError::permanent("name a partition", error))?;
            }
        }
        let failed = |error: KafkaError| LogError::transient("ask for offsets", error);
        let answered = self.asker.offsets_for_times(asked, ANSWER_WAIT).map_err(failed)?;
        let mut cut = Cut::default();
        for element in answered.elements() {
            element.error().map_err(failed)?;
            let topic = Topic::of_name(element.topic());
            if let (Some(topic), Offset::Offset(next)) = (topic, element.offset()) {
                cut.advance(topic, element.partition(), next);
            }
        }
        Ok(cut)
    }
}

impl Log for KafkaLog {
    fn ensure_topics(&self) -> Result<(), LogError> {
        topics::ensure(&self.inner.settings)?;
        let until = Instant::now() + ANSWER_WAIT;
        for topic in Topic::ALL {
            // Brokers learn of a new topic one after the other.
            while let Err(error) = self.inner.partitions(topic) {
                if Instant::now() > until {
                    return Err(error);
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        Ok(())
    }

    fn partitions(&self, topic: Topic) -> Result<i32, LogError> {
        self.inner.partitions(topic)
    }

    fn reader(&self, from: &Cut, topics: &[Topic]) -> Result<Box<dyn Reader>, LogError> {
        let mut next = Cut::default();
        for (topic, partition, start) in self.starts(topics)?.iter() {
            let wanted = from.next(topic, partition);
            if wanted != 0 && wanted < start {
                return Err(LogError::Forgotten { topic, partition, start, wanted });
            }
            next.advance(topic, partition, wanted.max(start));
        }
        Ok(Box::new(KafkaReader::new(&self.inner.settings, next)?))
    }

    fn appender(&self, kind: AppenderKind) -> Result<Box<dyn Appender>, LogError> {
        Ok(match kind {
            AppenderKind::Shared => Box::new(SharedAppender::new(self.inner.clone())?),
            AppenderKind::Leader { fleet } => {
                Box::new(LeaderAppender::new(self.inner.clone(), &fleet)?)
            }
        })
    }

    fn ends(&self, topics: &[Topic]) -> Result<Cut, LogError> {
        self.inner.offsets(topics, Offset::End)
    }

    fn starts(&self, topics: &[Topic]) -> Result<Cut, LogError> {
        self.inner.offsets(topics, Offset::Beginning)
    }

    fn read_at(
        &self,
        topic: Topic,
        partition: i32,
        offset: i64,
        max: usize,
    ) -> Result<Vec<LogRecord>, LogError> {
        if !(0..self.inner.partitions(topic)?).contains(&partition) {
            return Err(LogError::NoPartition { topic, partition });
        }
        let start = self.starts(&[topic])?.next(topic, partition);
        let end = self.ends(&[topic])?.next(topic, partition);
        let from: Cut = [(topic, partition, offset.max(start))].into_iter().collect();
        let mut records = Vec::new();
        if from.next(topic, partition) >= end {
            return Ok(records);
        }
        let mut reader = KafkaReader::new(&self.inner.settings, from)?;
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

/// Between two questions to a broker that has just come back.
const ASK_AGAIN_WAIT: Duration = Duration::from_millis(100);
/// How long a read of one partition waits for the end of a transaction: a living leader's ends in
/// milliseconds, a dead one's only when it is fenced.
const OPEN_WAIT: Duration = Duration::from_secs(1);
/// How often a read of one partition looks whether it has come to the end.
const READ_AT_WAIT: Duration = Duration::from_millis(50);
