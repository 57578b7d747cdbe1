//! The system as a whole: the real program as processes on this machine.
//! Absent yet: real Kafka, real Docker Engines; their crates' own tests have them.
//!
//! Every test starts its own engine and agents on free ports and in a folder of its own, and leaves
//! nothing behind. One test at a time: each wants the machine's cores for itself.

mod api;
mod house;
mod ledger;
mod processes;

mod engine_kill;
