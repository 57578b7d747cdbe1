//! What brokers are asked: how many partitions a topic has, and where each begins and ends.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};
use setpoint_ingest::{Entry, LogError, partition_of};
use setpoint_schemas::{Cut, Topic};

use crate::config::{ANSWER_WAIT, Settings};
use crate::refused::unmade;

/// The client that asks brokers, and what they answered.
pub(crate) struct Brokers {
    pub(crate) settings: Settings,
    /// Asks for metadata and offsets. Uncommitted, so that an end covers what a leader was
    /// acknowledged for even while the broker still writes its transaction markers.
    asker: BaseConsumer,
    partitions: Mutex<HashMap<Topic, i32>>,
}

impl Brokers {
    /// Nothing is asked yet.
    pub(crate) fn new(settings: Settings) -> Result<Self, LogError> {
        let asker = settings
            .consumer("read_uncommitted")
            .create()
            .map_err(|error| unmade("set up the Kafka client", error))?;
        Ok(Brokers { settings, asker, partitions: Mutex::default() })
    }

    /// How many partitions a topic has; asked once, since nobody here adds any.
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

    /// The partition that an entry goes to.
    pub(crate) fn partition(&self, entry: &Entry) -> Result<i32, LogError> {
        Ok(partition_of(&entry.partition_key, self.partitions(entry.topic)?))
    }

    /// The first or the next offset of every partition of these topics. After a broker's restart
    /// the client's view of it is stale: it is renewed, and the question asked again.
    pub(crate) fn offsets(&self, topics: &[Topic], which: Offset) -> Result<Cut, LogError> {
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
        offsets_of(&self.asker, asked)
    }
}

/// The offsets of these partitions, each where its own entry asks for it.
pub(crate) fn offsets_of(asker: &BaseConsumer, asked: TopicPartitionList) -> Result<Cut, LogError> {
    let failed = |error: KafkaError| LogError::transient("ask for offsets", error);
    let answered = asker.offsets_for_times(asked, ANSWER_WAIT).map_err(failed)?;
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

/// Between two questions to a broker that has just come back.
const ASK_AGAIN_WAIT: Duration = Duration::from_millis(100);
