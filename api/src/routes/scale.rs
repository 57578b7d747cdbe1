//! `/scale`: the number of replicas of a workload, as `autoscaling/v1 Scale`.

use std::sync::Arc;

use axum::response::Response;
use serde_json::{Value, json};
use setpoint_schemas::{RequestItem, Verb};

use super::object::find;
use super::patch::patched;
use super::prepare::version_of;
use super::{Call, answer};
use crate::KindInfo;
use crate::render;
use crate::status::ApiError;

/// `GET …/scale`.
pub(crate) fn get(call: &Call) -> Result<Response, ApiError> {
    let kind = scaled(call)?;
    Ok(answer(current(call, &kind)?))
}

/// `PUT …/scale`.
pub(crate) async fn set(call: &Call, kind: &KindInfo, scale: &Value) -> Result<Response, ApiError> {
    scaled(call)?;
    find(call, kind)?;
    let replicas = scale["spec"]["replicas"].as_i64().unwrap_or(0);
    if !(0..=i64::from(i32::MAX)).contains(&replicas) {
        let mistake = format!("spec.replicas: {replicas} is not between 0 and {}", i32::MAX);
        return Err(ApiError::invalid(kind, &call.target.name, &[mistake]));
    }
    let item = RequestItem {
        verb: Verb::MergePatch,
        api_version: kind.api_version(),
        kind: kind.kind.clone(),
        namespace: call.target.namespace.clone(),
        name: call.target.name.clone(),
        subresource: "scale".to_owned(),
        body: json!({"spec": {"replicas": replicas}}).to_string(),
        expected_version: version_of(scale)?,
    };
    if call.params.dry_run() {
        return Ok(answer(scale_of(&call.foreseen_object(kind, item).await?)));
    }
    call.submit_one(kind, item).await?;
    Ok(answer(current(call, kind)?))
}

/// `PATCH …/scale`.
pub(crate) async fn patch(
    call: &Call,
    kind: &KindInfo,
    verb: Verb,
    patch: &Value,
) -> Result<Response, ApiError> {
    scaled(call)?;
    let mut scale = current(call, kind)?;
    // What the patch does not name is not a condition.
    if let Some(metadata) = scale["metadata"].as_object_mut() {
        metadata.remove("resourceVersion");
    }
    patched(verb, &mut scale, patch)?;
    set(call, kind, &scale).await
}

fn scaled(call: &Call) -> Result<Arc<KindInfo>, ApiError> {
    let kind = call.kind()?;
    if kind.scales() { Ok(kind) } else { Err(ApiError::no_such_path()) }
}

fn current(call: &Call, kind: &KindInfo) -> Result<Value, ApiError> {
    Ok(scale_of(&render::object(&find(call, kind)?)))
}

/// An object's `Scale`.
fn scale_of(object: &Value) -> Value {
    let metadata = &object["metadata"];
    let labels =
        object.pointer("/spec/selector/matchLabels").unwrap_or(&object["spec"]["selector"]);
    let pair = |(key, value): (&String, &Value)| Some(format!("{key}={}", value.as_str()?));
    let pairs: Vec<String> = labels.as_object().into_iter().flatten().filter_map(pair).collect();
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
            "creationTimestamp": metadata["creationTimestamp"],
        },
        "spec": {"replicas": object["spec"]["replicas"].as_i64().unwrap_or(1)},
        "status": {
            "replicas": object["status"]["replicas"].as_i64().unwrap_or(0),
            "selector": pairs.join(","),
        },
    })
}
