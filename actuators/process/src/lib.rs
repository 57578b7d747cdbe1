//! Pods as operating-system processes: a container is a session of processes, told apart by what
//! is written under a state folder.
//!
//! Guarantee: processes outlive the agent; a new one finds them and learns how they ended, because
//! a small supervisor ([`shim`]) stands beside each container and writes it down. A container's end
//! is the end of every process that it started, whatever session or parent that one has.
//! Absent: isolation. A process sees the node's files and network; images, mount paths, ports and
//! resource limits have no effect. Volumes are folders named in `SETPOINT_MOUNT_<NAME>`.

mod actuator;
mod container;
mod exec;
mod disk;
mod kin;
mod volumes;

pub mod shim;
pub mod outside;

mod machine;
mod procfs;

pub use actuator::{ProcessActuator, ProcessError, ProcessOptions};
