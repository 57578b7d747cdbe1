//! What appenders, readers and the log share.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rocksdb::DB;
use setpoint_ingest::{AppendError, LogError};
use setpoint_schemas::{Cut, FleetId, Position, Topic};

use crate::ground::Ground;
use crate::keys;

pub(crate) struct Shared {
    pub(crate) db: DB,
    pub(crate) ground: Ground,
    pub(crate) partitions: i32,
    pub(crate) clock_ms: fn() -> i64,
    pub(crate) queue: Mutex<Queue>,
    /// Something in the queue was answered, or nobody commits any more.
    pub(crate) committed: Condvar,
    pub(crate) ends: Mutex<Ends>,
    /// The ends moved.
    pub(crate) appended: Condvar,
}

/// What readers may read: durable records only.
pub(crate) struct Ends {
    pub(crate) next: BTreeMap<(Topic, i32), i64>,
}

/// Appends that wait for the next write.
#[derive(Default)]
pub(crate) struct Queue {
    pub(crate) waiting: Vec<Job>,
    pub(crate) answers: HashMap<u64, Result<Vec<Position>, AppendError>>,
    pub(crate) ticket_next: u64,
    /// Whether some thread is writing now; it writes for all that wait.
    pub(crate) committing: bool,
    /// Why nothing is written any more: nobody knows what is on the disk, or nobody will find it.
    pub(crate) failed: Option<Failed>,
    /// The latest leader of each fleet.
    pub(crate) leaders: HashMap<FleetId, u64>,
}

/// What ended the writing for good: the log must be opened anew.
#[derive(Debug, Clone)]
pub(crate) enum Failed {
    /// A write failed, and RocksDB says so.
    Write(String),
    /// The files were deleted or replaced.
    Gone(String),
}

pub(crate) struct Job {
    pub(crate) ticket: u64,
    pub(crate) rows: Vec<Row>,
    pub(crate) leader: Option<(FleetId, u64)>,
}

/// An entry as it will lie on the disk, but for its offset and its time.
pub(crate) struct Row {
    pub(crate) topic: Topic,
    pub(crate) partition: i32,
    pub(crate) value: Vec<u8>,
}

impl Shared {
    pub(crate) fn queue(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }

    pub(crate) fn ends(&self) -> MutexGuard<'_, Ends> {
        lock(&self.ends)
    }

    pub(crate) fn ends_of(&self, topics: &[Topic]) -> Cut {
        let ends = self.ends();
        let named = ends.next.iter().filter(|((topic, _), _)| topics.contains(topic));
        named.map(|(&(topic, partition), &next)| (topic, partition, next)).collect()
    }

    pub(crate) fn end(&self, topic: Topic, partition: i32) -> Result<i64, LogError> {
        let end = self.ends().next.get(&(topic, partition)).copied();
        end.ok_or(LogError::NoPartition { topic, partition })
    }

    /// Looks whether the files are still those that were opened; after they are not, nothing is
    /// acknowledged.
    pub(crate) fn look(&self) -> Result<(), LogError> {
        match self.ground.lost() {
            None => Ok(()),
            Some(what) => {
                let failed = Failed::Gone(what);
                let error = self.error_of(&failed);
                self.queue().failed = Some(failed);
                Err(error)
            }
        }
    }

    /// The error of who would write now.
    pub(crate) fn error_of(&self, failed: &Failed) -> LogError {
        match failed {
            Failed::Write(why) => LogError::permanent(
                "write to the embedded log; it must be opened anew",
                why.as_str(),
            ),
            Failed::Gone(what) => {
                LogError::Gone { path: self.ground.path().to_owned(), what: what.clone() }
            }
        }
    }

    /// The first offset that cleanup has left.
    pub(crate) fn start(&self, topic: Topic, partition: i32) -> Result<i64, LogError> {
        keys::read_offset(&self.db, &keys::start(topic, partition)).map_err(|why| {
            LogError::permanent(format!("read the start of {topic}/{partition}"), why)
        })
    }
}

/// A thread that panicked while it held a lock left nothing half done: each critical section
/// either moves whole values or reads.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
