//! A pod's row: how many containers are ready, and what is the matter with it, as kubectl says it.

use jiff::Timestamp;
use serde_json::Value;

use crate::output::age::age_of;
use crate::output::field::{is_true, list, name, number, or_none, text};

pub(crate) fn pod(object: &Value, now: Timestamp) -> Vec<String> {
    let statuses = list(object, "/status/containerStatuses");
    let ready = statuses.iter().filter(|status| is_true(status, "/ready")).count();
    let total = list(object, "/spec/containers").len().max(statuses.len());
    let restarts: i64 = statuses.iter().map(|status| number(status, "/restartCount")).sum();
    vec![
        name(object).to_owned(),
        format!("{ready}/{total}"),
        pod_status(object),
        restarts.to_string(),
        age_of(object, now),
    ]
}

pub(crate) fn pod_wide(object: &Value, _: Timestamp) -> Vec<String> {
    vec![or_none(text(object, "/status/podIP")), or_none(text(object, "/spec/nodeName"))]
}

/// One word: the reason of a container that waits or ended before the pod's own phase.
pub(crate) fn pod_status(object: &Value) -> String {
    if !text(object, "/metadata/deletionTimestamp").is_empty() {
        return "Terminating".to_owned();
    }
    let statuses = list(object, "/status/containerStatuses");
    let reasons = statuses.iter().rev().filter_map(container_reason);
    let own = [text(object, "/status/reason"), text(object, "/status/phase")];
    let own = own.into_iter().find(|word| !word.is_empty()).map(str::to_owned);
    reasons.into_iter().next().or(own).unwrap_or_else(|| "Unknown".to_owned())
}

fn container_reason(status: &Value) -> Option<String> {
    if status.pointer("/state/running").is_some() {
        return None;
    }
    let said = [text(status, "/state/waiting/reason"), text(status, "/state/terminated/reason")];
    if let Some(reason) = said.into_iter().find(|reason| !reason.is_empty()) {
        return Some(reason.to_owned());
    }
    status.pointer("/state/terminated")?;
    Some(match number(status, "/state/terminated/signal") {
        0 => format!("ExitCode:{}", number(status, "/state/terminated/exitCode")),
        signal => format!("Signal:{signal}"),
    })
}
