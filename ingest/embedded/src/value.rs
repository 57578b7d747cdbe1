//! A record's bytes in RocksDB: log time, key, headers, value. Lengths are 32 bits, little endian.

use setpoint_ingest::{Entry, LogRecord, RecordView};
use setpoint_schemas::Position;

/// Marks a record with a value; a tombstone has none.
const HAS_VALUE: u8 = 1;
const TOMBSTONE: u8 = 0;
/// The log time at the beginning.
const TIME_BYTES: usize = 8;

/// Without its time, which [`stamp`] writes into it.
pub(crate) fn encode(entry: &Entry) -> Vec<u8> {
    let lengths = 4 * (2 + 2 * entry.headers.len());
    let mut out = Vec::with_capacity(TIME_BYTES + entry.bytes() + lengths + 1);
    out.extend_from_slice(&[0; TIME_BYTES]);
    put(&mut out, &entry.key);
    out.extend_from_slice(&length(entry.headers.len()));
    for (name, value) in &entry.headers {
        put(&mut out, name.as_bytes());
        put(&mut out, value);
    }
    match &entry.value {
        None => out.push(TOMBSTONE),
        Some(value) => {
            out.push(HAS_VALUE);
            out.extend_from_slice(value);
        }
    }
    out
}

/// Writes when a record was appended.
pub(crate) fn stamp(record: &mut [u8], now_ms: i64) {
    record[..TIME_BYTES].copy_from_slice(&now_ms.to_le_bytes());
}

/// A record where its bytes lie.
pub(crate) struct Stored<'a> {
    pub(crate) view: RecordView<'a>,
    /// How many headers there are, and all of them.
    headers: (usize, &'a [u8]),
}

impl Stored<'_> {
    /// A copy that may be kept; `None` when a header is damaged.
    pub(crate) fn kept(&self) -> Option<LogRecord> {
        let RecordView { position, key, value, timestamp_ms } = self.view;
        let (count, mut bytes) = self.headers;
        let mut headers = Vec::with_capacity(count);
        for _ in 0..count {
            let name = std::str::from_utf8(take(&mut bytes)?).ok()?.to_owned();
            headers.push((name, take(&mut bytes)?.to_vec()));
        }
        let (key, value) = (key.to_vec(), value.map(<[u8]>::to_vec));
        Some(LogRecord { position, key, value, headers, timestamp_ms })
    }
}

/// The record; `None` when the bytes are damaged.
pub(crate) fn decode(position: Position, mut bytes: &[u8]) -> Option<Stored<'_>> {
    let (time, rest) = bytes.split_first_chunk::<TIME_BYTES>()?;
    bytes = rest;
    let key = take(&mut bytes)?;
    let count = take_length(&mut bytes)?;
    let behind = bytes;
    for _ in 0..count {
        let (_name, _value) = (take(&mut bytes)?, take(&mut bytes)?);
    }
    let headers = (count, &behind[..behind.len() - bytes.len()]);
    let value = match bytes.split_first()? {
        (&TOMBSTONE, []) => None,
        (&HAS_VALUE, value) => Some(value),
        _ => return None,
    };
    let timestamp_ms = i64::from_le_bytes(*time);
    Some(Stored { view: RecordView { position, key, value, timestamp_ms }, headers })
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&length(bytes.len()));
    out.extend_from_slice(bytes);
}

fn length(length: usize) -> [u8; 4] {
    u32::try_from(length)
        .expect("a record is far below 4 GiB: the appender holds its bound")
        .to_le_bytes()
}

fn take<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take_length(bytes)?;
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

fn take_length(bytes: &mut &[u8]) -> Option<usize> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    *bytes = rest;
    usize::try_from(u32::from_le_bytes(*length)).ok()
}
