//! A pod's row: how many containers are ready, and what is the matter with it, as kubectl says it.

use jiff::Timestamp;
use serde_json::Value;
use setpoint_api::PodRow;

use crate::output::age::age_of;
use crate::output::field::{name, or_none, text};

pub(crate) fn pod(object: &Value, now: Timestamp) -> Vec<String> {
    let row = PodRow::of(object);
    vec![
        name(object).to_owned(),
        format!("{}/{}", row.ready, row.total),
        pod_status(object),
        row.restarts.to_string(),
        age_of(object, now),
    ]
}

pub(crate) fn pod_wide(object: &Value, _: Timestamp) -> Vec<String> {
    vec![or_none(text(object, "/status/podIP")), or_none(text(object, "/spec/nodeName"))]
}

/// One word: the reason of a container that waits or ended before the pod's own; what waits for a place
/// says why.
pub(crate) fn pod_status(object: &Value) -> String {
    let status = PodRow::of(object).status;
    let reason = text(object, "/status/reason");
    if status == "Pending" && !reason.is_empty() { reason.to_owned() } else { status }
}
