//! The commit: epochs that wait go to the log together, in one atomic append; only then are they
//! shown, answered and checkpointed.
//!
//! A full disk ends nothing: the log is tried again until there is room, and a checkpoint that fails
//! is written with the next one.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use setpoint_ingest::entry::Writer;
use setpoint_ingest::{Appender, Entry};
use setpoint_schemas::{Cut, Position, Topic};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::burying::Undertaker;
use super::queue::{Commit, Receiver};
use super::record;
use crate::roles::engine::checkpoints::Checkpoints;
use crate::roles::engine::metrics::Metrics;
use crate::roles::engine::ports::feed::{self, Audience};
use crate::roles::engine::ports::waiters::Waiters;

/// Epochs of one append: enough to follow the engine, few enough to answer the first soon.
const EPOCHS_TOGETHER_MAX: usize = 64;

/// Between two tries to append to a full disk: RocksDB looks every five seconds whether it is.
const FULL_PAUSE: Duration = Duration::from_secs(1);

/// Commits what the engine decides, in order.
pub(crate) struct Committer {
    pub(crate) appender: Box<dyn Appender>,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) writer: Writer,
    pub(crate) audience: Audience,
    pub(crate) undertaker: Undertaker,
    pub(crate) waiters: Arc<Waiters>,
    pub(crate) metrics: Arc<Metrics>,
    /// Where the next epoch record stands, among others.
    pub(crate) cut: Cut,
    pub(crate) closing: CancellationToken,
}

impl Committer {
    /// Commits until the engine hangs up.
    pub(crate) fn run(mut self, receive: Receiver) -> anyhow::Result<()> {
        while let Ok(first) = receive.recv() {
            let mut commits = vec![first];
            while commits.len() < EPOCHS_TOGETHER_MAX {
                match receive.try_recv() {
                    Ok(commit) => commits.push(commit),
                    Err(_) => break,
                }
            }
            let (epochs, bytes) = (commits.len(), commits.iter().map(Commit::bytes).sum());
            self.commit(commits)?;
            receive.committed(epochs, bytes);
        }
        Ok(())
    }

    fn commit(&mut self, commits: Vec<Commit>) -> anyhow::Result<()> {
        let started = std::time::Instant::now();
        let positions = self.append(&commits)?;
        self.metrics.committed(commits.len(), started.elapsed());
        for position in positions.iter().filter(|p| p.topic == Topic::Epochs) {
            self.cut.advance(position.topic, position.partition, position.offset + 1);
        }
        commits.iter().for_each(|commit| self.metrics.set_aside(&commit.dead_letters));
        let together = commits.len();
        for (index, mut commit) in commits.into_iter().enumerate() {
            feed::show(&self.audience, &commit.outcome);
            self.waiters.decided(commit.outcome.number, &commit.outcome.verdicts);
            self.undertaker.bury(commit.remains);
            // A checkpoint stands for its epoch: the epoch records behind it in the same append
            // would be skipped, so it is written only for the last of an append.
            let Some((cut, rows)) = commit.rows.take() else { continue };
            let rows = rows.encoded();
            if index + 1 == together {
                let epochs = self.cut.iter().filter(|(topic, ..)| *topic == Topic::Epochs);
                let cut: Cut = cut.iter().chain(epochs).collect();
                self.checkpoints.write(commit.record.number, commit.record.term, &cut, &rows)?;
            } else {
                self.checkpoints.keep(&rows);
            }
        }
        self.audience.model.set_ready(true);
        self.audience.model.set_role("leader");
        Ok(())
    }

    /// Appends all that these epochs say; where the disk is full, once there is room.
    fn append(&mut self, commits: &[Commit]) -> anyhow::Result<Vec<Position>> {
        let mut is_told = false;
        loop {
            let mut entries = Vec::new();
            for commit in commits {
                self.entries_of(commit, &mut entries)?;
            }
            match self.appender.append(entries) {
                Err(full) if full.is_full() && !self.closing.is_cancelled() => {
                    if !std::mem::replace(&mut is_told, true) {
                        let why = format!("{:#}", anyhow::Error::new(full));
                        error!(why, "the log takes nothing until there is room on its disk");
                    }
                    std::thread::sleep(FULL_PAUSE);
                }
                appended => {
                    if is_told && appended.is_ok() {
                        info!("there is room again; the log goes on");
                    }
                    return appended.context("failed to commit");
                }
            }
        }
    }

    /// All that an epoch appends.
    fn entries_of(&self, commit: &Commit, entries: &mut Vec<Entry>) -> anyhow::Result<()> {
        let writer = &self.writer;
        entries.push(writer.epoch(&commit.record)?);
        record::outputs(writer, &commit.outcome, entries)?;
        entries.extend_from_slice(&commit.dead_letters);
        Ok(())
    }
}
