//! What the roles print about themselves: lines on stderr.

use std::io::IsTerminal;

use setpoint_settings::{TraceFormat, TraceSettings};
use tracing_subscriber::EnvFilter;

use crate::failure::Failure;

/// Starts printing. A second start in one process changes nothing.
pub(crate) fn start(settings: &TraceSettings) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&settings.filter)
        .map_err(|error| Failure::usage("the settings cannot be used").at("trace.filter", error))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        // It would be told on stderr, by a macro that panics where stderr is closed.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    let started = match settings.format {
        TraceFormat::Text => lines.try_init(),
        TraceFormat::Json => lines.json().try_init(),
    };
    drop(started);
    Ok(())
}
