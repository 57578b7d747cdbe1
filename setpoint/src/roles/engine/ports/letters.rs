//! Dead letters: listed, and replayed when they can be read today.
//!
//! Guarantee: what is replayed passed the same door as any record; it is appended under the key that
//! its own content has, and a letter is never changed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use setpoint_api::ports::PortError;
use setpoint_ingest::entry::Writer;
use setpoint_ingest::{Decoder, Entry, LogRecord, READ_BYTES_MAX};
use setpoint_schemas::avro::Codec;
use setpoint_schemas::{DeadLetter, Input, Position, Topic};

use super::reader::{PAGE_RECORDS_MAX, Pages, Reader, unread};

/// Letters looked through for one, the latest of each partition: two months of one a minute.
const LETTERS_SEARCHED_MAX: usize = 100_000;
/// Characters of a record's bytes shown as text: enough to see what it is.
const TEXT_CHARS_MAX: usize = 2_000;

impl Reader {
    /// Appends the record of a letter again, when it can be read.
    pub(crate) async fn replayed(&self, source: Position) -> Result<Value, PortError> {
        let pages = self.pages.clone();
        let letter = self.looks.look(move || pages.letter_of(source)).await?.ok_or_else(|| {
            PortError::NotFound(format!("there is no dead letter of the record {source}"))
        })?;
        let entry = again(&self.inbox.writer, source, letter).map_err(PortError::Unprocessable)?;
        let positions = self.inbox.append(vec![entry]).await?;
        let position = positions.first().copied().unwrap_or(source);
        let (partition, offset) = (position.partition, position.offset);
        Ok(json!({"topic": position.topic.name(), "partition": partition, "offset": offset}))
    }
}

impl Pages {
    /// The latest letters, newest first; fewer where their bytes are many.
    pub(crate) fn letters(&self, limit: usize) -> Result<Value, PortError> {
        let (mut letters, mut bytes) = (Vec::new(), 0);
        self.each_letter(limit.min(PAGE_RECORDS_MAX), |letter| {
            bytes += letter.value.len();
            letters.push(letter);
            bytes >= READ_BYTES_MAX
        })?;
        letters.sort_by_key(|letter| std::cmp::Reverse(letter.time_ms));
        letters.truncate(limit);
        Ok(json!({"items": letters.iter().map(rendered).collect::<Vec<_>>()}))
    }

    fn letter_of(&self, source: Position) -> Result<Option<DeadLetter>, PortError> {
        let mut found = None;
        self.each_letter(LETTERS_SEARCHED_MAX, |letter| {
            let same = letter.topic == source.topic.name()
                && (letter.partition, letter.offset) == (source.partition, source.offset);
            if same {
                found = Some(letter);
            }
            same
        })?;
        Ok(found)
    }

    /// Gives up to `max` letters of each partition, newest first, until one is enough.
    fn each_letter(
        &self,
        max: usize,
        mut is_enough: impl FnMut(DeadLetter) -> bool,
    ) -> Result<(), PortError> {
        let topic = Topic::DeadLetter;
        let ends = self.log.ends(&[topic]).map_err(unread)?;
        let starts = self.log.starts(&[topic]).map_err(unread)?;
        for (_, partition, mut end) in ends.iter() {
            let start = starts.next(topic, partition);
            let (mut given, mut page) = (0, PAGE_RECORDS_MAX);
            while end > start && given < max {
                let from = (end - i64::try_from(page).unwrap_or(i64::MAX)).max(start);
                let records = self.log.read_at(topic, partition, from, page).map_err(unread)?;
                if is_cut_short(&records, end) && page > 1 {
                    page /= 2;
                    continue;
                }
                let before = records.iter().rev().filter(|record| record.position.offset < end);
                for letter in before.filter_map(|r| letter_in(&self.codec, r)).take(max - given) {
                    given += 1;
                    if is_enough(letter) {
                        return Ok(());
                    }
                }
                end = from;
            }
        }
        Ok(())
    }
}

/// Whether the bytes of a page came to their bound before its end.
pub(super) fn is_cut_short(records: &[LogRecord], end: i64) -> bool {
    let bytes = records.iter().map(LogRecord::bytes).sum::<usize>();
    let last = records.last().map_or(end, |record| record.position.offset + 1);
    bytes >= READ_BYTES_MAX && last < end
}

fn letter_in(codec: &Codec, record: &LogRecord) -> Option<DeadLetter> {
    codec.decode(record.value.as_deref()?).ok()
}

/// The record of a letter as an entry; else why it cannot be one.
fn again(writer: &Writer, source: Position, letter: DeadLetter) -> Result<Entry, String> {
    if letter.value.is_empty() {
        return Err(format!("its bytes were not kept: {}", letter.reason));
    }
    let record = LogRecord {
        position: source,
        key: letter.key,
        value: Some(letter.value),
        headers: Vec::new(),
        timestamp_ms: letter.time_ms,
    };
    let decoded = Decoder::new(writer.codec().clone()).decode(&record);
    let input = decoded.map_err(|again| format!("it still cannot be used: {}", again.reason))?;
    let entry = match input.map(|sourced| sourced.input) {
        Some(Input::Request(request)) => writer.request(&request),
        Some(Input::Node(node)) => writer.node(&node),
        Some(Input::Pod(pod)) => writer.pod(&pod.whole()),
        Some(Input::Snapshot(snapshot)) => writer.snapshot(&snapshot),
        Some(Input::Lease(_)) => {
            return Err("a lease speaks of its moment: appended now it would say that the node \
                        lives"
                .to_owned());
        }
        Some(Input::NodeRemoved(_) | Input::PodRemoved(_)) | None => {
            return Err("it says nothing to the engine".to_owned());
        }
    };
    entry.map_err(|error| error.to_string())
}

fn rendered(letter: &DeadLetter) -> Value {
    let text: String =
        String::from_utf8_lossy(&letter.value).chars().take(TEXT_CHARS_MAX).collect();
    json!({
        "topic": letter.topic, "partition": letter.partition, "offset": letter.offset,
        "time_ms": letter.time_ms, "reason": letter.reason,
        "key": String::from_utf8_lossy(&letter.key), "text": text,
        "value": STANDARD.encode(&letter.value),
    })
}

#[cfg(test)]
mod tests {
    use setpoint_schemas::samples;

    use super::*;

    fn writer() -> Writer {
        Writer::new(Codec::single_object(), "/setpoint/test")
    }

    fn letter(entry: Entry) -> (Position, DeadLetter) {
        let source = Position { topic: entry.topic, partition: 0, offset: 4 };
        let letter = DeadLetter {
            topic: entry.topic.name().to_owned(),
            partition: 0,
            offset: 4,
            time_ms: 7,
            reason: "unknown schema".to_owned(),
            key: entry.key,
            value: entry.value.unwrap_or_default(),
        };
        (source, letter)
    }

    fn refusal(entry: Entry) -> String {
        let (source, letter) = letter(entry);
        again(&writer(), source, letter).expect_err("it is refused")
    }

    #[test]
    fn what_can_be_read_today_is_appended_as_it_was() {
        let w = writer();
        for entry in [
            w.request(&samples::request()),
            w.node(&samples::node()),
            w.pod(&samples::pod_observed()),
            w.snapshot(&samples::node_snapshot()),
        ] {
            let entry = entry.expect("it encodes");
            let (source, letter) = letter(entry.clone());
            assert_eq!(again(&w, source, letter), Ok(entry));
        }
    }

    #[test]
    fn what_cannot_be_replayed_says_why() {
        let mut broken = writer().pod(&samples::pod_observed()).expect("it encodes");
        broken.value = Some(vec![1, 2, 3]);
        assert!(refusal(broken.clone()).starts_with("it still cannot be used: "));
        broken.value = None;
        assert_eq!(refusal(broken), "its bytes were not kept: unknown schema");
        let lease = writer().lease(&samples::lease()).expect("it encodes");
        assert!(refusal(lease).starts_with("a lease speaks of its moment"));
    }
}
