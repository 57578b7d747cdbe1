//! Preemption: which pods of lower priority would have to go so that one pod fits.
//!
//! Guarantee: who is chosen follows from the fleet, the pods' priorities, ages and budgets, never from
//! numbers. Nobody of equal or higher priority is chosen, and nobody whose going does not help.
//! Absent: stopping anybody. Whoever asked does that.
//!
//! Source of the order of candidates and victims: kube-scheduler's plugin DefaultPreemption.

mod cost;
mod levels;
mod occupant;
mod ranking;
mod select;

pub(crate) use cost::Cost;
pub(crate) use levels::{Amounts, LEAVING, Levels};
pub use occupant::{Occupant, Roster};
pub(crate) use ranking::{Ranking, Rated};
pub(crate) use select::{Below, Trial, select};

use crate::{NodeId, PodId};

/// What has to happen so that a pod fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preemption {
    /// The node that it will fit on.
    pub node: NodeId,
    /// Who has to go, the most important first; nobody where all that is in the way leaves already.
    pub victims: Vec<PodId>,
    /// How many of the victims their budgets would not let go.
    pub violations: usize,
}
