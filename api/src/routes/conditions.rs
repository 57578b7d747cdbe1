//! Writes to a pod's status: the conditions that controllers set, by which readiness gates open.
//!
//! A strategic patch and an apply name some conditions and are merged by the leader; any other write is
//! tried on the pod as it is served, and says all of them. Absent: the rest of a status, which is not
//! written here.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};
use setpoint_schemas::{RequestItem, Verb};

use super::object::{find, shown};
use super::patch::patched;
use super::{Call, answer};
use crate::KindInfo;
use crate::model::PodView;
use crate::status::ApiError;

/// `PUT` or `PATCH` of `…/status` of this pod.
pub(super) async fn write(
    call: &Call,
    kind: &KindInfo,
    pod: &PodView,
    (verb, body): (Verb, &Value),
) -> Result<Response, ApiError> {
    if pod.placement.is_none() || pod.leaving_ms.is_some() {
        let message = format!(
            "Operation cannot be fulfilled on {} {:?}: it has no place, and conditions are kept of \
             pods that have one",
            kind.qualified(),
            pod.name
        );
        return Err(ApiError::new(StatusCode::CONFLICT, message).about(kind, &pod.name, &[]));
    }
    let served = || Ok::<_, ApiError>(shown(call, &find(call, kind)?));
    let (verb, conditions) = match verb {
        Verb::StrategicMergePatch | Verb::Apply => {
            (Verb::StrategicMergePatch, body["status"]["conditions"].clone())
        }
        Verb::Update => (Verb::Update, body["status"]["conditions"].clone()),
        _ => {
            let mut object = served()?;
            patched(verb, &mut object, body)?;
            (Verb::Update, object["status"]["conditions"].clone())
        }
    };
    // What says nothing of conditions changes none.
    if call.params.dry_run() || !conditions.is_array() {
        return Ok(answer(served()?));
    }
    let times = conditions.as_array().into_iter().flatten();
    let mut times = times.filter_map(|condition| condition["lastTransitionTime"].as_str());
    let is_wrong = |time: &&str| !time.is_empty() && time.parse::<jiff::Timestamp>().is_err();
    if let Some(wrong) = times.find(is_wrong) {
        let message =
            format!("status.conditions: lastTransitionTime {wrong:?} is no time by RFC 3339");
        return Err(ApiError::new(StatusCode::BAD_REQUEST, message).about(kind, &pod.name, &[]));
    }
    let item = RequestItem {
        verb,
        api_version: kind.api_version(),
        kind: kind.kind.clone(),
        namespace: call.target.namespace.clone(),
        name: call.target.name.clone(),
        subresource: "status".to_owned(),
        body: json!({"conditions": conditions}).to_string(),
        expected_version: None,
    };
    call.submit_one(kind, item).await?;
    Ok(answer(served()?))
}
