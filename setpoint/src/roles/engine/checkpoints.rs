//! The checkpoints of an engine: each holds what changed since the one before.
//!
//! Guarantee: a disk that is full, or fails, ends nothing, for the log is the memory: what a
//! checkpoint lacks is kept, by key, and written with the next one.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use setpoint_dataflow::CheckpointRow;
use setpoint_schemas::Cut;
use setpoint_store::{Checkpoint, StoreError};
use tracing::{error, info};

use super::metrics::Metrics;

/// A checkpoint, and what it lacks.
pub(super) struct Checkpoints {
    store: Checkpoint,
    metrics: Arc<Metrics>,
    /// The latest of each row that is not written yet: at most all rows of the engine.
    kept: BTreeMap<(u8, Vec<u8>), Option<Vec<u8>>>,
    is_failing: bool,
}

impl Checkpoints {
    /// Goes on with this one.
    pub(super) fn new(store: Checkpoint, metrics: Arc<Metrics>) -> Checkpoints {
        Checkpoints { store, metrics, kept: BTreeMap::new(), is_failing: false }
    }

    /// Keeps rows for the next write.
    pub(super) fn keep(&mut self, rows: &[CheckpointRow]) {
        let row = |(table, key, value): &CheckpointRow| ((*table, key.clone()), value.clone());
        self.kept.extend(rows.iter().map(row));
    }

    /// Moves the checkpoint to this epoch. What does not succeed for a reason that may pass is told
    /// once, and tried again with the next.
    ///
    /// # Errors
    /// When the checkpoint is damaged.
    pub(super) fn write(
        &mut self,
        epoch: i64,
        term: i64,
        cut: &Cut,
        rows: &[CheckpointRow],
    ) -> anyhow::Result<()> {
        let written = if self.kept.is_empty() {
            self.store.write(epoch, term, cut, rows)
        } else {
            self.keep(rows);
            let row = |((table, key), value): (&(u8, Vec<u8>), &Option<Vec<u8>>)| {
                (*table, key.clone(), value.clone())
            };
            let all: Vec<CheckpointRow> = self.kept.iter().map(row).collect();
            self.store.write(epoch, term, cut, &all)
        };
        match written {
            Ok(()) => self.succeeded(epoch),
            Err(passing @ StoreError::Database { .. }) => {
                self.keep(rows);
                self.failed(passing);
            }
            Err(error) => return Err(error).context("failed to write the checkpoint"),
        }
        Ok(())
    }

    fn succeeded(&mut self, epoch: i64) {
        self.kept.clear();
        if std::mem::take(&mut self.is_failing) {
            info!(epoch, "checkpoints are written again");
        }
    }

    fn failed(&mut self, error: StoreError) {
        self.metrics.checkpoint_failed();
        if !std::mem::replace(&mut self.is_failing, true) {
            let why = format!("{:#}", anyhow::Error::new(error));
            error!(why, "the checkpoint is not written; it is tried again, and the log goes on");
        }
    }
}
