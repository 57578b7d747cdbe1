//! A record of the log as the API hands it to who decodes it elsewhere.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use setpoint_ingest::LogRecord;
use setpoint_schemas::{Position, Topic};

/// Some records of one partition.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RawPage {
    /// The first offset behind all that this page speaks of.
    pub(crate) next: i64,
    pub(crate) records: Vec<RawRecord>,
}

/// A record, its bytes in base64.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RawRecord {
    offset: i64,
    /// By the log's clock, milliseconds since 1970.
    timestamp: i64,
    key: String,
    /// `null` is a tombstone.
    value: Option<String>,
    headers: Vec<(String, String)>,
}

impl RawRecord {
    pub(crate) fn of(record: &LogRecord) -> RawRecord {
        let headers = record.headers.iter();
        RawRecord {
            offset: record.position.offset,
            timestamp: record.timestamp_ms,
            key: STANDARD.encode(&record.key),
            value: record.value.as_ref().map(|value| STANDARD.encode(value)),
            headers: headers.map(|(name, value)| (name.clone(), STANDARD.encode(value))).collect(),
        }
    }

    /// The record that was handed over.
    ///
    /// # Errors
    /// When what came is not base64.
    pub(crate) fn record(
        self,
        (topic, partition): (Topic, i32),
    ) -> Result<LogRecord, base64::DecodeError> {
        let headers = self.headers.into_iter();
        Ok(LogRecord {
            position: Position { topic, partition, offset: self.offset },
            key: STANDARD.decode(self.key)?,
            value: self.value.map(|value| STANDARD.decode(value)).transpose()?,
            headers: headers
                .map(|(name, value)| Ok((name, STANDARD.decode(value)?)))
                .collect::<Result<_, base64::DecodeError>>()?,
            timestamp_ms: self.timestamp,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_over_as_it_was_also_a_tombstone_and_bytes_that_are_no_text() {
        for value in [None, Some(vec![0, 255, 7])] {
            let record = LogRecord {
                position: Position { topic: Topic::Pods, partition: 3, offset: 9 },
                key: vec![200, 1],
                value,
                headers: vec![("ce_type".to_owned(), b"x".to_vec())],
                timestamp_ms: 17,
            };
            let text = serde_json::to_string(&RawRecord::of(&record)).expect("it is JSON");
            let read: RawRecord = serde_json::from_str(&text).expect("it reads");
            assert_eq!(read.record((Topic::Pods, 3)).expect("it decodes"), record);
        }
    }
}
