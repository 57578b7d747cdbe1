//! GPU allocation on the openb trace: the published method to the letter, ours beside the published.
//!
//! The trace (Alibaba's GPU cluster of 1,213 nodes and 6,212 GPUs, nine lists of pods) and the method are
//! those of "Beware of Fragmentation: Scheduling GPU-Sharing Workloads with Fragmentation Gradient
//! Descent" (Weng et al., USENIX ATC 2023): pods of 130 % of the capacity arrive in a given order,
//! each is placed where a policy says or dropped where it fits nowhere, none leaves. No policy may
//! refuse a pod that fits.
//!
//! Guarantee: arrivals and ranks of nodes are the published ones; a policy knows the list's mix and
//! the node before it, not what arrives next.
//! Absent: the trace itself, which lies with the real inputs.

mod table;
mod node;
mod trace;
mod workloads;
mod chooser;
mod tournament;
mod board;
mod policies;
mod run;
mod through_fleet;

use std::path::PathBuf;

pub use policies::Policy;
pub use run::{Outcome, run};
pub use through_fleet::run_through_fleet;
pub use trace::Trace;
pub use workloads::{Published, Workload};

/// The nine lists of pods: as traced; with shares of pods that need CPU only, a share of a device,
/// several devices, or a certain model, of so many percent.
pub const LISTS: [&str; 9] = [
    "default",
    "cpu050",
    "cpu100",
    "gpushare40",
    "gpushare60",
    "gpuspec10",
    "gpuspec25",
    "multigpu20",
    "multigpu30",
];

/// The folder of the trace; `None` where the real inputs are not.
#[must_use]
pub fn folder() -> Option<PathBuf> {
    setpoint_test_support::data_if_there("traces/openb")
}
