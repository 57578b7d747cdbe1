//! Appending: whoever comes first writes for all that wait (group commit), so that a sync to the
//! disk is shared by as many appends as came during the one before.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use rocksdb::{ErrorKind, WriteBatch, WriteOptions};
use setpoint_ingest::{AppendError, Appender, AppenderKind, Entry, LogError, partition_of};
use setpoint_schemas::{FleetId, Position, Topic};

use crate::shared::{Failed, Job, Queue, Row, Shared};
use crate::{keys, value};

pub(crate) struct EmbeddedAppender {
    shared: Arc<Shared>,
    leader: Option<(FleetId, u64)>,
}

impl EmbeddedAppender {
    /// A leader waits for the write in flight: after this no earlier leader writes anything.
    pub(crate) fn new(shared: Arc<Shared>, kind: AppenderKind) -> Self {
        let leader = match kind {
            AppenderKind::Shared => None,
            AppenderKind::Leader { fleet } => Some(reign(&shared, fleet)),
        };
        EmbeddedAppender { shared, leader }
    }
}

fn reign(shared: &Shared, fleet: FleetId) -> (FleetId, u64) {
    let mut queue = shared.queue();
    let number = queue.leaders.get(&fleet).copied().unwrap_or(0) + 1;
    queue.leaders.insert(fleet.clone(), number);
    while queue.committing {
        queue = shared.committed.wait(queue).unwrap_or_else(PoisonError::into_inner);
    }
    (fleet, number)
}

impl Appender for EmbeddedAppender {
    fn append(&mut self, entries: Vec<Entry>) -> Result<Vec<Position>, AppendError> {
        entries.iter().try_for_each(Entry::check)?;
        // Each is gone when it is a row: a large epoch is not held twice.
        let rows = entries.into_iter().map(|entry| row(&self.shared, &entry)).collect();
        self.write_in_turn(rows)
    }

    fn append_held(&mut self, entries: &[Entry]) -> Result<Vec<Position>, AppendError> {
        entries.iter().try_for_each(Entry::check)?;
        let rows = entries.iter().map(|entry| row(&self.shared, entry)).collect();
        self.write_in_turn(rows)
    }
}

impl EmbeddedAppender {
    /// Rows are made before: others write meanwhile.
    fn write_in_turn(&mut self, rows: Vec<Row>) -> Result<Vec<Position>, AppendError> {
        let mut queue = self.shared.queue();
        let ticket = queue.ticket_next;
        queue.ticket_next += 1;
        queue.waiting.push(Job { ticket, rows, leader: self.leader.clone() });
        loop {
            if let Some(answer) = queue.answers.remove(&ticket) {
                return answer;
            }
            if queue.committing {
                queue = self.shared.committed.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            queue.committing = true;
            let jobs = admitted(&self.shared, &mut queue);
            drop(queue);
            let written = write(&self.shared, jobs);
            queue = self.shared.queue();
            queue.committing = false;
            answer(&self.shared, &mut queue, written);
            self.shared.committed.notify_all();
        }
    }
}

/// Takes what waits; answers at once those that must not write.
fn admitted(shared: &Shared, queue: &mut Queue) -> Vec<Job> {
    let (mut admitted, mut answers) = (Vec::new(), Vec::new());
    for job in std::mem::take(&mut queue.waiting) {
        let fenced = |(fleet, number): &(FleetId, u64)| queue.leaders.get(fleet) != Some(number);
        if job.leader.as_ref().is_some_and(fenced) {
            answers.push((job.ticket, Err(AppendError::Fenced)));
        } else if let Some(failed) = &queue.failed {
            answers.push((job.ticket, Err(shared.error_of(failed).into())));
        } else {
            admitted.push(job);
        }
    }
    queue.answers.extend(answers);
    admitted
}

type Written = Result<Vec<(u64, Vec<Position>)>, (Vec<u64>, Unwritten)>;

/// Why a batch is not acknowledged.
enum Unwritten {
    /// There is no room. RocksDB has dropped the batch, and writes again when there is some.
    Full(String),
    /// For good.
    Failed(Failed),
}

/// One batch of all jobs, synced, in files that will be found again; then readers see it.
fn write(shared: &Shared, mut jobs: Vec<Job>) -> Written {
    let mut ends = shared.ends().next.clone();
    let now_ms = (shared.clock_ms)();
    let mut batch = WriteBatch::default();
    let mut positions = Vec::with_capacity(jobs.len());
    for job in &mut jobs {
        let placed = job.rows.iter_mut().map(|row| put(row, now_ms, &mut ends, &mut batch));
        positions.push((job.ticket, placed.collect()));
    }
    if batch.is_empty() {
        return Ok(positions);
    }
    for (&(topic, partition), next) in &ends {
        if shared.ends().next.get(&(topic, partition)) != Some(next) {
            batch.put(keys::next(topic, partition), next.to_be_bytes());
        }
    }
    let mut synced = WriteOptions::default();
    synced.set_sync(true);
    let written = match shared.db.write_opt(batch, &synced) {
        Ok(()) => shared.ground.lost().map_or(Ok(()), |what| Err(Failed::Gone(what).into())),
        Err(error) if is_full(&error) => Err(Unwritten::Full(error.to_string())),
        Err(error) => Err(Failed::Write(error.to_string()).into()),
    };
    written.map_err(|why| (jobs.iter().map(|job| job.ticket).collect(), why))?;
    shared.ends().next = ends;
    shared.appended.notify_all();
    Ok(positions)
}

impl From<Failed> for Unwritten {
    fn from(failed: Failed) -> Self {
        Unwritten::Failed(failed)
    }
}

/// Whether RocksDB, or the system under it, says that the disk is full.
pub(crate) fn is_full(error: &rocksdb::Error) -> bool {
    error.kind() == ErrorKind::IOError && error.to_string().contains("No space left on device")
}

fn row(shared: &Shared, entry: &Entry) -> Row {
    let topic = entry.topic;
    let partitions = if topic.is_single() { 1 } else { shared.partitions };
    let partition = partition_of(&entry.partition_key, partitions);
    Row { topic, partition, value: value::encode(entry) }
}

fn put(
    row: &mut Row,
    now_ms: i64,
    ends: &mut BTreeMap<(Topic, i32), i64>,
    batch: &mut WriteBatch,
) -> Position {
    let Row { topic, partition, .. } = *row;
    // The batch has it from here on.
    let mut value = std::mem::take(&mut row.value);
    let next = ends.entry((topic, partition)).or_insert(0);
    let position = Position { topic, partition, offset: *next };
    *next += 1;
    value::stamp(&mut value, now_ms);
    batch.put(keys::record(position), value);
    position
}

fn answer(shared: &Shared, queue: &mut Queue, written: Written) {
    match written {
        Ok(positions) => {
            let answers = positions.into_iter().map(|(ticket, positions)| (ticket, Ok(positions)));
            queue.answers.extend(answers);
        }
        Err((tickets, why)) => {
            let error = || match &why {
                Unwritten::Full(why) => LogError::full("write to the embedded log", why.as_str()),
                Unwritten::Failed(failed) => shared.error_of(failed),
            };
            queue.answers.extend(tickets.into_iter().map(|ticket| (ticket, Err(error().into()))));
            if let Unwritten::Failed(failed) = why {
                queue.failed = Some(failed);
            }
        }
    }
}
