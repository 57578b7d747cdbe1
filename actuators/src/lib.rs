//! The actuator contract, the node's dispatcher, the conformance suite.
//!
//! Guarantee: whoever implements [`Actuator`] and passes [`conformance`] can carry out placements
//! for the agent. Reading order is the order of the modules.
//! Absent: any runtime (they are crates of their own), the network, desired state of the fleet.

mod actuator;
mod error;
mod pod;

pub mod labels;
pub mod restart;

pub mod conformance;

pub use actuator::{Actuator, Act, Changes};
pub use error::ActuatorError;
pub use pod::{grace_of, FileToMount, Observed, PodToRun, RuntimeInfo, Usage};
