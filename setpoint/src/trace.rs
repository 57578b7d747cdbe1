//! What the roles print about themselves: lines on stderr.

use std::io::IsTerminal;

use setpoint_settings::{TraceFormat, TraceSettings, process_environment};
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
        .with_ansi(std::io::stderr().is_terminal() && is_colourful(&process_environment()))
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

/// Whether colours are wanted: `NO_COLOR` (no-color.org) is not set to anything, and the terminal is
/// not dumb.
fn is_colourful(variables: &[(String, String)]) -> bool {
    let value = |name: &str| variables.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    value("NO_COLOR").is_none_or(str::is_empty) && value("TERM") != Some("dumb")
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
    fn colours_are_left_out_where_nobody_wants_them() {
        let given = |name: &str, value: &str| is_colourful(&[(name.to_owned(), value.to_owned())]);
        assert!(is_colourful(&[]) && given("NO_COLOR", "") && given("TERM", "xterm"));
        assert!(!given("NO_COLOR", "1") && !given("TERM", "dumb"));
    }

    #[test]
    fn the_verifier_is_silent_unless_it_is_asked_for() {
        assert_eq!(filter_of("info"), "info,rustls_platform_verifier=off");
        let asked = "warn,rustls_platform_verifier=debug";
        assert_eq!(filter_of(asked), asked);
        assert!(EnvFilter::try_new(filter_of("")).is_ok());
    }
}
