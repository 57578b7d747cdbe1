//! Desired against actual, maintained: one entry, `Engine::step(Epoch) -> Outcome`.
//!
//! Guarantee: the outcome is a function of the state and the epoch; an engine rebuilt from its
//! checkpoint decides as the one that ran through.
//! Absent: I/O, clocks, randomness, environment.

mod epoch;
mod cadence;
mod engine;
mod everything;
mod explain;
mod followed;
mod rebuild;

mod causes;
mod decided;
mod digest;
mod state;
mod decide;

pub use setpoint_views as views;

pub use cadence::pause_after_cold;
pub use decided::Decided;
pub use engine::{Engine, Work};
pub use epoch::{
    Epoch, Foreseen, ItemVerdict, NodeServed, Outcome, Overview, PlacementChange, Recorded, Served,
    Verdict, WaitingPod,
};
pub use explain::{Explanation, NodeSays};
pub use followed::Followed;
pub use rebuild::{Compacted, Placed};
pub use setpoint_placement::DeviceLeft;
pub use state::{ChangedRows, CheckpointRow, PodInRows, Remains, RestoreError, Table, pods_in};
