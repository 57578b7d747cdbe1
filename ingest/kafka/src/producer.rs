//! What both kinds of appender share: sending entries and waiting until each is acknowledged.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use setpoint_ingest::{AppendError, Entry, LogError};
use setpoint_schemas::{Position, Topic};

use crate::brokers::Brokers;
use crate::config::{DELIVERY_WAIT, wire_bytes_max};

/// Collects the acknowledgements of one append at a time, and wakes who waits for them.
#[derive(Default)]
pub(crate) struct Deliveries {
    arrived: Mutex<Arrived>,
    news: Condvar,
}

#[derive(Default)]
struct Arrived {
    /// The number of the append; late ones of an earlier append are not for this one.
    append: u64,
    /// By the entry's place in the append.
    offsets: Vec<(usize, Result<i64, KafkaError>)>,
}

/// What goes with an entry and comes back with its acknowledgement.
pub(crate) struct Ticket {
    append: u64,
    place: usize,
}

impl Deliveries {
    /// A new append begins: its number.
    fn begin(&self) -> u64 {
        let mut arrived = self.arrived();
        *arrived = Arrived { append: arrived.append + 1, offsets: Vec::new() };
        arrived.append
    }

    /// What has arrived, waiting for the first.
    fn wait(&self) -> Vec<(usize, Result<i64, KafkaError>)> {
        let none = |arrived: &mut Arrived| arrived.offsets.is_empty();
        let waited = self.news.wait_timeout_while(self.arrived(), WAKE_WAIT, none);
        std::mem::take(&mut waited.unwrap_or_else(PoisonError::into_inner).0.offsets)
    }

    fn arrived(&self) -> MutexGuard<'_, Arrived> {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<Ticket>;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: Box<Ticket>) {
        let offset = match result {
            Ok(message) => Ok(message.offset()),
            Err((error, _)) => Err(error.clone()),
        };
        let mut arrived = self.arrived();
        if arrived.append == ticket.append {
            arrived.offsets.push((ticket.place, offset));
            self.news.notify_one();
        }
    }
}

/// Its own thread hands out acknowledgements as they come: a poll of our own would last to its end
/// however early they come.
pub(crate) type Sender = ThreadedProducer<Deliveries>;

/// How long one wait for acknowledgements lasts at most; only how soon a timeout is noticed depends
/// on it.
const WAKE_WAIT: Duration = Duration::from_millis(100);
/// Between two tries to put a record into a full queue.
const QUEUE_WAIT: Duration = Duration::from_millis(10);

/// Sends all entries and waits for each acknowledgement.
pub(crate) fn deliver(
    producer: &Sender,
    entries: &[Entry],
    partitions: &[i32],
) -> Result<Vec<Position>, KafkaError> {
    let deliveries = producer.context();
    let append = deliveries.begin();
    for (place, (entry, partition)) in entries.iter().zip(partitions).enumerate() {
        send(producer, Ticket { append, place }, entry, *partition)?;
    }
    let mut offsets: Vec<Option<i64>> = vec![None; entries.len()];
    let (mut missing, until) = (entries.len(), Instant::now() + 2 * DELIVERY_WAIT);
    while missing > 0 {
        if Instant::now() > until {
            return Err(KafkaError::MessageProduction(RDKafkaErrorCode::MessageTimedOut));
        }
        for (place, offset) in deliveries.wait() {
            offsets[place] = Some(offset?);
            missing -= 1;
        }
    }
    let position = |((entry, partition), offset): ((&Entry, &i32), i64)| Position {
        topic: entry.topic,
        partition: *partition,
        offset,
    };
    Ok(entries.iter().zip(partitions).zip(offsets.into_iter().flatten()).map(position).collect())
}

fn send(
    producer: &Sender,
    ticket: Ticket,
    entry: &Entry,
    partition: i32,
) -> Result<(), KafkaError> {
    let mut record = BaseRecord::with_opaque_to(entry.topic.name(), Box::new(ticket))
        .partition(partition)
        .key(&entry.key)
        .headers(headers_of(entry));
    if let Some(value) = &entry.value {
        record = record.payload(value);
    }
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                record = back;
                std::thread::sleep(QUEUE_WAIT);
            }
            Err((error, _)) => return Err(error),
        }
    }
}

fn headers_of(entry: &Entry) -> OwnedHeaders {
    let empty = OwnedHeaders::new_with_capacity(entry.headers.len());
    entry
        .headers
        .iter()
        .fold(empty, |headers, (key, value)| headers.insert(Header { key, value: Some(value) }))
}

/// Refuses what the topic would refuse, before anything is sent; chooses the partitions.
pub(crate) fn prepare(brokers: &Brokers, entries: &[Entry]) -> Result<Vec<i32>, AppendError> {
    entries.iter().try_for_each(Entry::check)?;
    entries.iter().map(|entry| brokers.partition(entry).map_err(AppendError::Log)).collect()
}

/// An append that failed and may be tried again by a new appender; unless Kafka takes less than we
/// may write, or does not let us, which are settings of its topics and brokers.
pub(crate) fn failed(error: KafkaError) -> AppendError {
    use RDKafkaErrorCode as Code;
    AppendError::Log(match code_of(&error) {
        Some(Code::MessageSizeTooLarge) => {
            let [most, letters] = [Topic::Desired, Topic::DeadLetter].map(wire_bytes_max);
            let attempt = format!(
                "append to Kafka, which takes smaller records than Setpoint writes: set \
                 max.message.bytes of the topics setpoint.* to {most}, of {} to {letters}",
                Topic::DeadLetter
            );
            LogError::permanent(attempt, error)
        }
        Some(Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed) => {
            LogError::permanent("append to Kafka, which does not allow it", error)
        }
        _ => LogError::transient("append to Kafka", error),
    })
}

/// What librdkafka or a broker says, as a code.
pub(crate) fn code_of(error: &KafkaError) -> Option<RDKafkaErrorCode> {
    match error {
        KafkaError::Transaction(error) => Some(error.code()),
        other => other.rdkafka_error_code(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_takes_too_little_needs_a_human_and_is_named() {
        let refused = KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge);
        let error = failed(refused);
        assert!(!error.is_passing());
        let AppendError::Log(error) = error else { panic!("{error:?}") };
        assert!(error.to_string().contains("max.message.bytes of the topics"), "{error}");
        let away = KafkaError::MessageProduction(RDKafkaErrorCode::AllBrokersDown);
        assert!(failed(away).is_passing());
    }
}
