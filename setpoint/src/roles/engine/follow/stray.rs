//! Records among those of leaders that no leader wrote.
//!
//! Invariant: a record that says of itself, as a leader's does, what it is, is never passed over:
//! when it does not decode it is damaged or of another version, and whoever went on without it
//! would decide what was decided already, or stop what is placed.

use anyhow::Context as _;
use setpoint_ingest::LogRecord;
use setpoint_schemas::avro::{Codec, Record};
use setpoint_schemas::cloudevents::event_type;
use tracing::warn;

/// What a record is; `None` for a tombstone, and for what is no such record and never said so.
pub(crate) fn decoded<R: Record>(codec: &Codec, record: &LogRecord) -> anyhow::Result<Option<R>> {
    let Some(value) = &record.value else { return Ok(None) };
    match codec.decode(value) {
        Ok(decoded) => Ok(Some(decoded)),
        Err(error) if claims_to_be::<R>(record) => Err(error)
            .with_context(|| format!("failed to decode the {} at {}", R::NAME, record.position)),
        Err(error) => {
            warn!(position = %record.position, %error, "passed over what is no {}", R::NAME);
            Ok(None)
        }
    }
}

fn claims_to_be<R: Record>(record: &LogRecord) -> bool {
    let claim = event_type::<R>();
    record.headers.iter().any(|(name, value)| name == "ce_type" && value == claim.as_bytes())
}

#[cfg(test)]
mod tests {
    use setpoint_ingest::entry::Writer;
    use setpoint_schemas::{EpochRecord, Position, Topic, samples};

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
        decoded(&codec, &record)
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
