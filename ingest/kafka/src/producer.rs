//! What both kinds of appender share: sending entries and waiting until each is acknowledged.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use setpoint_ingest::{AppendError, Entry, LogError, record_bytes_max};
use setpoint_schemas::Position;

use crate::config::DELIVERY_WAIT;
use crate::log::Inner;

/// Collects acknowledgements by the entry's place in its append.
#[derive(Default)]
pub(crate) struct Deliveries {
    arrived: Mutex<Vec<(usize, Result<i64, KafkaError>)>>,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<usize>;

    fn delivery(&self, result: &DeliveryResult<'_>, place: Box<usize>) {
        let offset = match result {
            Ok(message) => Ok(message.offset()),
            Err((error, _)) => Err(error.clone()),
        };
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner).push((*place, offset));
    }
}

pub(crate) type Sender = BaseProducer<Deliveries>;

/// How long one look for acknowledgements lasts: they wake it.
const POLL_WAIT: Duration = Duration::from_millis(100);

/// Sends all entries and waits for each acknowledgement.
pub(crate) fn deliver(
    producer: &Sender,
    entries: &[Entry],
    partitions: &[i32],
) -> Result<Vec<Position>, KafkaError> {
    producer.context().arrived.lock().unwrap_or_else(PoisonError::into_inner).clear();
    for (place, (entry, partition)) in entries.iter().zip(partitions).enumerate() {
        send(producer, place, entry, *partition)?;
    }
    let mut offsets: Vec<Option<i64>> = vec![None; entries.len()];
    let (mut missing, until) = (entries.len(), Instant::now() + 2 * DELIVERY_WAIT);
    while missing > 0 {
        if Instant::now() > until {
            return Err(KafkaError::MessageProduction(RDKafkaErrorCode::MessageTimedOut));
        }
        producer.poll(POLL_WAIT);
        let mut arrived = producer.context().arrived.lock().unwrap_or_else(PoisonError::into_inner);
        for (place, offset) in arrived.drain(..) {
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

fn send(producer: &Sender, place: usize, entry: &Entry, partition: i32) -> Result<(), KafkaError> {
    let mut record = BaseRecord::with_opaque_to(entry.topic.name(), Box::new(place))
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
                producer.poll(POLL_WAIT);
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
pub(crate) fn prepare(log: &Inner, entries: &[Entry]) -> Result<Vec<i32>, AppendError> {
    for entry in entries {
        let headers = entry.headers.iter().map(|(name, value)| name.len() + value.len());
        let value = entry.value.as_ref().map_or(0, Vec::len);
        let bytes = entry.key.len() + value + headers.sum::<usize>();
        let bytes_max = record_bytes_max(entry.topic);
        if bytes > bytes_max {
            return Err(AppendError::TooLarge { topic: entry.topic, bytes, bytes_max });
        }
    }
    entries.iter().map(|entry| log.partition(entry).map_err(AppendError::Log)).collect()
}

/// An append that failed and may be tried again by a new appender.
pub(crate) fn failed(error: KafkaError) -> AppendError {
    AppendError::Log(LogError::transient("append to Kafka", error))
}
