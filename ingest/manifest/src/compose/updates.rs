//! How updates are watched: `failure_action`, `monitor` and `max_failure_ratio` of `update_config`, and
//! all of `rollback_config`, as annotations.
//!
//! Source of the defaults: Docker's (`pause`, 5 s, 0; one at a time, stopped first). Absent: what an update
//! does itself (`deploy.rs`). What says nothing of failures is as Kubernetes has it: an update that does not
//! get on stands still by itself.

use serde_json::{Value, json};

use super::fields;
use super::making::Making;
use super::units::{duration_ms, scalar_text, whole};
use crate::annotations::{
    ANNOTATION_FAILURE_ACTION, ANNOTATION_FAILURE_RATIO, ANNOTATION_MONITOR, ROLLBACK_DELAY,
    ROLLBACK_FAILURE_ACTION, ROLLBACK_FAILURE_RATIO, ROLLBACK_MONITOR, ROLLBACK_ORDER,
    ROLLBACK_PARALLELISM,
};
use crate::gate::cursor::Cursor;

/// Docker's default of `monitor`.
const MONITOR_MS: i64 = 5_000;
/// A day: the engine watches no pod's beginning for longer.
const MONITOR_MS_MAX: i64 = 86_400_000;
const DAEMONS: &str = "a DaemonSet goes back in the way in which it goes forward";

/// Adds the annotations of a service's updates.
pub(super) fn apply(making: &mut Making<'_>, service: &Cursor<'_>, annotations: &mut Value) {
    let deploy = service.field("deploy");
    let (update, rollback) = (deploy.field("update_config"), deploy.field("rollback_config"));
    making.check(&rollback, fields::UPDATE_CONFIG);
    let names = [ANNOTATION_FAILURE_ACTION, ANNOTATION_MONITOR, ANNOTATION_FAILURE_RATIO];
    watch(making, &update, (&["continue", "pause", "rollback"], names), annotations);
    if rollback.value.is_null() {
        return;
    }
    let names = [ROLLBACK_FAILURE_ACTION, ROLLBACK_MONITOR, ROLLBACK_FAILURE_RATIO];
    watch(making, &rollback, (&["continue", "pause"], names), annotations);
    match deploy.field("mode").text() {
        "global" => same_way(making, &update, &rollback),
        _ => way_back(making, &rollback, annotations),
    }
}

/// What is said of failures, where anything is.
fn watch(
    making: &mut Making<'_>,
    config: &Cursor<'_>,
    (actions, names): (&[&str], [&str; 3]),
    annotations: &mut Value,
) {
    let stated = ["failure_action", "monitor", "max_failure_ratio"];
    if stated.iter().all(|name| config.get(name).is_none()) {
        return;
    }
    let at = config.field("failure_action");
    let action = if at.text().is_empty() { "pause" } else { at.text() };
    if !actions.contains(&action) {
        return making.refuse(&at, format!("must be one of {}", actions.join(", ")));
    }
    let monitor_ms = match config.get("monitor") {
        Some(at) => time(making, &at),
        // Docker takes 0 for its default as well.
        None => MONITOR_MS,
    };
    let monitor_ms = if monitor_ms == 0 { MONITOR_MS } else { monitor_ms };
    let ratio = config.get("max_failure_ratio").map(|at| (ratio(&at), at));
    if let Some((None, at)) = &ratio {
        making.refuse(at, "must be a number from 0 to 1");
    }
    if action == "continue" {
        return;
    }
    annotations[names[0]] = json!(action);
    annotations[names[1]] = json!(monitor_ms.to_string());
    if let Some((Some(ratio), _)) = ratio
        && ratio > 0.0
    {
        annotations[names[2]] = json!(ratio.to_string());
    }
}

/// How an update goes back.
fn way_back(making: &mut Making<'_>, config: &Cursor<'_>, annotations: &mut Value) {
    let order = config.field("order");
    match order.text() {
        "" | "stop-first" => annotations[ROLLBACK_ORDER] = json!("stop-first"),
        "start-first" => annotations[ROLLBACK_ORDER] = json!("start-first"),
        _ => making.refuse(&order, "must be start-first or stop-first"),
    }
    let parallelism = config.get("parallelism");
    let number = parallelism.as_ref().map_or(Some(1), |at| whole(at.value));
    match number.filter(|number| *number >= 0) {
        Some(number) => annotations[ROLLBACK_PARALLELISM] = json!(number.to_string()),
        None => making.refuse(&config.field("parallelism"), "must be a number of at least 0"),
    }
    let delay_ms = config.get("delay").map_or(0, |at| time(making, &at));
    annotations[ROLLBACK_DELAY] = json!(delay_ms.to_string());
}

/// A DaemonSet goes back as it goes forward: what says otherwise is not acted upon.
fn same_way(making: &mut Making<'_>, update: &Cursor<'_>, rollback: &Cursor<'_>) {
    for (name, usual) in [("order", "stop-first"), ("parallelism", "1"), ("delay", "0s")] {
        let text = |config: &Cursor<'_>| {
            let at = config.get(name);
            at.and_then(|at| scalar_text(at.value)).unwrap_or_else(|| usual.to_owned())
        };
        if let Some(at) = rollback.get(name)
            && text(rollback) != text(update)
        {
            making.ignore(&at, DAEMONS);
        }
    }
}

/// A time of at most a day, in milliseconds.
fn time(making: &mut Making<'_>, at: &Cursor<'_>) -> i64 {
    match duration_ms(at.value) {
        Ok(ms) if (0..=MONITOR_MS_MAX).contains(&ms) => return ms,
        Ok(_) => making.refuse(at, "must be from 0 to a day"),
        Err(why) => making.refuse(at, why),
    }
    0
}

/// A share from 0 to 1.
fn ratio(at: &Cursor<'_>) -> Option<f64> {
    let ratio = scalar_text(at.value)?.trim().parse().ok()?;
    (0.0..=1.0).contains(&ratio).then_some(ratio)
}
