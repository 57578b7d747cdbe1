//! Writes to a pod's status: the conditions that controllers set, by which readiness gates open.
//!
//! A strategic patch and an apply name some conditions and are merged by the leader. Any other patch is tried
//! on the pod as it is served and says all of them: it is held against what others set meanwhile, and tried
//! again. An update that names a version is held against that; one that names none says all of them.
//! Absent: the rest of a status, which is not written here.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};
use setpoint_schemas::{CONDITIONS_GONE_BY, RequestItem, Verb};

use super::object::{find, shown};
use super::patch::patched;
use super::{Call, answer};
use crate::KindInfo;
use crate::model::{Entry, PodView};
use crate::status::ApiError;

/// A patch is tried on the pod as it is served; so often when others set conditions of it meanwhile.
const TRIES_MAX: usize = 5;

/// `PUT` or `PATCH` of `…/status` of this pod, which may be held against the version that its writer read.
pub(super) async fn write(
    call: &Call,
    kind: &KindInfo,
    mut entry: Entry,
    (verb, body, is_versioned): (Verb, &Value, bool),
) -> Result<Response, ApiError> {
    let mut tries_left = TRIES_MAX;
    while let Entry::Pod(pod) = &entry {
        tries_left -= 1;
        may_have_some(kind, pod)?;
        let Some(meant) = meant(&shown(call, &entry), (verb, body))? else { break };
        timed(kind, &pod.name, &meant.conditions)?;
        if call.params.dry_run() {
            break;
        }
        let holds = meant.is_tried || (is_versioned && meant.verb == Verb::Update);
        let mut said = json!({"conditions": meant.conditions});
        if let Some(placed) = pod.placement.as_ref().filter(|_| holds) {
            said[CONDITIONS_GONE_BY] = json!(placed.conditions());
        }
        match call.submit_one(kind, item(call, kind, meant.verb, &said)).await {
            Ok(_) => break,
            Err(error) if error.code == StatusCode::CONFLICT && !is_versioned && tries_left > 0 => {
                entry = find(call, kind)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(answer(shown(call, &find(call, kind)?)))
}

/// What a write means to the leader.
#[derive(Debug, PartialEq)]
struct Meant {
    /// A strategic patch names some conditions, an update all of them.
    verb: Verb,
    conditions: Value,
    /// Whether it was tried on the conditions as they are served.
    is_tried: bool,
}

/// What this write of a pod that is served so means; `None` of one that says nothing of conditions, and so
/// changes none.
fn meant(served: &Value, (verb, body): (Verb, &Value)) -> Result<Option<Meant>, ApiError> {
    let said = |verb, object: &Value, is_tried| {
        let conditions = object["status"]["conditions"].clone();
        conditions.is_array().then_some(Meant { verb, conditions, is_tried })
    };
    match verb {
        Verb::StrategicMergePatch | Verb::Apply => Ok(said(Verb::StrategicMergePatch, body, false)),
        Verb::Update => Ok(said(Verb::Update, body, false)),
        _ => {
            let mut object = served.clone();
            patched(verb, &mut object, body)?;
            Ok(said(Verb::Update, &object, true))
        }
    }
}

fn may_have_some(kind: &KindInfo, pod: &PodView) -> Result<(), ApiError> {
    if pod.placement.is_some() && pod.leaving_ms.is_none() {
        return Ok(());
    }
    let message = format!(
        "Operation cannot be fulfilled on {} {:?}: it has no place, and conditions are kept of pods that \
         have one",
        kind.qualified(),
        pod.name
    );
    Err(ApiError::new(StatusCode::CONFLICT, message).about(kind, &pod.name, &[]))
}

fn timed(kind: &KindInfo, name: &str, conditions: &Value) -> Result<(), ApiError> {
    let times = conditions.as_array().into_iter().flatten();
    let mut times = times.filter_map(|condition| condition["lastTransitionTime"].as_str());
    let is_wrong = |time: &&str| !time.is_empty() && time.parse::<jiff::Timestamp>().is_err();
    let Some(wrong) = times.find(is_wrong) else { return Ok(()) };
    let message = format!("status.conditions: lastTransitionTime {wrong:?} is no time by RFC 3339");
    Err(ApiError::new(StatusCode::BAD_REQUEST, message).about(kind, name, &[]))
}

fn item(call: &Call, kind: &KindInfo, verb: Verb, said: &Value) -> RequestItem {
    RequestItem {
        verb,
        api_version: kind.api_version(),
        kind: kind.kind.clone(),
        namespace: call.target.namespace.clone(),
        name: call.target.name.clone(),
        subresource: "status".to_owned(),
        body: said.to_string(),
        expected_version: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_says_all_conditions_is_held_against_what_it_was_tried_on() {
        let one = |kind: &str| json!({"type": kind, "status": "True"});
        let served = json!({"status": {"conditions": [one("a")], "phase": "Running"}});
        let body = |conditions: Value| json!({"status": {"conditions": conditions}});
        let operation = json!([{"op": "add", "path": "/status/conditions/-", "value": one("b")}]);
        let (strategic, all) = (Verb::StrategicMergePatch, Verb::Update);
        // (the verb, what is written; what the leader is asked, with which conditions, tried or not)
        let table = [
            (strategic, body(json!([one("b")])), Some((strategic, json!([one("b")]), false))),
            (Verb::Apply, body(json!([one("b")])), Some((strategic, json!([one("b")]), false))),
            (all, body(json!([one("b")])), Some((all, json!([one("b")]), false))),
            (Verb::MergePatch, body(json!([one("b")])), Some((all, json!([one("b")]), true))),
            (Verb::JsonPatch, operation, Some((all, json!([one("a"), one("b")]), true))),
            (strategic, json!({"status": {"phase": "Failed"}}), None),
            (all, json!({"metadata": {}}), None),
        ];
        for (verb, written, expected) in table {
            let meant = meant(&served, (verb, &written)).expect("it is right");
            let expected =
                expected.map(|(verb, conditions, is_tried)| Meant { verb, conditions, is_tried });
            assert_eq!(meant, expected, "{verb:?} {written}");
        }
    }
}
