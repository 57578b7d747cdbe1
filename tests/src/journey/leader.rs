//! A leader: cuts epochs from the log, decides, commits, crashes, recovers by checkpoint and replay.

use setpoint_dataflow::{Engine, Epoch};
use setpoint_schemas::{Cut, Policy};

use crate::committed::Committed;
use crate::memory_log::MemoryLog;
use crate::watched::{Watched, Window};

/// A leader in its reign.
pub struct Leader {
    /// The engine.
    pub engine: Engine<Watched>,
    /// Where to look into its views.
    pub window: Window,
    /// Its reign.
    pub term: i64,
    /// Whether its first epoch must say that its state did not come by exact replay.
    pub is_marked: bool,
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
    /// Recovers from checkpoint and log: every replayed epoch must decide what was recorded, until
    /// one of a leader whose own state was rebuilt. On a trimmed log without a checkpoint it is
    /// rebuilt itself.
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
        withdrawn_are_kept: bool,
    ) -> Leader {
        let window = views.window();
        let checkpoint = &committed.checkpoint;
        let (mut engine, mut cut) = match checkpoint.number {
            0 if committed.is_trimmed => {
                let compacted = committed.compacted(log, withdrawn_are_kept);
                let engine = Engine::rebuild(views, policy, compacted);
                (engine.expect("the compacted topics fit each other"), committed.cut())
            }
            0 => (Engine::new(views, policy.clone()), Cut::default()),
            _ => (checkpoint.restore(views), checkpoint.cut.clone()),
        };
        let from = engine.number();
        for recorded in committed.epochs.iter().filter(|r| r.epoch.number > from) {
            let inputs = log.between(&cut, &recorded.cut);
            let epoch = Epoch { inputs, ..recorded.epoch.clone() };
            cut = recorded.cut.clone();
            if epoch.rebuilt || !engine.is_exact() {
                engine.follow(epoch, &recorded.outcome);
                continue;
            }
            let outcome = engine.step(epoch);
            assert_eq!(
                outcome.hash,
                recorded.outcome.hash,
                "epoch {} replayed from the checkpoint of epoch {} decides otherwise: {:#?}\nthan was recorded: {:#?}",
                recorded.epoch.number,
                checkpoint.number,
                outcome.ledger(),
                recorded.outcome.decisions
            );
        }
        let term = committed.as_of().0 + 1;
        Leader {
            is_marked: !engine.is_exact(),
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
