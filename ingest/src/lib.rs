//! The log: what it promises, how its records are written, and how they are decoded at the door.
//!
//! Guarantee: what an appender acknowledged is durable and read back by every reader, in order;
//! a record that cannot be used becomes a dead letter and never stops a reader.
//! Absent: the logs themselves (`ingest/embedded`, `ingest/kafka`), decisions, clocks.

mod log;
mod together;
mod error;
mod bounds;
mod record;
mod schema_source;
mod partitioner;
mod decode;
mod secret;
mod tail;

pub mod entry;
pub mod conformance;

pub use bounds::{READ_BYTES_MAX, record_bytes_max};
pub use decode::Decoder;
pub use entry::Entry;
pub use error::{AppendError, LogError};
pub use log::{Appender, AppenderKind, Log, Reader};
pub use partitioner::partition_of;
pub use record::{LogRecord, RecordView};
pub use schema_source::{SchemaSource, Unanswered};
pub use secret::SEALED_PREFIX;
pub use tail::{covers, read_all};
pub use together::{Appended, Caller, Together};
