//! What the roles print about themselves: lines on stderr.

use std::io::IsTerminal;

use setpoint_settings::{TraceFormat, TraceSettings};
use tracing_subscriber::EnvFilter;

use crate::failure::Failure;

/// The library that verifies certificates logs each failure as an error, however often it is tried;
/// whoever connects tells it once, with its reason.
const VERIFIER: &str = "rustls_platform_verifier";

/// Starts printing. A second start in one process changes nothing.
pub(crate) fn start(settings: &TraceSettings) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(filter_of(&settings.filter))
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

/// The filter that is asked for, and silence for what others tell already, unless it is asked for.
fn filter_of(asked: &str) -> String {
    match (asked.contains(VERIFIER), asked.trim().is_empty()) {
        (true, _) => asked.to_owned(),
        (false, true) => format!("{VERIFIER}=off"),
        (false, false) => format!("{asked},{VERIFIER}=off"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verifier_is_silent_unless_it_is_asked_for() {
        assert_eq!(filter_of("info"), "info,rustls_platform_verifier=off");
        let asked = "warn,rustls_platform_verifier=debug";
        assert_eq!(filter_of(asked), asked);
        assert!(EnvFilter::try_new(filter_of("")).is_ok());
    }
}
