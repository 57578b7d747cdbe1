//! The published measurements: one command, one machine-readable result.
//!
//! Guarantee: a comparison is of the same work in the same run, and its outputs are proven equal
//! before its time counts. Each section runs in a process of its own, so that the memory of one
//! does not stand in the figures of another.
//! Absent: the log, the checkpoint's store and the network between them; they have their own tests.

pub mod openb;
pub mod sizes;
pub mod measurement;
pub mod sections;

mod cases;
mod clock;
mod plant;
mod machine;
mod memory;

pub use machine::Machine;
