//! Pods as operating-system processes: a container is a session of processes, told apart by what
//! is written under a state folder.
//!
//! Guarantee: processes outlive the agent; a new one finds them and learns how they ended, because
//! a small supervisor ([`shim`]) stands beside each container and writes it down. A container's end
//! is the end of every process that it started, whatever session or parent that one has. What it writes
//! is kept by the supervisor, within a bound, and so is what it wrote before its last restart.
//! Absent: isolation. A process sees the node's files and network; images, mount paths, ports and
//! resource limits have no effect. Volumes are folders named in `SETPOINT_MOUNT_<NAME>`. A pod that
//! asks for rights, users or names of its own is refused by the field.

mod actuator;
mod able;
mod container;
mod look;
mod exec;
mod disk;
mod kin;
mod volumes;
mod stored;
mod fence;

pub mod shim;
mod output;
mod logs;
mod session;
mod terminal;
mod command;
pub mod outside;

mod word;
mod code;
mod machine;
mod procfs;

pub use actuator::{ProcessActuator, ProcessError, ProcessOptions};
