//! The checkpoint in RocksDB and the epoch that it stands for.
