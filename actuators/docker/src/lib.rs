//! Pods on a Docker Engine, or on Podman by the same API.
//!
//! Guarantee: nothing is kept in memory that matters. Every container carries labels that say which
//! pod it is of, so that a new instance finds its pods; one without our fleet's label is never
//! touched. Passes the conformance suite of `setpoint-actuators` on a real engine.
//! Absent: when to restart (the agent's rule; containers are made without a restart policy of the
//! engine's own), credentials of private registries, claims.

mod actuator;
mod config;

mod start;
mod stop;
mod exec;
mod observe;
mod usage;
mod stored;
mod cgroup;
mod logs;
mod lives;
mod session;
mod command;
mod family;

mod body;
mod naming;
mod rights;
mod user;
mod seccomp;
mod mounts;
mod message;
mod sandbox;
mod image;
mod volumes;
mod memory;
mod names;
mod engine;
mod raw;

#[cfg(feature = "testing")]
pub mod testing;

pub use actuator::DockerActuator;
pub use config::{DockerConfig, Network};
