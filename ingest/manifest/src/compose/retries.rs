//! After which wait a container is restarted, and how often: `deploy.restart_policy`, and the number behind
//! `restart: on-failure`.
//!
//! Annotations of the pod say it. Where restarts are counted, a service that used them up is given up, as
//! in Compose, and not tried elsewhere.

use serde_json::{Value, json};

use super::making::Making;
use super::units::{duration_ms, scalar_text, whole};
use crate::gate::cursor::Cursor;

/// The longest time that the annotations take, a day.
const MS_MAX: i64 = 86_400_000;
/// The most attempts that they take.
const ATTEMPTS_MAX: i64 = 1_000_000;
const BACKOFF: &str = "setpoint.dev/restart-backoff-ms";
const FACTOR: &str = "setpoint.dev/restart-backoff-factor";
const ATTEMPTS: &str = "setpoint.dev/restart-attempts";
const INTERVAL: &str = "setpoint.dev/restart-interval-ms";

/// Writes what a service says of it among the annotations of its pods; whether it is given up some time.
pub(crate) fn apply(making: &mut Making<'_>, service: &Cursor<'_>, asked: &mut Value) -> bool {
    let policy = service.field("deploy").field("restart_policy");
    if let Some(delay_ms) = time(making, &policy.field("delay")) {
        // The same wait each time; none is a millisecond, the least that there is.
        asked[BACKOFF] = json!(delay_ms.max(1).to_string());
        asked[FACTOR] = json!("1");
    }
    let window_ms = time(making, &policy.field("window")).filter(|ms| *ms > 0);
    let Some(attempts) = attempts(making, service, &policy) else { return false };
    asked[ATTEMPTS] = json!(attempts.to_string());
    if let Some(window_ms) = window_ms {
        asked[INTERVAL] = json!(window_ms.to_string());
    }
    true
}

fn time(making: &mut Making<'_>, at: &Cursor<'_>) -> Option<i64> {
    if at.value.is_null() {
        return None;
    }
    match duration_ms(at.value) {
        Ok(ms) if (0..=MS_MAX).contains(&ms) => return Some(ms),
        Ok(_) => making.refuse(at, "must be from 0 to a day"),
        Err(why) => making.refuse(at, &why),
    }
    None
}

/// 0 is without bound, as for Docker. `deploy` wins over `restart`.
fn attempts(making: &mut Making<'_>, service: &Cursor<'_>, policy: &Cursor<'_>) -> Option<i64> {
    let (most, restart) = (policy.field("max_attempts"), service.field("restart"));
    let text = scalar_text(restart.value).unwrap_or_default();
    let behind = text.split_once(':').filter(|(word, _)| *word == "on-failure");
    let (at, number) = match behind {
        _ if !most.value.is_null() => (&most, whole(most.value)),
        _ if !policy.field("condition").value.is_null() => return None,
        Some((_, number)) => (&restart, number.trim().parse().ok()),
        None => return None,
    };
    match number {
        Some(0) => None,
        Some(number) if (1..=ATTEMPTS_MAX).contains(&number) => Some(number),
        _ => {
            making.refuse(at, "must allow a whole number of attempts from 0 to a million");
            None
        }
    }
}
