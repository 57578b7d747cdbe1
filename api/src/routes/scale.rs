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
    let replicas = asked(scale).map_err(|found| {
        let most = i32::MAX;
        let mistake = format!("spec.replicas: {found} is not a whole number between 0 and {most}");
        ApiError::invalid(kind, &call.target.name, &[mistake])
    })?;
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

/// The replicas that a `Scale` asks for; 0 where it says nothing of them, as in Kubernetes.
///
/// # Errors
/// What stands there that is no number of replicas.
fn asked(scale: &Value) -> Result<i64, &Value> {
    let (spec, replicas) = (&scale["spec"], &scale["spec"]["replicas"]);
    let number = replicas.as_i64().filter(|number| (0..=i64::from(i32::MAX)).contains(number));
    match (scale, spec, replicas) {
        (Value::Object(_), Value::Null | Value::Object(_), Value::Null) => Ok(0),
        (Value::Object(_), Value::Object(_), replicas) => number.ok_or(replicas),
        (Value::Object(_), spec, _) => Err(spec),
        (scale, ..) => Err(scale),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_that_names_no_number_asks_for_none_and_anything_else_is_refused() {
        for (scale, replicas) in [
            (json!({}), Ok(0)),
            (json!({"spec": null}), Ok(0)),
            (json!({"spec": {}}), Ok(0)),
            (json!({"spec": {"replicas": null}}), Ok(0)),
            (json!({"spec": {"replicas": 7}}), Ok(7)),
            (json!({"spec": {"replicas": i32::MAX}}), Ok(i64::from(i32::MAX))),
            (json!({"spec": {"replicas": "7"}}), Err("\"7\"")),
            (json!({"spec": {"replicas": 7.5}}), Err("7.5")),
            (json!({"spec": {"replicas": -1}}), Err("-1")),
            (json!({"spec": {"replicas": u64::MAX}}), Err("18446744073709551615")),
            (json!({"spec": {"replicas": []}}), Err("[]")),
            (json!({"spec": 7}), Err("7")),
            (json!([]), Err("[]")),
        ] {
            let found = asked(&scale).map_err(ToString::to_string);
            assert_eq!(found, replicas.map_err(str::to_owned), "{scale}");
        }
    }
}
