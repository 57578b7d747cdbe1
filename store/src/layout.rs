//! How a checkpoint lies in RocksDB: its keys, and how the database is opened.

use rocksdb::{DBCompressionType, DBRecoveryMode, Options};

/// The layout of keys, values and meta.
pub(crate) const FORMAT: u32 = 9;
pub(crate) const FORMAT_KEY: &[u8] = b"mformat";
pub(crate) const META_KEY: &[u8] = b"mmeta";
/// Before the table and the key of each row; sorts after the meta keys, so that rows come last.
pub(crate) const ROW: u8 = b'r';
/// Rows are written in bursts of an epoch; larger buffers would only delay the same work.
const WRITE_BUFFER_BYTES: usize = 32 << 20;
/// Bounds the time that opening after a crash takes.
const WAL_BYTES_MAX: u64 = 128 << 20;
/// Far below the usual limit of 1024 open files a process.
const OPEN_FILES_MAX: i32 = 256;

/// The key under which a row lies.
pub(crate) fn row_key(table: u8, key: &[u8]) -> Vec<u8> {
    [&[ROW, table], key].concat()
}

/// How the database is opened.
pub(crate) fn options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_max_total_wal_size(WAL_BYTES_MAX);
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_keep_log_file_num(2);
    // A write that was not acknowledged may be torn: what comes before it is one write, whole.
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    options
}
