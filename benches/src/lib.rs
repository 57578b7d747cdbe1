//! The published measurements: one command, one machine-readable result.
//!
//! Guarantee: a comparison is of the same work in the same run, and its outputs are proven equal
//! before its time counts. Each section runs in a process of its own, so that the memory of one
//! does not stand in the figures of another. Each figure is the median of its repeats, in turns with
//! what it is held against, and the worst of them stands beside it.

pub mod openb;
pub mod sizes;
pub mod measurement;
pub mod rounds;
pub mod sections;

mod commit;
mod house;
mod by_hand;
mod duel;
mod flips;
mod churn;
mod kafka;
mod http;
mod packing;
mod cases;
mod clock;
mod cold;
mod plant;
mod machine;
mod memory;

pub use machine::Machine;
