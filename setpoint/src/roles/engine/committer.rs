//! The commit: epochs that wait go to the log together, in one atomic append; only then are they
//! shown, answered and checkpointed.

use std::sync::Arc;

use anyhow::Context as _;
use setpoint_dataflow::CheckpointRow;
use setpoint_ingest::entry::{self, Writer};
use setpoint_ingest::{Appender, Entry};
use setpoint_schemas::{Cut, EpochRecord, Topic};
use setpoint_store::Checkpoint;

use super::burying::Undertaker;
use super::feed::{self, Audience};
use super::metrics::Metrics;
use super::queue::{Commit, Receiver};
use super::waiters::Waiters;

/// Epochs of one append: enough to follow the engine, few enough to answer the first soon.
const EPOCHS_TOGETHER_MAX: usize = 64;

/// Commits what the engine decides, in order.
pub(super) struct Committer {
    pub(super) appender: Box<dyn Appender>,
    pub(super) store: Checkpoint,
    pub(super) writer: Writer,
    pub(super) audience: Audience,
    pub(super) undertaker: Undertaker,
    pub(super) waiters: Arc<Waiters>,
    pub(super) metrics: Arc<Metrics>,
    /// Where the next epoch record stands, among others.
    pub(super) cut: Cut,
    /// Rows of checkpoints that were not written, for the next one.
    pub(super) kept: Vec<CheckpointRow>,
}

impl Committer {
    /// Commits until the engine hangs up.
    pub(super) fn run(mut self, receive: Receiver) -> anyhow::Result<()> {
        while let Ok(first) = receive.recv() {
            let mut commits = vec![first];
            while commits.len() < EPOCHS_TOGETHER_MAX {
                match receive.try_recv() {
                    Ok(commit) => commits.push(commit),
                    Err(_) => break,
                }
            }
            let bytes = commits.iter().map(Commit::bytes).sum();
            self.commit(commits)?;
            receive.committed(bytes);
        }
        Ok(())
    }

    fn commit(&mut self, mut commits: Vec<Commit>) -> anyhow::Result<()> {
        let mut entries = Vec::new();
        for commit in &mut commits {
            self.entries_of(commit, &mut entries)?;
        }
        let started = std::time::Instant::now();
        let positions = self.appender.append(entries).context("failed to commit")?;
        self.metrics.committed(commits.len(), started.elapsed());
        for position in positions.iter().filter(|p| p.topic == Topic::Epochs) {
            self.cut.advance(position.topic, position.partition, position.offset + 1);
        }
        commits.iter().for_each(|commit| self.metrics.set_aside(&commit.dead_letters));
        let together = commits.len();
        for (index, commit) in commits.into_iter().enumerate() {
            feed::show(&self.audience, &commit.outcome);
            self.waiters.decided(commit.outcome.number, &commit.outcome.verdicts);
            self.undertaker.bury(commit.remains);
            // A checkpoint stands for its epoch: the epoch records behind it in the same append
            // would be skipped, so it is written only for the last of an append.
            if let (true, Some((cut, rows))) = (index + 1 == together, &commit.rows) {
                self.checkpoint(&commit.record, cut, rows)?;
            } else if let Some((_, rows)) = commit.rows {
                self.kept.extend(rows);
            }
        }
        self.audience.model.set_ready(true);
        self.audience.model.set_role("leader");
        Ok(())
    }

    fn checkpoint(
        &mut self,
        record: &EpochRecord,
        cut: &Cut,
        rows: &[CheckpointRow],
    ) -> anyhow::Result<()> {
        let mut all = std::mem::take(&mut self.kept);
        all.extend(rows.iter().cloned());
        let epochs = self.cut.iter().filter(|(topic, ..)| *topic == Topic::Epochs);
        let cut: Cut = cut.iter().chain(epochs).collect();
        self.store
            .write(record.number, record.term, &cut, &all)
            .context("failed to write the checkpoint")
    }

    /// All that an epoch appends; its dead letters are taken out of it.
    fn entries_of(&self, commit: &mut Commit, entries: &mut Vec<Entry>) -> anyhow::Result<()> {
        let writer = &self.writer;
        entries.push(writer.epoch(&commit.record)?);
        for (key, resource) in &commit.outcome.resources {
            entries.push(match resource {
                Some(resource) => writer.desired(resource)?,
                None => entry::desired_removed(key, commit.record.number),
            });
        }
        for change in &commit.outcome.placements {
            entries.push(match &change.placement {
                Some(placement) => writer.placement(placement)?,
                None => entry::placement_removed(&change.uid, &change.node, commit.record.number),
            });
        }
        for decision in &commit.outcome.decisions {
            entries.push(writer.decision(decision)?);
        }
        entries.append(&mut commit.dead_letters);
        Ok(())
    }
}
