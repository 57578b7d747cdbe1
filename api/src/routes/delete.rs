//! Delete, of one object or of those that selectors select; evictions are deletions of pods.

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
use crate::status::ApiError;

/// `DELETE` on an object, or `POST …/eviction` on a pod.
pub(crate) async fn delete(call: Call) -> Result<Response, ApiError> {
    let kind = call.kind()?;
    if !matches!(call.target.subresource.as_str(), "" | "eviction") {
        return Err(ApiError::method_not_allowed());
    }
    let options = options_of(&call)?;
    let entry = find(&call, &kind)?;
    let object = shown(&call, &entry);
    let asked = version_of(&json!({"metadata": options["preconditions"]}))?;
    let dry = call.params.dry_run() || options["dryRun"].as_array().is_some_and(|d| !d.is_empty());
    let expected_version = expected(&kind, &entry, asked)?;
    let item = RequestItem { expected_version, ..item_of(&kind, &entry) };
    if dry {
        call.foresee_one(&kind, item).await?;
    } else {
        call.submit_one(&kind, item).await?;
    }
    Ok(answer(json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": {
            "name": call.target.name, "group": kind.group, "kind": kind.plural,
            "uid": object["metadata"]["uid"],
        },
    })))
}

/// `DELETE` on a collection: one request, all or nothing.
pub(crate) async fn delete_collection(call: Call) -> Result<Response, ApiError> {
    let kind = call.kind()?;
    let selection = call.params.selection()?;
    let model = &call.app.state.parts.model;
    let keep = |entry: &Entry| chosen(&call, &selection, entry);
    let page = model.list(&kind.group_kind(), None, usize::MAX, keep);
    let objects: Vec<Value> = page.entries.iter().map(|entry| shown(&call, entry)).collect();
    let items: Vec<RequestItem> = page.entries.iter().map(|entry| item_of(&kind, entry)).collect();
    if !call.params.dry_run() && !items.is_empty() {
        let manager = (call.params.manager(&call.headers), false);
        let verdict = submit(&call.app.state, &call.actor, manager, items).await?;
        if !verdict.accepted {
            return Err(ApiError::new(axum::http::StatusCode::CONFLICT, verdict.reason));
        }
    }
    Ok(answer(json!({
        "kind": format!("{}List", kind.kind), "apiVersion": kind.api_version(),
        "metadata": {"resourceVersion": model.epoch().to_string()}, "items": objects,
    })))
}

/// `DeleteOptions`, of which preconditions and dry run are looked at; an eviction wraps them.
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
