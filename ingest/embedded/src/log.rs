//! Opening the log, and its side of the contract.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use rocksdb::{DB, DBCompressionType, DBRecoveryMode, ErrorKind, Options};
use setpoint_ingest::{Appender, AppenderKind, Log, LogError, LogRecord, Reader};
use setpoint_schemas::{Cut, Topic};

use crate::commit::{EmbeddedAppender, is_full};
use crate::ground::Ground;
use crate::reader::EmbeddedReader;
use crate::shared::{Ends, Queue, Shared};
use crate::{clean, keys, reader};

/// How the log is opened.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder; made when it is not there.
    pub path: PathBuf,
    /// Partitions a topic (1 for a topic that is always single). Fixed once the log is made.
    pub partitions: i32,
    /// The log's clock, milliseconds since 1970.
    pub clock_ms: fn() -> i64,
}

impl Settings {
    /// One partition a topic, the system's clock.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Settings { path: path.to_owned(), partitions: 1, clock_ms: system_clock_ms }
    }
}

/// The log. Cheap to clone; all clones are the same log.
#[derive(Clone)]
pub struct EmbeddedLog {
    shared: Arc<Shared>,
}

/// The layout of keys and values; a log of another format is refused.
const FORMAT: u32 = 1;
/// Half of what a small machine spares for the log's memory; a few seconds of busy appends.
const WRITE_BUFFER_BYTES: usize = 16 << 20;
/// Bounds the write-ahead log, and with it the time that opening after a crash takes.
const WAL_BYTES_MAX: u64 = 64 << 20;
/// Far below the usual limit of 1024 open files a process.
const OPEN_FILES_MAX: i32 = 256;

impl EmbeddedLog {
    /// Opens the log, or makes it.
    ///
    /// # Errors
    /// [`LogError::Damaged`] when its files contradict themselves, [`LogError::Full`] when there is no
    /// room, [`LogError::Permanent`] when another process has it open, it is of another format, or it
    /// was made with another number of partitions.
    pub fn open(settings: &Settings) -> Result<Self, LogError> {
        let attempt = || format!("open the embedded log at {}", settings.path.display());
        let refuse = |why: String| LogError::permanent(attempt(), why);
        let db = DB::open(&options(), &settings.path).map_err(|error| match error.kind() {
            _ if is_full(&error) => LogError::full(attempt(), error),
            ErrorKind::Corruption => LogError::damaged(attempt(), error),
            _ if lacks_file(&error) => LogError::damaged(attempt(), error),
            _ => LogError::permanent(attempt(), error),
        })?;
        let partitions = settings.partitions.max(1);
        settle(&db, keys::FORMAT, FORMAT, "its format").map_err(refuse)?;
        settle(&db, keys::PARTITIONS, partitions.cast_unsigned(), "its number of partitions")
            .map_err(refuse)?;
        let mut ends = BTreeMap::new();
        for topic in Topic::ALL {
            for partition in 0..partitions_of(topic, partitions) {
                let next = keys::read_offset(&db, &keys::next(topic, partition));
                ends.insert((topic, partition), next.map_err(refuse)?);
            }
        }
        let shared = Shared {
            db,
            ground: Ground::of(&settings.path),
            partitions,
            clock_ms: settings.clock_ms,
            queue: Mutex::new(Queue::default()),
            committed: Condvar::new(),
            ends: Mutex::new(Ends { next: ends }),
            appended: Condvar::new(),
        };
        Ok(EmbeddedLog { shared: Arc::new(shared) })
    }

    /// Forgets what each topic's cleanup allows as of this time: whole records past their hours,
    /// and superseded records of compacted topics older than a day. Appends and readers go on.
    /// Call it from time to time from a thread of its own.
    ///
    /// # Errors
    /// [`LogError`] when the disk fails; what was forgotten before stays forgotten.
    pub fn clean(&self, now_ms: i64) -> Result<clean::Cleaned, LogError> {
        clean::clean(&self.shared, now_ms)
    }
}

impl Log for EmbeddedLog {
    /// The topics are there from the start.
    fn ensure_topics(&self) -> Result<(), LogError> {
        Ok(())
    }

    fn look(&self) -> Result<(), LogError> {
        self.shared.look()
    }

    fn partitions(&self, topic: Topic) -> Result<i32, LogError> {
        Ok(partitions_of(topic, self.shared.partitions))
    }

    fn reader(&self, from: &Cut, topics: &[Topic]) -> Result<Box<dyn Reader>, LogError> {
        let ends = self.shared.ends_of(topics);
        let all = ends.iter().map(|(topic, partition, _)| (topic, partition));
        Ok(Box::new(EmbeddedReader::new(self.shared.clone(), from, all)?))
    }

    fn reader_of(
        &self,
        from: &Cut,
        partitions: &[(Topic, i32)],
    ) -> Result<Box<dyn Reader>, LogError> {
        let there = |&(topic, partition): &(Topic, i32)| {
            (0..partitions_of(topic, self.shared.partitions)).contains(&partition)
        };
        if let Some(&(topic, partition)) = partitions.iter().find(|at| !there(at)) {
            return Err(LogError::NoPartition { topic, partition });
        }
        let some = partitions.iter().copied();
        Ok(Box::new(EmbeddedReader::new(self.shared.clone(), from, some)?))
    }

    fn appender(&self, kind: AppenderKind) -> Result<Box<dyn Appender>, LogError> {
        Ok(Box::new(EmbeddedAppender::new(self.shared.clone(), kind)))
    }

    fn ends(&self, topics: &[Topic]) -> Result<Cut, LogError> {
        Ok(self.shared.ends_of(topics))
    }

    fn starts(&self, topics: &[Topic]) -> Result<Cut, LogError> {
        let ends = self.shared.ends_of(topics);
        ends.iter()
            .map(|(topic, partition, _)| {
                Ok((topic, partition, self.shared.start(topic, partition)?))
            })
            .collect()
    }

    fn read_at(
        &self,
        topic: Topic,
        partition: i32,
        offset: i64,
        max: usize,
    ) -> Result<Vec<LogRecord>, LogError> {
        let end = self.shared.end(topic, partition)?;
        let mut page = reader::Kept::new(max);
        reader::scan(&self.shared, (topic, partition), offset.max(0), end, &mut page)?;
        Ok(page.records)
    }
}

/// A file that its other files name is not there; one that could not be made is another matter.
fn lacks_file(error: &rocksdb::Error) -> bool {
    let what = error.to_string();
    what.contains("No such file") && what.contains(".sst")
}

fn partitions_of(topic: Topic, partitions: i32) -> i32 {
    if topic.is_single() { 1 } else { partitions }
}

/// Writes a number when the log is new, and holds the log to it later.
fn settle(db: &DB, key: &[u8], value: u32, what: &str) -> Result<(), String> {
    match db.get(key).map_err(|error| error.to_string())? {
        None => db.put(key, value.to_le_bytes()).map_err(|error| error.to_string()),
        Some(found) if found == value.to_le_bytes() => Ok(()),
        Some(found) => {
            let found = <[u8; 4]>::try_from(found.as_slice()).map(u32::from_le_bytes);
            let found = found.map_or_else(|_| "unreadable".to_owned(), |number| number.to_string());
            Err(format!("{what} is {found}, and {value} is asked for"))
        }
    }
}

fn options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_max_total_wal_size(WAL_BYTES_MAX);
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_keep_log_file_num(2);
    // A torn last write was never acknowledged; damage anywhere else must not pass silently.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options
}

fn system_clock_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
