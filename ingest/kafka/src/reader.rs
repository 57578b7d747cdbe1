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

use crate::brokers::offsets_of;
use crate::config::{ANSWER_WAIT, Settings};
use crate::refused::unmade;

pub(crate) struct KafkaReader {
    consumer: BaseConsumer,
    from: Cut,
    reads_headers: bool,
    /// What was met behind the records of the last read.
    untold: Option<KafkaError>,
}

impl KafkaReader {
    /// A reader of exactly the partitions that the cut names.
    pub(crate) fn new(settings: &Settings, from: Cut) -> Result<Self, LogError> {
        let failed = |error| unmade("set up a Kafka reader", error);
        let consumer: BaseConsumer =
            settings.consumer("read_committed").create().map_err(failed)?;
        let mut assigned = TopicPartitionList::new();
        for (topic, partition, next) in from.iter() {
            assigned
                .add_partition_offset(topic.name(), partition, Offset::Offset(next))
                .map_err(failed)?;
        }
        consumer.assign(&assigned).map_err(failed)?;
        Ok(KafkaReader { consumer, from, reads_headers: true, untold: None })
    }

    /// The offset up to which a partition's transactions have ended.
    pub(crate) fn stable_end(&self, topic: Topic, partition: i32) -> Result<i64, LogError> {
        let ends = self.consumer.fetch_watermarks(topic.name(), partition, ANSWER_WAIT);
        ends.map(|(_, end)| end).map_err(failure)
    }

    /// Hands out what is there; `each` answers how many bytes it took.
    fn read(
        &mut self,
        max: usize,
        wait: Duration,
        mut each: impl FnMut(&BorrowedMessage<'_>, RecordView<'_>) -> usize,
    ) -> Result<usize, LogError> {
        let consumer = &self.consumer;
        let next = |wait: Duration| consumer.poll(wait);
        let take = |message: BorrowedMessage<'_>| {
            let view = view_of(&message)?;
            Some(each(&message, view))
        };
        let read = read_some(&mut self.untold, (max, wait), next, take);
        read.map_err(|error| self.failure(error))
    }

    /// What an error of a read means. That a position is out of range librdkafka says without its
    /// partition, so each is held against where it begins now.
    fn failure(&self, error: KafkaError) -> LogError {
        if !is_out_of_range(&error) {
            return failure(error);
        }
        let position = self.position();
        match self.starts_of(&position) {
            Ok(starts) => forgotten(&position, &starts).unwrap_or_else(|| failure(error)),
            // Whoever tries again asks for the starts first.
            Err(unanswered) => unanswered,
        }
    }

    /// Where the partitions of a position begin.
    fn starts_of(&self, position: &Cut) -> Result<Cut, LogError> {
        let mut asked = TopicPartitionList::new();
        for (topic, partition, _) in position.iter() {
            asked
                .add_partition_offset(topic.name(), partition, Offset::Beginning)
                .map_err(|error| LogError::permanent("name a partition", error))?;
        }
        offsets_of(&self.consumer, asked)
    }
}

impl Reader for KafkaReader {
    fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<LogRecord>, LogError> {
        let (mut records, reads_headers) = (Vec::new(), self.reads_headers);
        self.read(max, wait, |message, view| {
            // librdkafka takes headers apart when it is asked for them.
            let headers = if reads_headers { message.headers() } else { None };
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

/// Takes what comes, up to so many and while so long: `next` answers what comes in a time, `take` the
/// bytes of what it took. What comes is handed out before an error that is met behind it. One that does
/// not pass is kept for the next read: librdkafka tells it once, and reads no further. One that passes
/// comes again, or has passed.
fn read_some<M>(
    untold: &mut Option<KafkaError>,
    (max, mut wait): (usize, Duration),
    mut next: impl FnMut(Duration) -> Option<Result<M, KafkaError>>,
    mut take: impl FnMut(M) -> Option<usize>,
) -> Result<usize, KafkaError> {
    if let Some(error) = untold.take() {
        return Err(error);
    }
    let (mut records, mut bytes) = (0, 0);
    while records < max && bytes < READ_BYTES_MAX {
        match next(wait) {
            None => break,
            Some(Ok(message)) => {
                if let Some(taken) = take(message) {
                    bytes += taken;
                    records += 1;
                }
            }
            Some(Err(error)) if records > 0 => {
                *untold = Some(error).filter(|error| !is_passing(error));
                break;
            }
            Some(Err(error)) => return Err(error),
        }
        wait = Duration::ZERO;
    }
    Ok(records)
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
fn is_passing(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    let refused = matches!(
        error.rdkafka_error_code(),
        Some(Code::TopicAuthorizationFailed | Code::SaslAuthenticationFailed | Code::Fatal)
    );
    !refused && !is_out_of_range(error)
}

/// Whether there is no record where a partition was to be read on. With `auto.offset.reset=error`
/// librdkafka says so once and fetches nothing of that partition any more.
fn is_out_of_range(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(error.rdkafka_error_code(), Some(Code::AutoOffsetReset | Code::OffsetOutOfRange))
}

fn failure(error: KafkaError) -> LogError {
    match is_passing(&error) {
        true => LogError::transient("read from Kafka", error),
        false => LogError::permanent("read from Kafka", error),
    }
}

/// That cleanup has come past a position, where it has: what is to be read next is no longer there.
fn forgotten(position: &Cut, starts: &Cut) -> Option<LogError> {
    let is_past =
        |(topic, partition, start): &(Topic, i32, i64)| position.next(*topic, *partition) < *start;
    let (topic, partition, start) = starts.iter().find(is_past)?;
    let wanted = position.next(topic, partition);
    Some(LogError::Forgotten { topic, partition, start, wanted })
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// What comes: a record of so many bytes, or an error.
    type Script = VecDeque<Result<usize, KafkaError>>;

    /// Reads what comes at most; the bytes of each record.
    fn read(
        untold: &mut Option<KafkaError>,
        script: &mut Script,
    ) -> Result<Vec<usize>, KafkaError> {
        let mut taken = Vec::new();
        let take = |bytes| {
            taken.push(bytes);
            Some(bytes)
        };
        read_some(untold, (10, Duration::ZERO), |_| script.pop_front(), take)?;
        Ok(taken)
    }

    #[test]
    fn an_error_behind_records_is_told_by_the_next_read() {
        let gone = || KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset);
        let mut script = Script::from([Ok(1), Ok(2), Err(gone()), Ok(3), Err(gone())]);
        let mut untold = None;
        assert_eq!(read(&mut untold, &mut script), Ok(vec![1, 2]));
        assert_eq!(read(&mut untold, &mut script), Err(gone()), "librdkafka says it once");
        assert_eq!(read(&mut untold, &mut script), Ok(vec![3]));
        assert_eq!(read(&mut untold, &mut script), Err(gone()));
        assert_eq!(read(&mut untold, &mut script), Ok(Vec::new()));
    }

    #[test]
    fn a_broker_that_went_and_came_back_is_no_error() {
        let away = KafkaError::MessageConsumption(RDKafkaErrorCode::AllBrokersDown);
        let mut script = Script::from([Ok(1), Err(away.clone()), Ok(2), Err(away.clone())]);
        let mut untold = None;
        assert_eq!(read(&mut untold, &mut script), Ok(vec![1]));
        assert_eq!(read(&mut untold, &mut script), Ok(vec![2]));
        script.push_back(Err(away.clone()));
        assert_eq!(read(&mut untold, &mut script), Err(away));
    }

    #[test]
    fn a_position_that_cleanup_has_passed_is_forgotten() {
        let position: Cut =
            [(Topic::Pods, 0, 7), (Topic::Pods, 1, 7), (Topic::Leases, 0, 9)].into_iter().collect();
        let starts = |second: i64| -> Cut {
            [(Topic::Pods, 0, 7), (Topic::Pods, 1, second)].into_iter().collect()
        };
        assert!(forgotten(&position, &starts(7)).is_none());
        let error = forgotten(&position, &starts(8)).expect("it is gone");
        let said = "setpoint.pods/1 begins at offset 8, and offset 7 was asked for";
        assert_eq!(error.to_string(), said);
    }
}
