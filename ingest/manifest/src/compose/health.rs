//! A service's `healthcheck` as probes.
//!
//! Docker has one check with a time to start; Kubernetes has three probes. The check becomes all of
//! them: the time to start is a startup probe, and then the same command says whether the container is
//! ready and whether it lives. The reasons stand in `docs/decisions/0032-probes.md`.

use serde_json::{Value, json};
use setpoint_schemas::{IMAGE_CHECK, IMAGE_CHECK_OFF};

use super::fields;
use super::making::Making;
use super::units::{duration_ms, escaped, scalar_text, truth, whole};
use crate::gate::cursor::Cursor;

/// Docker's defaults, in milliseconds and failures.
const INTERVAL_MS: i64 = 30_000;
const TIMEOUT_MS: i64 = 30_000;
const START_INTERVAL_MS: i64 = 5_000;
const RETRIES: i64 = 3;
/// The shell of a text, as Docker has it in images of Linux.
const SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// What a service says of its health.
enum Check {
    /// Nothing: the image's own check counts.
    OfImage,
    /// Not even that.
    None,
    /// A command.
    Command(Vec<String>),
}

/// How often, how long, how many times.
struct Times {
    interval_ms: i64,
    timeout_ms: i64,
    retries: i64,
    start_period_ms: i64,
    start_interval_ms: i64,
}

/// Gives the container its probes, and the template what the runtime must know of the image's own
/// check.
pub(crate) fn apply(making: &mut Making<'_>, service: &Cursor<'_>, template: &mut Value) {
    let Some(at) = service.get("healthcheck") else { return };
    making.check(&at, fields::HEALTHCHECK);
    let times = times(making, &at);
    match check(making, &at) {
        None => {}
        Some(Check::OfImage) => of_image(making, &at),
        Some(Check::None) => {
            template["metadata"]["annotations"][IMAGE_CHECK] = json!(IMAGE_CHECK_OFF);
        }
        Some(Check::Command(command)) => {
            let container = &mut template["spec"]["containers"][0];
            probes(&command, &times, container);
        }
    }
}

/// `None` when it is refused.
fn check(making: &mut Making<'_>, at: &Cursor<'_>) -> Option<Check> {
    let test = at.field("test");
    if at.get("disable").is_some_and(|disable| truth(disable.value) == Some(true)) {
        return Some(Check::None);
    }
    let items = match test.value {
        Value::Null => return Some(Check::OfImage),
        Value::Array(items) => items.iter().map(scalar_text).collect::<Option<Vec<_>>>(),
        other => Some(vec!["CMD-SHELL".to_owned(), scalar_text(other).unwrap_or_default()]),
    };
    let words = items.unwrap_or_default();
    let (kind, rest) = words.split_first().map_or(("", &[][..]), |(kind, rest)| (&**kind, rest));
    Some(match (kind, rest) {
        ("", []) if test.items().is_empty() => Check::OfImage,
        ("NONE", _) => Check::None,
        ("CMD", [_, ..]) => Check::Command(rest.to_vec()),
        ("CMD-SHELL", [text]) if !text.is_empty() => {
            let shell = SHELL.iter().map(|word| (*word).to_owned());
            Check::Command(shell.chain([text.clone()]).collect())
        }
        _ => {
            let why = "must be a text, or a list that begins with NONE, CMD or CMD-SHELL";
            making.refuse(&test, why);
            return None;
        }
    })
}

/// What the image asks is not known here, nor whether it asks anything: its check keeps the times that it
/// was made with, and an image without a check is not asked at either time.
fn of_image(making: &mut Making<'_>, at: &Cursor<'_>) {
    let times = ["interval", "timeout", "retries", "start_period", "start_interval"];
    if times.iter().any(|name| at.get(name).is_some()) {
        making.warnings.push(format!(
            "{} has no test: where the image has a check it keeps its own times",
            at.path
        ));
    }
}

fn times(making: &mut Making<'_>, at: &Cursor<'_>) -> Times {
    let mut time = |name: &str, default: i64| {
        let Some(field) = at.get(name) else { return default };
        match duration_ms(field.value) {
            // As in Docker, none stands for the default.
            Ok(0) => default,
            Ok(ms) => ms,
            Err(why) => {
                making.refuse(&field, why);
                default
            }
        }
    };
    let interval_ms = time("interval", INTERVAL_MS);
    let timeout_ms = time("timeout", TIMEOUT_MS);
    let start_period_ms = time("start_period", 0);
    let start_interval_ms = time("start_interval", START_INTERVAL_MS);
    let retries = at.get("retries").map(|field| (whole(field.value), field));
    let retries = match retries {
        None | Some((Some(0), _)) => RETRIES,
        Some((Some(number), _)) if number > 0 && i32::try_from(number).is_ok() => number,
        Some((_, field)) => {
            making.refuse(&field, "must be a whole number that is not negative");
            RETRIES
        }
    };
    Times { interval_ms, timeout_ms, retries, start_period_ms, start_interval_ms }
}

fn probes(command: &[String], times: &Times, container: &mut Value) {
    // What the shell is to replace must reach it.
    let command: Vec<String> = command.iter().map(|word| escaped(word)).collect();
    let probe = |period_ms: i64, failures: i64| {
        json!({
            "exec": {"command": command},
            "periodSeconds": seconds(period_ms),
            "timeoutSeconds": seconds(times.timeout_ms),
            "failureThreshold": failures,
        })
    };
    let mut liveness = probe(times.interval_ms, times.retries);
    if times.start_period_ms > 0 {
        // Failures count only after the time to start; then as many as ever are allowed.
        let counted_ms = times.interval_ms.saturating_mul(times.retries);
        let all_ms = times.start_period_ms.saturating_add(counted_ms);
        let every_ms = seconds(times.start_interval_ms) * 1_000;
        let failures = all_ms.saturating_add(every_ms - 1) / every_ms;
        container["startupProbe"] =
            probe(times.start_interval_ms, failures.min(i64::from(i32::MAX)));
    } else {
        // Docker asks first when an interval has passed.
        liveness["initialDelaySeconds"] = json!(seconds(times.interval_ms));
    }
    container["readinessProbe"] = probe(times.interval_ms, times.retries);
    container["livenessProbe"] = liveness;
}

/// Kubernetes counts whole seconds, and at least one; a part of one counts as one.
fn seconds(ms: i64) -> i64 {
    ((ms.saturating_add(999)) / 1_000).clamp(1, i64::from(i32::MAX))
}
