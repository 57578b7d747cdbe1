//! The actuator contract, the node's dispatcher, the conformance suite.
//!
//! Guarantee: whoever implements [`Actuator`] and passes [`conformance`] can carry out placements
//! for the agent. Reading order is the order of the modules.
//! Absent: any runtime (they are crates of their own), the network, desired state of the fleet.

mod actuator;
mod error;
mod fence;
mod credentials;
mod pod;
mod stored;
mod devices;
mod life;
mod pod_address;
mod parting;

pub mod annotations;
pub mod labels;
pub mod session;
pub mod restart;

mod book;
mod desired;
mod stages;
mod health;
mod plan;
mod words;
mod status;

mod message;
mod hooks;
mod farewell;
mod prepare;
mod action;
mod dispatcher;

#[cfg(test)]
mod samples;

pub mod conformance;
pub mod volume;

pub use actuator::{Act, Actuator, Changes, ExecEnd, OUTPUT_BYTES_MAX};
pub use book::{Book, Books, Ending, Failure, Finished};
pub use credentials::{Credentials, Login};
pub use desired::{Authority, Desired, DesiredPod};
pub use devices::GPU_MILLI_VARIABLE;
pub use dispatcher::{Clock, Dispatcher, Pacing, Turn};
pub use error::ActuatorError;
pub use fence::{Fence, Until};
pub use health::{Failed, Health, Healths, UNHEALTHY};
pub use hooks::Call;
pub use life::Life;
pub use message::{MESSAGE_BYTES_MAX, MESSAGE_PATH_DEFAULT, message, message_path, read_message};
pub use parting::Parting;
pub use plan::{Plan, Work, plan};
pub use pod::{FileToMount, Observed, PodToRun, RuntimeInfo, Usage, grace_of};
pub use pod_address::POD_ADDRESS;
pub use prepare::Prepare;
pub use status::{PodStatus, status, status_of_orphan};
pub use stored::{Parts, Stored};
