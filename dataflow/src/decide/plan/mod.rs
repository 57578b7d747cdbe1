//! Plans: from what the views count to steps, and from steps to placements, withdrawals and waiting.

mod daemons;
mod depending;
mod elsewhere;
mod evicted;
mod leaving;
mod each;
mod placing;
mod planning;
mod preempting;
mod progress;
mod priorities;
mod promises;
mod quotas;
mod tallies;
mod stateful;
mod waiting;

pub(crate) use placing::{Start, placement_of};
