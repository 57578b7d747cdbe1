//! The roles: each runs until it is told to stop.

use std::path::Path;
use std::process::ExitCode;

mod signals;

pub mod up;
pub mod engine;
pub mod agent;

/// The first argument with which this program becomes the supervisor of a container.
const SHIM: &str = "container-shim";

/// What this program must be before it reads its command line: the supervisor of a container, when
/// the process runtime started it as one. `None` for everyone else.
#[must_use]
pub fn before_main() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let is_shim = arguments.next().is_some_and(|first| first == SHIM);
    let folder = arguments.next().filter(|_| is_shim)?;
    Some(setpoint_actuator_process::shim::run(Path::new(&folder)))
}
