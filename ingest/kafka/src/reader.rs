//! Reading committed records of assigned partitions.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use setpoint_ingest::{LogError, LogRecord, READ_BYTES_MAX, Reader, RecordView};
use setpoint_schemas::cloudevents::Header;
use setpoint_schemas::{Cut, Position, Topic};

use crate::config::{ANSWER_WAIT, Settings};

pub(crate) struct KafkaReader {
    consumer: BaseConsumer,
    from: Cut,
    reads_headers: bool,
}

impl KafkaReader {
    /// A reader of exactly the partitions that the cut names.
    pub(crate) fn new(settings: &Settings, from: Cut) -> Result<Self, LogError> {
        let failed = |error| LogError::permanent("set up a Kafka reader", error);
        let consumer: BaseConsumer =
            settings.consumer("read_committed").create().map_err(failed)?;
        let mut assigned = TopicPartitionList::new();
        for (topic, partition, next) in from.iter() {
            assigned
                .add_partition_offset(topic.name(), partition, Offset::Offset(next))
                .map_err(failed)?;
        }
        consumer.assign(&assigned).map_err(failed)?;
        Ok(KafkaReader { consumer, from, reads_headers: true })
    }

    /// The offset up to which a partition's transactions have ended.
    pub(crate) fn stable_end(&self, topic: Topic, partition: i32) -> Result<i64, LogError> {
        let ends = self.consumer.fetch_watermarks(topic.name(), partition, ANSWER_WAIT);
        ends.map(|(_, end)| end).map_err(failure)
    }

    /// Hands out what is there; `each` answers how many bytes it took.
    fn read(
        &self,
        max: usize,
        mut wait: Duration,
        mut each: impl FnMut(&BorrowedMessage<'_>, RecordView<'_>) -> usize,
    ) -> Result<usize, LogError> {
        let (mut records, mut bytes) = (0, 0);
        while records < max && bytes < READ_BYTES_MAX {
            match self.consumer.poll(wait) {
                None => break,
                Some(Ok(message)) => {
                    if let Some(view) = view_of(&message) {
                        bytes += each(&message, view);
                        records += 1;
                    }
                }
                // What was read before the error is handed out first; the error comes again.
                Some(Err(_)) if records > 0 => break,
                Some(Err(error)) => return Err(failure(error)),
            }
            wait = Duration::ZERO;
        }
        Ok(records)
    }
}

impl Reader for KafkaReader {
    fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<LogRecord>, LogError> {
        let mut records = Vec::new();
        self.read(max, wait, |message, view| {
            // librdkafka takes headers apart when it is asked for them.
            let headers = if self.reads_headers { message.headers() } else { None };
            let record = record_of(view, headers);
            let bytes = record.bytes();
            records.push(record);
            bytes
        })?;
        Ok(records)
    }

    fn show(
        &mut self,
        max: usize,
        wait: Duration,
        to: &mut dyn FnMut(RecordView<'_>),
    ) -> Result<usize, LogError> {
        self.read(max, wait, |_, view| {
            to(view);
            view.bytes()
        })
    }

    fn without_headers(&mut self) {
        self.reads_headers = false;
    }

    fn hold_behind(&mut self, cut: Option<&Cut>) -> Result<(), LogError> {
        let failed = |error| LogError::transient("hold partitions of Kafka", error);
        let (mut held, mut others) = (TopicPartitionList::new(), TopicPartitionList::new());
        for (topic, partition, next) in self.position().iter() {
            let is_held = cut.is_some_and(|cut| next >= cut.next(topic, partition));
            let list = if is_held { &mut held } else { &mut others };
            list.add_partition(topic.name(), partition);
        }
        self.consumer.pause(&held).map_err(failed)?;
        self.consumer.resume(&others).map_err(failed)
    }

    /// librdkafka moves its position past transaction markers too, when a poll meets them.
    fn position(&self) -> Cut {
        let mut cut = self.from.clone();
        let Ok(positions) = self.consumer.position() else { return cut };
        for element in positions.elements() {
            let topic = Topic::of_name(element.topic());
            if let (Some(topic), Offset::Offset(next)) = (topic, element.offset()) {
                cut.advance(topic, element.partition(), next);
            }
        }
        cut
    }
}

/// `None` for a topic that is not ours, which is never assigned.
fn view_of<'a>(message: &'a BorrowedMessage<'_>) -> Option<RecordView<'a>> {
    let position = Position {
        topic: Topic::of_name(message.topic())?,
        partition: message.partition(),
        offset: message.offset(),
    };
    Some(RecordView {
        position,
        key: message.key().unwrap_or_default(),
        value: message.payload(),
        timestamp_ms: message.timestamp().to_millis().unwrap_or(0),
    })
}

fn record_of(view: RecordView<'_>, headers: Option<&impl Headers>) -> LogRecord {
    LogRecord {
        position: view.position,
        key: view.key.to_vec(),
        value: view.value.map(<[u8]>::to_vec),
        headers: headers.map(headers_of).unwrap_or_default(),
        timestamp_ms: view.timestamp_ms,
    }
}

fn headers_of(headers: &impl Headers) -> Vec<Header> {
    let owned = |header: rdkafka::message::Header<'_, &[u8]>| {
        (header.key.to_owned(), header.value.unwrap_or_default().to_vec())
    };
    headers.iter().map(owned).collect()
}

/// Brokers that go away come back; an offset that is gone, or a refusal, does not.
fn failure(error: KafkaError) -> LogError {
    use RDKafkaErrorCode as Code;
    let permanent = matches!(
        error.rdkafka_error_code(),
        Some(
            Code::AutoOffsetReset
                | Code::OffsetOutOfRange
                | Code::TopicAuthorizationFailed
                | Code::SaslAuthenticationFailed
                | Code::Fatal
        )
    );
    match permanent {
        true => LogError::permanent("read from Kafka", error),
        false => LogError::transient("read from Kafka", error),
    }
}
