//! The node's loop: keeps the runtime equal to the node's placements, and tells how it goes.
//!
//! A client of the API, as a kubelet is. Guarantee: nothing is stopped before a valid, complete
//! list of this fleet was accepted in this life; a list of a lower (term, epoch) than any accepted
//! before is refused, also across restarts; pods run on when the agent ends; of two agents with one
//! node name the earlier one ends and says so, and its pods with it where the later one runs them
//! elsewhere. Who reads a container's output or runs a command in it is met at
//! the API; the only connections that it takes are those to Services.
//! Absent: deciding where pods run, replacing them, the runtime itself.

mod agent;
mod relay;
mod error;
mod options;

mod guard;
mod fence;
mod standing;
mod outbox;
mod resolve;
mod view;
mod probes;
mod services;

mod client;
mod lease;
mod leaving;
mod registration;
mod refresh;
mod claims;
mod reports;
mod room;
mod pressure;
mod evictions;
mod samples;
mod session;
mod watch;
mod calls;

mod clock;
mod files;

pub use agent::run;
pub use client::http;
pub use error::{AgentError, PodsLeft};
pub use options::{AgentOptions, Intervals, ServicesOptions};
pub use pressure::Thresholds;
pub use relay::relay;
pub use session::Session;
