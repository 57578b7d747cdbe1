//! One record as it stands on the log: kept, or only looked at.

use setpoint_schemas::Position;
use setpoint_schemas::cloudevents::Header;

/// A record of the log, not yet decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// Where it stands.
    pub position: Position,
    /// Its key; empty when it has none.
    pub key: Vec<u8>,
    /// Its value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Its headers, in order.
    pub headers: Vec<Header>,
    /// When it was appended, by the log's clock, milliseconds since 1970.
    pub timestamp_ms: i64,
}

/// A record looked at where it stands in the log's client: nothing of it is copied, and nothing of it
/// stays. Absent: headers, which nobody decodes by.
#[derive(Debug, Clone, Copy)]
pub struct RecordView<'a> {
    /// Where it stands.
    pub position: Position,
    /// Its key; empty when it has none.
    pub key: &'a [u8],
    /// Its value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// When it was appended, by the log's clock, milliseconds since 1970.
    pub timestamp_ms: i64,
}

impl RecordView<'_> {
    /// Its bytes: key and value together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.key.len() + self.value.map_or(0, <[u8]>::len)
    }
}

impl<'a> From<&'a LogRecord> for RecordView<'a> {
    fn from(record: &'a LogRecord) -> Self {
        RecordView {
            position: record.position,
            key: &record.key,
            value: record.value.as_deref(),
            timestamp_ms: record.timestamp_ms,
        }
    }
}

impl LogRecord {
    /// Its bytes: key, value and headers together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.len());
        self.key.len() + self.value.as_ref().map_or(0, Vec::len) + headers.sum::<usize>()
    }
}
