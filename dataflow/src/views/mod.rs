//! The maintained views: tallies, drift, stranded pods, allocation, orphans, rollups.
//!
//! Guarantee: after [`Views::settle`] the changes of every view since the settle before, netted
//! and in key order, whichever implementation maintains them. Absent: names and ids as text;
//! everything here is an interned number.

mod differential;
mod facts;
mod handwritten;
mod scratch;

pub use differential::Differential;
pub use facts::{Allocation, Changes, Fact, PodFact, Rollup, Standing, Tally, WorkloadRevision};
pub use handwritten::HandWritten;
pub use scratch::Scratch;

/// A maintainer of the views. Three implement it: the dataflow, a hand-written engine, and a
/// recomputation from scratch; the oracle holds them against each other after every epoch.
pub trait Views {
    /// A fact begins (`+1`) or ceases (`-1`) to hold. Facts are a multiset that the caller keeps
    /// free of duplicates.
    fn update(&mut self, fact: Fact, difference: isize);

    /// What changed in the views since the last settle.
    fn settle(&mut self) -> Changes;

    /// What changed in the cold views since the last cold settle.
    fn settle_cold(&mut self) -> Vec<(u32, Option<Rollup>)>;
}
