//! The patches that Kubernetes knows, by their content types, tried on an object in hand.
//!
//! Absent: server-side apply, which the leader decides.

use axum::http::{HeaderMap, StatusCode, header};
use serde_json::Value;
use setpoint_schemas::Verb;

use crate::status::ApiError;

/// What the content type asks for.
pub(crate) fn verb_of(headers: &HeaderMap) -> Result<Verb, ApiError> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    match kind.unwrap_or_default().split(';').next().unwrap_or_default().trim() {
        "application/merge-patch+json" => Ok(Verb::MergePatch),
        "application/strategic-merge-patch+json" => Ok(Verb::StrategicMergePatch),
        "application/json-patch+json" => Ok(Verb::JsonPatch),
        "application/apply-patch+yaml" => Ok(Verb::Apply),
        other => {
            let message = format!("the patch type {other:?} is not one of this server");
            Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
        }
    }
}

/// Applies a patch to an object in hand.
pub(crate) fn patched(verb: Verb, object: &mut Value, patch: &Value) -> Result<(), ApiError> {
    let wrong = |error: setpoint_patch::PatchError| {
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
    };
    match verb {
        Verb::JsonPatch => setpoint_patch::operations(object, patch).map_err(wrong),
        Verb::StrategicMergePatch => setpoint_patch::strategic(object, patch).map_err(wrong),
        _ if patch.is_object() => {
            setpoint_patch::merge(object, patch);
            Ok(())
        }
        _ => Err(ApiError::bad_request("a merge patch is an object")),
    }
}

/// A patch without what only the server writes.
pub(crate) fn without_version(mut patch: Value) -> Value {
    if let Some(metadata) = patch.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in ["resourceVersion", "uid", "managedFields", "creationTimestamp"] {
            metadata.remove(field);
        }
    }
    patch
}
