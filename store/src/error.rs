//! Why the checkpoint cannot be used, told apart from RocksDB's words.

use std::path::{Path, PathBuf};

use rocksdb::ErrorKind;

use crate::layout::FORMAT;

/// Why the checkpoint cannot be used. After [`StoreError::OtherFormat`] or [`StoreError::Corrupt`]
/// the caller may [`discard`](crate::Checkpoint::discard) it and read the log instead.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has it open.
    #[error("the checkpoint at {} is in use by another process", path.display())]
    InUse {
        /// Where.
        path: PathBuf,
    },
    /// RocksDB failed for a reason that another try may not meet: a full disk, missing rights.
    #[error("failed to {attempt} the checkpoint at {}", path.display())]
    Database {
        /// What was tried.
        attempt: &'static str,
        /// Where.
        path: PathBuf,
        /// RocksDB's words.
        #[source]
        source: rocksdb::Error,
    },
    /// Another version wrote it.
    #[error("the checkpoint at {} has format {found}, and this version reads {FORMAT}", path.display())]
    OtherFormat {
        /// Where.
        path: PathBuf,
        /// The format that it has.
        found: u32,
    },
    /// The folder cannot be made or moved away.
    #[error("failed to make or set aside the checkpoint at {}", path.display())]
    Disk {
        /// Where.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: std::io::Error,
    },
    /// It contradicts itself.
    #[error("the checkpoint at {} is damaged: {what}", path.display())]
    Corrupt {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

/// Tells a checkpoint that is in use, and a disk that fails, from one that is damaged: files that
/// are missing, cut or written over.
pub(crate) fn failed(attempt: &'static str, path: &Path) -> impl Fn(rocksdb::Error) -> StoreError {
    let path = path.to_owned();
    move |source| {
        let (path, what) = (path.clone(), source.to_string());
        if what.contains("lock file") || what.contains("lock hold by") {
            return StoreError::InUse { path };
        }
        let is_missing = what.contains("No such file") || what.contains("Not a directory");
        if source.kind() == ErrorKind::IOError && !is_missing && !path.is_file() {
            return StoreError::Database { attempt, path, source };
        }
        StoreError::Corrupt { path, what }
    }
}
