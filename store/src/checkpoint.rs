//! Opening, loading and writing the checkpoint.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rocksdb::{DB, IteratorMode, Options, WriteBatch, WriteOptions};
use setpoint_schemas::Cut;

use crate::error::{StoreError, failed};
use crate::layout::{FORMAT, FORMAT_KEY, META_KEY, options, row_key};
use crate::meta::Meta;
use crate::rows::Rows;

/// A changed row: its table, its key, and its new value, or `None` when it is gone.
pub type Change = (u8, Vec<u8>, Option<Vec<u8>>);

/// The checkpoint. One process has it open.
pub struct Checkpoint {
    db: DB,
    path: PathBuf,
    rows: u64,
}

/// What a checkpoint holds.
pub struct Loaded<'a> {
    /// The epoch that the rows stand for.
    pub epoch: i64,
    /// The reign of that epoch.
    pub term: i64,
    /// How far the log had been read.
    pub cut: Cut,
    /// Every row, by table and key.
    pub rows: Rows<'a>,
}

/// The ending of the folder of a checkpoint that was set aside.
const ASIDE: &str = "set-aside";

/// The mode of the checkpoint's folder: Pods' environments stand in it.
const OWNER_ALONE: u32 = 0o700;

impl Checkpoint {
    /// Opens the checkpoint, or makes an empty one in a folder that only its owner may enter.
    ///
    /// # Errors
    /// [`StoreError`] when the folder cannot be made, is in use, damaged, or of another format.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        if std::fs::symlink_metadata(path).is_err() {
            let made = DirBuilder::new().recursive(true).mode(OWNER_ALONE).create(path);
            made.map_err(|source| StoreError::Disk { path: path.to_owned(), source })?;
        }
        let db = DB::open(&options(), path).map_err(failed("open", path))?;
        settle_format(&db, path)?;
        let mut checkpoint = Checkpoint { db, path: path.to_owned(), rows: 0 };
        checkpoint.rows = checkpoint.meta()?.map_or(0, |meta| meta.rows);
        Ok(checkpoint)
    }

    /// Removes the checkpoint from the disk, whatever it holds.
    ///
    /// # Errors
    /// [`StoreError::Database`] when it is open or the disk fails.
    pub fn discard(path: &Path) -> Result<(), StoreError> {
        DB::destroy(&Options::default(), path).map_err(failed("discard", path))
    }

    /// Moves whatever is there out of the way, so that an empty one can be made and a human can
    /// look at this one; says where it is now. One that was set aside before is removed.
    ///
    /// # Errors
    /// [`StoreError::Disk`] when the disk fails.
    pub fn set_aside(path: &Path) -> Result<PathBuf, StoreError> {
        let aside = path.with_extension(ASIDE);
        let failed = |source| StoreError::Disk { path: path.to_owned(), source };
        let removed = match std::fs::symlink_metadata(&aside) {
            Ok(found) if found.is_dir() => std::fs::remove_dir_all(&aside),
            Ok(_) => std::fs::remove_file(&aside),
            Err(_) => Ok(()),
        };
        removed.and_then(|()| std::fs::rename(path, &aside)).map_err(failed)?;
        Ok(aside)
    }

    /// What the last write left; `None` when nothing was written yet.
    ///
    /// # Errors
    /// [`StoreError`] when it is damaged or the disk fails.
    pub fn load(&self) -> Result<Option<Loaded<'_>>, StoreError> {
        let Some(meta) = self.meta()? else { return Ok(None) };
        let cut = meta.cut().ok_or_else(|| self.corrupt("its cut names an unknown topic"))?;
        let rows = Rows::of(&self.db, &self.path, meta.rows);
        Ok(Some(Loaded { epoch: meta.epoch, term: meta.term, cut, rows }))
    }

    /// Moves the checkpoint to an epoch: all changed rows and what they stand for, at once. When
    /// a row is named twice the later one holds. Once this returns it survives a power cut; one that
    /// comes earlier leaves this write or the one before it, whole.
    ///
    /// # Errors
    /// [`StoreError`] when the disk fails; the checkpoint is as it was.
    pub fn write(
        &mut self,
        epoch: i64,
        term: i64,
        cut: &Cut,
        changed: &[Change],
    ) -> Result<(), StoreError> {
        let latest: std::collections::BTreeMap<(u8, &[u8]), Option<&[u8]>> = changed
            .iter()
            .map(|(table, key, value)| ((*table, key.as_slice()), value.as_deref()))
            .collect();
        let (mut batch, mut rows) = (WriteBatch::default(), self.rows);
        for ((table, key), value) in latest {
            let key = row_key(table, key);
            let present = self.is_present(&key)?;
            match value {
                Some(value) => batch.put(&key, value),
                None => batch.delete(&key),
            }
            rows = rows + u64::from(value.is_some()) - u64::from(present);
        }
        let meta = postcard::to_stdvec(&Meta::new(epoch, term, rows, cut))
            .map_err(|error| self.corrupt(&error.to_string()))?;
        batch.put(META_KEY, meta);
        // One batch is one record of the write-ahead log: it is there whole or not at all. Synced,
        // so that after a power cut the log need not be read from further back.
        let mut synced = WriteOptions::default();
        synced.set_sync(true);
        self.db.write_opt(batch, &synced).map_err(failed("write", &self.path))?;
        self.rows = rows;
        Ok(())
    }

    fn is_present(&self, key: &[u8]) -> Result<bool, StoreError> {
        let found = self.db.get_pinned(key).map_err(failed("read", &self.path))?;
        Ok(found.is_some())
    }

    fn meta(&self) -> Result<Option<Meta>, StoreError> {
        let Some(bytes) = self.db.get(META_KEY).map_err(failed("read", &self.path))? else {
            return Ok(None);
        };
        let meta = postcard::from_bytes(&bytes);
        meta.map(Some).map_err(|error| self.corrupt(&format!("its epoch does not read: {error}")))
    }

    fn corrupt(&self, what: &str) -> StoreError {
        StoreError::Corrupt { path: self.path.clone(), what: what.to_owned() }
    }
}

fn settle_format(db: &DB, path: &Path) -> Result<(), StoreError> {
    match db.get(FORMAT_KEY).map_err(failed("read", path))? {
        None if db.iterator(IteratorMode::Start).next().is_none() => {
            db.put(FORMAT_KEY, FORMAT.to_le_bytes()).map_err(failed("make", path))
        }
        Some(found) if found == FORMAT.to_le_bytes() => Ok(()),
        found => match found.as_deref().map(<[u8; 4]>::try_from) {
            Some(Ok(bytes)) => {
                let found = u32::from_le_bytes(bytes);
                Err(StoreError::OtherFormat { path: path.to_owned(), found })
            }
            _ => Err(StoreError::Corrupt {
                path: path.to_owned(),
                what: "it does not say its format".to_owned(),
            }),
        },
    }
}
