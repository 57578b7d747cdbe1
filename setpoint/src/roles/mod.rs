//! The roles: each runs until it is told to stop.

use std::process::ExitCode;

pub mod up;
pub mod engine;
pub mod agent;

/// What this program must be before it reads its command line: the supervisor of a container, when
/// the process runtime started it as one. `None` for everyone else.
#[must_use]
pub fn before_main() -> Option<ExitCode> {
    None
}
