//! The maintained views. Hot: tallies and stranded pods, which every decision reads. Cold: statuses
//! (drift among them), stale revisions, orphans, and the rollups of nodes, namespaces and fleet.
//!
//! Guarantee: after [`Views::settle`] the changes of every view since the settle before, netted
//! and in key order, whichever implementation maintains them. Absent: names and ids as text;
//! everything here is an interned number.

mod facts;
mod amounts;
mod rows;

mod differential;
mod handwritten;
mod scratch;

pub use differential::{Differential, Gone, Seat, serve};
pub use facts::{Fact, NodeFact, PodFact, Standing};
pub use handwritten::HandWritten;
pub use rows::{
    Allocation, Changes, ColdChanges, Fleet, NodeRollup, Rollup, Sighting, Status, Tally,
    WorkloadRevision,
};
pub use scratch::Scratch;

/// A maintainer of the views. Three implement it: the dataflow, a hand-written engine, and a
/// recomputation from scratch; the oracle holds them against each other after every epoch.
pub trait Views {
    /// A fact begins (`+1`) or ceases (`-1`) to hold. Facts are a multiset that the caller keeps
    /// free of duplicates.
    fn update(&mut self, fact: Fact, difference: isize);

    /// What changed in the hot views since the last settle.
    fn settle(&mut self) -> Changes;

    /// What changed in the cold views since the last cold settle. They stand for all facts told,
    /// whether or not the hot views were asked since.
    fn settle_cold(&mut self) -> ColdChanges;

    /// The same of at most so many workloads, each with all that changed of it, and of everything
    /// else; whether workloads are left over. Who costs little takes all of them.
    fn settle_cold_some(&mut self, workloads_max: usize) -> (ColdChanges, bool) {
        let _ = workloads_max;
        (self.settle_cold(), false)
    }
}
