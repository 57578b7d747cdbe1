//! The checkpoint in RocksDB: rows, and the epoch that they stand for.
//!
//! Guarantee: what is loaded is exactly what one write left, whole, with the epoch, term and cut
//! of that write; after a crash it is the last write or an earlier one, never a mixture.
//! Absent: the meaning of the rows, and truth: the log holds that. A checkpoint that is lost or of
//! another format costs the time to read the log, and what the log has forgotten since.

mod checkpoint;
mod rows;
mod meta;
mod layout;
mod error;

pub use checkpoint::{Change, Checkpoint, Loaded};
pub use error::StoreError;
pub use rows::{Row, Rows};
