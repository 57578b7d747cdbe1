//! The policies: ours, and those that it is held against.

mod random;
mod best_fit;
mod typical;
mod fgd;
mod setpoint;

use super::board::Boards;
use super::chooser::Chooser;
use super::trace::Trace;
use best_fit::BestFit;
use fgd::Fgd;
use random::Random;
use setpoint::Setpoint;

/// A policy of the bench.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Policy {
    /// Ours: value descent.
    Setpoint,
    /// Fragmentation gradient descent.
    Fgd,
    /// The least CPU and GPU left.
    BestFit,
    /// Any node that fits.
    Random,
}

impl Policy {
    /// All of them, ours first.
    pub const ALL: [Policy; 4] = [Policy::Setpoint, Policy::Fgd, Policy::BestFit, Policy::Random];

    /// Its name in the rows.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Policy::Setpoint => "setpoint",
            Policy::Fgd => "FGD",
            Policy::BestFit => "BestFit",
            Policy::Random => "Random",
        }
    }

    /// Its name in the published table; none for ours.
    #[must_use]
    pub fn published_name(self) -> Option<&'static str> {
        match self {
            Policy::Setpoint => None,
            Policy::Fgd => Some("06-FGD"),
            Policy::BestFit => Some("05-BestFit"),
            Policy::Random => Some("01-Random"),
        }
    }

    /// The policy, ready for the first pod of a run.
    pub(super) fn chooser(self, trace: &Trace, seed: u32) -> Box<dyn Chooser> {
        let nodes = trace.nodes.len();
        match self {
            Policy::Setpoint => Box::new(Boards::new(Setpoint::of(trace), nodes)),
            Policy::Fgd => Box::new(Boards::new(Fgd::of(trace), nodes)),
            Policy::BestFit => Box::new(Boards::new(BestFit, nodes)),
            Policy::Random => Box::new(Random::with_seed(seed)),
        }
    }
}
