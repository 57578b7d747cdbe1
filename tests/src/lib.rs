//! System tests: simulation, real Kafka, real Docker, recovery, tidy.
//!
//! This library is the simulator: a plant of nodes that misbehave, a log in memory, a leader that
//! crashes, an operator who asks for things, an auditor who holds what must hold, and one who counts
//! everything anew.
//!
//! Guarantee: a journey is a function of its seed. Absent: clocks, threads, I/O.

pub mod draw;
pub mod manifests;
pub mod memory_log;
pub mod watched;
pub mod committed;

pub mod plant;
pub mod journey;
pub mod invariants;
pub mod recount;
