//! One record as it stands on the log.

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

impl LogRecord {
    /// Its bytes: key, value and headers together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.len());
        self.key.len() + self.value.as_ref().map_or(0, Vec::len) + headers.sum::<usize>()
    }
}
