//! The keys in RocksDB. Records of a partition lie side by side in offset order.
//!
//! `r topic partition offset` a record · `n topic partition` the next offset · `s topic partition`
//! the first offset that cleanup has left · `m…` what holds for the whole log. Numbers are big
//! endian, so that byte order is number order.

use rocksdb::DB;
use setpoint_schemas::{Position, Topic};

/// The format of the log.
pub(crate) const FORMAT: &[u8] = b"mformat";
/// How many partitions a topic has.
pub(crate) const PARTITIONS: &[u8] = b"mpartitions";

pub(crate) fn record(position: Position) -> Vec<u8> {
    let mut key = of_partition(b'r', position.topic, position.partition);
    key.extend_from_slice(&position.offset.to_be_bytes());
    key
}

/// The offset in a record's key.
pub(crate) fn offset_of(key: &[u8]) -> Option<i64> {
    key.last_chunk::<8>().map(|bytes| i64::from_be_bytes(*bytes))
}

pub(crate) fn next(topic: Topic, partition: i32) -> Vec<u8> {
    of_partition(b'n', topic, partition)
}

pub(crate) fn start(topic: Topic, partition: i32) -> Vec<u8> {
    of_partition(b's', topic, partition)
}

/// A stored offset; 0 when none is stored.
pub(crate) fn read_offset(db: &DB, key: &[u8]) -> Result<i64, String> {
    match db.get(key).map_err(|error| error.to_string())? {
        None => Ok(0),
        Some(bytes) => <[u8; 8]>::try_from(bytes.as_slice())
            .map(i64::from_be_bytes)
            .map_err(|_| "a stored offset is damaged".to_owned()),
    }
}

fn of_partition(tag: u8, topic: Topic, partition: i32) -> Vec<u8> {
    let mut key = vec![tag, byte_of(topic)];
    key.extend_from_slice(&partition.to_be_bytes());
    key
}

/// A topic's byte on the disk; never changes, whatever the ranks become.
fn byte_of(topic: Topic) -> u8 {
    match topic {
        Topic::Requests => 1,
        Topic::Nodes => 2,
        Topic::Leases => 3,
        Topic::Pods => 4,
        Topic::Desired => 5,
        Topic::Placements => 6,
        Topic::Epochs => 7,
        Topic::Decisions => 8,
        Topic::Telemetry => 9,
        Topic::Alerts => 10,
        Topic::DeadLetter => 11,
    }
}
