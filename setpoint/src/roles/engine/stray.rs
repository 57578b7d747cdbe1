//! Records among the epochs that no leader wrote.
//!
//! Invariant: a record that says of itself, as a leader's does, that it is an epoch is never passed
//! over: when it does not decode it is damaged or of another version, and whoever went on without
//! it would decide what was decided already.

use anyhow::Context as _;
use setpoint_ingest::LogRecord;
use setpoint_schemas::EpochRecord;
use setpoint_schemas::avro::Codec;
use setpoint_schemas::cloudevents::event_type;
use tracing::warn;

/// The epoch that a record is; `None` for what is none and never said so.
pub(super) fn epoch_of(codec: &Codec, record: &LogRecord) -> anyhow::Result<Option<EpochRecord>> {
    let Some(value) = &record.value else { return Ok(None) };
    match codec.decode(value) {
        Ok(epoch) => Ok(Some(epoch)),
        Err(error) if claims_to_be_one(record) => {
            Err(error).with_context(|| format!("failed to decode the epoch at {}", record.position))
        }
        Err(error) => {
            warn!(position = %record.position, %error, "passed over what is no epoch");
            Ok(None)
        }
    }
}

fn claims_to_be_one(record: &LogRecord) -> bool {
    let claim = event_type::<EpochRecord>();
    record.headers.iter().any(|(name, value)| name == "ce_type" && value == claim.as_bytes())
}

#[cfg(test)]
mod tests {
    use setpoint_ingest::entry::Writer;
    use setpoint_schemas::{Position, Topic, samples};

    use super::*;

    fn check(change: impl Fn(&mut LogRecord)) -> anyhow::Result<Option<EpochRecord>> {
        let codec = Codec::single_object();
        let entry = Writer::new(codec.clone(), "/test").epoch(&samples::epoch()).expect("encodes");
        let mut record = LogRecord {
            position: Position { topic: Topic::Epochs, partition: 0, offset: 7 },
            key: entry.key,
            value: entry.value,
            headers: entry.headers,
            timestamp_ms: 0,
        };
        change(&mut record);
        epoch_of(&codec, &record)
    }

    #[test]
    fn an_epoch_is_read_and_what_never_was_one_is_passed_over() {
        assert_eq!(check(|_| {}).expect("reads"), Some(samples::epoch()));
        assert_eq!(check(|record| record.value = None).expect("reads"), None);
        let stray = |record: &mut LogRecord| {
            record.value = Some(b"anything".to_vec());
            record.headers.clear();
        };
        assert_eq!(check(stray).expect("reads"), None);
    }

    #[test]
    fn a_damaged_epoch_is_never_passed_over() {
        let error = check(|record| record.value = Some(b"anything".to_vec())).expect_err("stops");
        assert_eq!(error.to_string(), "failed to decode the epoch at setpoint.epochs/0@7");
    }
}
