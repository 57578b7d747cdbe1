//! Writes to a pod: only one that someone asked for by itself is an object to be changed.
//!
//! Absent: what of it may change, which the leader says.

use serde_json::Value;

use crate::KindInfo;
use crate::model::Entry;
use crate::status::ApiError;

/// Whether this is an object of its own. A pod that a workload made is that one's; taking a change
/// of it for a Pod that is asked for would make a second pod under its name.
///
/// # Errors
/// 422 with what to change instead.
pub(super) fn may_change(kind: &KindInfo, entry: &Entry) -> Result<(), ApiError> {
    let Entry::Pod(pod) = entry else { return Ok(()) };
    if pod.bare().is_some() {
        return Ok(());
    }
    let why = match &pod.owner {
        Some(owner) => format!(
            "it is one of {} {:?} and is what that one's template says; change that, or delete the pod",
            owner.kind, owner.name
        ),
        None if pod.is_watched => "it is only watched".to_owned(),
        None => "its workload is gone, and it goes too".to_owned(),
    };
    Err(ApiError::invalid(kind, entry.name(), &[format!("metadata: Forbidden: {why}")]))
}

/// A pod as it is served names its node. Given back, that says where it is and asks for nothing.
pub(super) fn without_its_place(object: &mut Value, entry: &Entry) {
    let Entry::Pod(pod) = entry else { return };
    let asked = pod.bare().and_then(|bare| serde_json::from_str::<Value>(&bare.body).ok());
    let is_asked = asked.is_some_and(|asked| asked.pointer("/spec/nodeName").is_some());
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return };
    if !is_asked && spec.get("nodeName").and_then(Value::as_str) == Some(pod.node()) {
        spec.remove("nodeName");
    }
}
