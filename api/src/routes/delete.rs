//! Delete, of one object or of those that selectors select; evictions are deletions of pods that keep to
//! disruption budgets, and that may wait for another pod in their place. What finalizers hold is answered
//! with the object as it stays, and what is gone with a word that it is.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};
use setpoint_schemas::{RequestItem, Verb};

use super::object::{chosen, find, shown};
use super::prepare::{parse, version_of};
use super::submit::submit;
use super::write::expected;
use super::{Call, answer};
use crate::KindInfo;
use crate::model::Entry;
use crate::ports::{ItemVerdict, Outcome};
use crate::status::ApiError;

/// The deletion of one uid is tried so often when the object changes at the same time: that it is another
/// one by then is what the caller asks about, not that its status is another.
const UID_TRIES: usize = 5;

/// `DELETE` on an object, or `POST …/eviction` on a pod.
pub(crate) async fn delete(call: Call) -> Result<Response, ApiError> {
    let kind = call.kind()?;
    if !matches!(call.target.subresource.as_str(), "" | "eviction") {
        return Err(ApiError::method_not_allowed());
    }
    let options = options_of(&call)?;
    let wanted = uid_in(&options)?;
    let body = wishes(&call, &options)?;
    let asked = version_of(&json!({"metadata": options["preconditions"]}))?;
    let dry = call.params.dry_run() || options["dryRun"].as_array().is_some_and(|d| !d.is_empty());
    let mut tries = UID_TRIES;
    loop {
        tries -= 1;
        let entry = find(&call, &kind)?;
        let uid = shown(&call, &entry)["metadata"]["uid"].take();
        // That it is this one must still be so when the leader decides.
        let seen = match wanted {
            Some(wanted) => Some(version_with(wanted, &kind, &entry, &uid)?),
            None => None,
        };
        let expected_version = expected(&kind, &entry, asked.or(seen))?;
        let subresource = call.target.subresource.clone();
        let body = body.clone();
        let item = RequestItem { expected_version, subresource, body, ..item_of(&kind, &entry) };
        let done = match dry {
            true => call.foresee_one(&kind, item).await.map(drop),
            false => {
                call.submit_one(&kind, item).await.and_then(|item| is_done(&call, &kind, &item))
            }
        };
        match done {
            Ok(()) if dry => return Ok(gone(&call, &kind, uid)),
            Ok(()) => {
                return Ok(staying(&call, &kind, &uid).unwrap_or_else(|| gone(&call, &kind, uid)));
            }
            Err(error)
                if error.code == StatusCode::CONFLICT
                    && seen.is_some()
                    && asked.is_none()
                    && tries > 0 => {}
            // A pod that stops is meant by nobody any more and is there: who evicts waits until it is gone.
            Err(error)
                if error.code == StatusCode::NOT_FOUND
                    && call.target.subresource == "eviction"
                    && find(&call, &kind).is_ok() =>
            {
                return Ok(gone(&call, &kind, uid));
            }
            Err(error) => return Err(error),
        }
    }
}

/// An eviction that waits is told as one that is to be asked for again: kubectl says why and does so, and
/// is told 404 when the pod is gone.
///
/// # Errors
/// 429 with what it waits for.
fn is_done(call: &Call, kind: &KindInfo, item: &ItemVerdict) -> Result<(), ApiError> {
    if call.target.subresource.is_empty() || item.outcome == Outcome::Deleted {
        return Ok(());
    }
    let message = format!("the eviction is accepted, and not done yet: {}", item.message);
    let waits = ApiError::new(StatusCode::TOO_MANY_REQUESTS, message);
    Err(waits.about(kind, &call.target.name, &[]))
}

/// The uid that the object must have, where the caller says so.
fn uid_in(options: &Value) -> Result<Option<&str>, ApiError> {
    match &options["preconditions"]["uid"] {
        Value::Null => Ok(None),
        Value::String(uid) => Ok(Some(uid)),
        _ => Err(ApiError::bad_request("preconditions.uid is not a text")),
    }
}

/// The version of the object as it was found with this uid. An accepted Pod is known by its own uid too,
/// beside that of what runs for it.
///
/// # Errors
/// 409 in Kubernetes' words when it has another uid.
fn version_with(
    wanted: &str,
    kind: &KindInfo,
    entry: &Entry,
    uid: &Value,
) -> Result<i64, ApiError> {
    if uid == wanted || entry.resource().is_some_and(|resource| resource.uid == wanted) {
        return Ok(entry.version());
    }
    let message = format!(
        "Operation cannot be fulfilled on {} {:?}: the UID in the precondition ({wanted}) does not match \
         the UID in record ({}). The object might have been deleted and then recreated",
        kind.qualified(),
        entry.name(),
        uid.as_str().unwrap_or_default()
    );
    Err(ApiError::new(StatusCode::CONFLICT, message).about(kind, entry.name(), &[]))
}

/// What is to become of what the object owns, by the options or the query, as the leader reads it; empty where
/// nothing is said.
///
/// # Errors
/// 422 in Kubernetes' words where what is said is not known, or said twice.
fn wishes(call: &Call, options: &Value) -> Result<String, ApiError> {
    let invalid = |why: String| {
        let message =
            format!("DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: {why}");
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, message).because("Invalid")
    };
    let given = call.params.get("propagationPolicy");
    let policy = options["propagationPolicy"].as_str().unwrap_or(given);
    let orphans =
        options["orphanDependents"].as_bool().or(match call.params.get("orphanDependents") {
            "" => None,
            said => Some(said == "true"),
        });
    match (policy, orphans) {
        ("", None) => Ok(String::new()),
        ("", Some(is_so)) => Ok(propagating(if is_so { "Orphan" } else { "Background" })),
        (_, Some(_)) => Err(invalid(format!(
            "Invalid value: {policy:?}: orphanDependents and deletionPropagation cannot be both set"
        ))),
        ("Background" | "Foreground" | "Orphan", None) => Ok(propagating(policy)),
        (unknown, None) => Err(invalid(format!(
            "Unsupported value: {unknown:?}: supported values: \"Background\", \"Foreground\", \"Orphan\", \"nil\""
        ))),
    }
}

fn propagating(policy: &str) -> String {
    json!({"propagationPolicy": policy}).to_string()
}

/// The answer to the deletion of an object that stays for what holds it.
fn staying(call: &Call, kind: &KindInfo, uid: &Value) -> Option<Response> {
    let entry = find(call, kind).ok()?;
    entry.resource().filter(|resource| resource.deleted_ms.is_some())?;
    let object = shown(call, &entry);
    (object["metadata"]["uid"] == *uid).then(|| answer(object))
}

/// The answer to a deletion.
fn gone(call: &Call, kind: &KindInfo, uid: Value) -> Response {
    answer(json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": {
            "name": call.target.name, "group": kind.group, "kind": kind.plural, "uid": uid,
        },
    }))
}

/// `DELETE` on a collection: one request, all or nothing.
pub(crate) async fn delete_collection(call: Call) -> Result<Response, ApiError> {
    let kind = call.kind()?;
    let selection = call.params.selection()?;
    let model = &call.app.state.parts.model;
    let keep = |entry: &Entry| chosen(&call, &selection, entry);
    let page = model.list(&kind.group_kind(), None, usize::MAX, keep);
    let objects: Vec<Value> = page.entries.iter().map(|entry| shown(&call, entry)).collect();
    let body = wishes(&call, &options_of(&call)?)?;
    let item = |entry| RequestItem { body: body.clone(), ..item_of(&kind, entry) };
    let items: Vec<RequestItem> = page.entries.iter().map(item).collect();
    if !call.params.dry_run() && !items.is_empty() {
        let manager = (call.params.manager(&call.headers), false);
        let verdict = submit(&call.app.state, &call.actor, manager, items).await?;
        if !verdict.accepted {
            return Err(ApiError::new(StatusCode::CONFLICT, verdict.reason));
        }
    }
    Ok(answer(json!({
        "kind": format!("{}List", kind.kind), "apiVersion": kind.api_version(),
        "metadata": {"resourceVersion": model.epoch().to_string()}, "items": objects,
    })))
}

/// `DeleteOptions`, of which preconditions, propagation and dry run are looked at; an eviction wraps them.
fn options_of(call: &Call) -> Result<Value, ApiError> {
    if call.body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Null);
    }
    let body = parse(&call.headers, &call.body)?;
    let eviction = call.target.subresource == "eviction";
    Ok(if eviction { body["deleteOptions"].clone() } else { body })
}

fn item_of(kind: &KindInfo, entry: &Entry) -> RequestItem {
    RequestItem {
        verb: Verb::Delete,
        api_version: kind.api_version(),
        kind: kind.kind.clone(),
        namespace: entry.namespace().to_owned(),
        name: entry.name().to_owned(),
        subresource: String::new(),
        body: String::new(),
        expected_version: None,
    }
}
