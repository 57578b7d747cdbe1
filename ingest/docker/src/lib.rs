//! Docker Engine as a source: its event stream joined with its list, as observed pods and nodes.
//!
//! Guarantee: after every snapshot the view is what the engine listed, whatever events were lost,
//! late or doubled before it. [`View`] is pure: events and lists in, observations out; [`watch`]
//! is the one place that talks to an engine.
//! Absent: acting on an engine, the log; whoever watches passes the observations on: the role
//! `agent --watch` does, to the API.

mod facts;
mod view;
mod pods;
mod node;
mod watch;

pub use facts::{Event, Facts};
pub use node::{node_of, node_unreachable};
pub use pods::Scope;
pub use view::{View, Watcher};
pub use watch::{WatchError, WatchSettings, connect, watch};
