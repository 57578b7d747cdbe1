//! A leader: cuts epochs from the log, decides, commits, crashes, recovers by checkpoint and replay.

use std::collections::BTreeMap;
use std::sync::Arc;

use setpoint_dataflow::{CheckpointRow, Engine, Epoch, Outcome};
use setpoint_schemas::{Cut, Placement, PodUid, Policy};

use super::watched::{Watched, Window};
use crate::memory_log::MemoryLog;

/// An epoch as it was committed: all that a replay needs, and what it must reach.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The epoch, without its inputs: those are on the log, up to the cut.
    pub epoch: Epoch,
    /// How far it read.
    pub cut: Cut,
    /// The hash over what it decided.
    pub hash: i64,
}

/// The rows of a checkpoint, and the epoch that they stand for.
#[derive(Debug, Clone, Default)]
pub struct Checkpoint {
    rows: BTreeMap<(u8, Vec<u8>), Vec<u8>>,
    /// The epoch; 0: nothing yet.
    pub number: i64,
    cut: Cut,
}

impl Checkpoint {
    /// Writes changed rows.
    pub fn write(&mut self, rows: Vec<CheckpointRow>, number: i64, cut: &Cut) {
        for (table, key, value) in rows {
            match value {
                Some(value) => self.rows.insert((table, key), value),
                None => self.rows.remove(&(table, key)),
            };
        }
        (self.number, self.cut) = (number, cut.clone());
    }

    /// An engine from these rows.
    ///
    /// # Panics
    /// When a row does not read back.
    #[must_use]
    pub fn restore(&self, views: Watched) -> Engine<Watched> {
        let rows =
            self.rows.iter().map(|((table, key), value)| (*table, key.clone(), value.clone()));
        Engine::restore(views, rows).expect("a checkpoint reads back")
    }
}

/// What the log holds beside the inputs: what leaders committed.
#[derive(Debug, Default)]
pub struct Committed {
    /// The epochs, by number from 1.
    pub epochs: Vec<Recorded>,
    /// Placements as they stand.
    pub placements: BTreeMap<PodUid, Arc<Placement>>,
    /// The checkpoint, some epochs behind.
    pub checkpoint: Checkpoint,
}

impl Committed {
    /// The term and number of the last epoch.
    #[must_use]
    pub fn as_of(&self) -> (i64, i64) {
        self.epochs.last().map_or((0, 0), |last| (last.epoch.term, last.epoch.number))
    }

    /// How far the last epoch read.
    #[must_use]
    pub fn cut(&self) -> Cut {
        self.epochs.last().map(|last| last.cut.clone()).unwrap_or_default()
    }

    /// Holds an epoch's outcome.
    pub fn commit(&mut self, recorded: Recorded, outcome: &Outcome) {
        for change in &outcome.placements {
            match &change.placement {
                Some(placement) => self.placements.insert(change.uid.clone(), placement.clone()),
                None => self.placements.remove(&change.uid),
            };
        }
        self.epochs.push(recorded);
    }
}

/// A leader in its reign.
pub struct Leader {
    /// The engine.
    pub engine: Engine<Watched>,
    /// Where to look into its views.
    pub window: Window,
    /// Its reign.
    pub term: i64,
    /// Whether it has decided nothing yet.
    pub is_first: bool,
    /// By its own clock, when it last looked at the log.
    pub looked_ms: i64,
    /// When something falls due.
    pub due_ms: Option<i64>,
    /// Whether a cold step has something to do.
    pub wants_cold: bool,
}

impl Leader {
    /// Recovers from checkpoint and log: every replayed epoch must decide what was recorded.
    ///
    /// # Panics
    /// When a replayed epoch decides otherwise.
    #[must_use]
    pub fn recover(
        committed: &Committed,
        log: &MemoryLog,
        policy: &Policy,
        views: Watched,
        clock_ms: i64,
    ) -> Leader {
        let window = views.window();
        let checkpoint = &committed.checkpoint;
        let is_new = checkpoint.number == 0;
        let mut engine =
            if is_new { Engine::new(views, policy.clone()) } else { checkpoint.restore(views) };
        let mut cut = checkpoint.cut.clone();
        for recorded in committed.epochs.iter().filter(|r| r.epoch.number > checkpoint.number) {
            let inputs = log.between(&cut, &recorded.cut);
            let outcome = engine.step(Epoch { inputs, ..recorded.epoch.clone() });
            assert_eq!(
                outcome.hash, recorded.hash,
                "epoch {} replayed from the checkpoint of epoch {} decides otherwise: {:#?}",
                recorded.epoch.number, checkpoint.number, outcome.decisions
            );
            cut = recorded.cut.clone();
        }
        let term = committed.as_of().0 + 1;
        Leader {
            engine,
            window,
            term,
            is_first: true,
            looked_ms: clock_ms,
            due_ms: Some(0),
            wants_cold: true,
        }
    }
}
