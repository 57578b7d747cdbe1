//! The embedded durable log: the contract of the log over RocksDB, for one process on one machine.
//!
//! Guarantee: what was acknowledged is in a synced write-ahead log; an append is there whole or
//! not at all, whenever the process dies. Offsets of a partition are contiguous until cleanup
//! leaves gaps. Readers wake within microseconds. Nothing is acknowledged once the folder was deleted
//! or replaced under it; where the disk is full nothing of an append is there, and appends go on when
//! there is room again.
//! Absent: other processes; whoever else wants to read asks the API of the process that opened it.

mod log;
mod shared;
mod ground;
mod commit;
mod reader;
mod clean;
mod keys;
mod value;

pub use clean::Cleaned;
pub use log::{EmbeddedLog, Settings};
