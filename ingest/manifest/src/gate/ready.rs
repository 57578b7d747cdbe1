//! Makes an accepted object ready for the API: namespace set, what the server maintains removed,
//! a Secret's clear text folded into its data, as Kubernetes' own server does.

use base64::Engine;
use serde_json::{Map, Value, json};

/// Metadata that the server sets; what a file says of it does not count.
const SERVER_METADATA: &[&str] = &[
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
    "managedFields",
];

/// The object ready for the API, and what the asker should know of the change.
pub(crate) fn prepared(
    object: &Value,
    namespace: Option<&str>,
    group: &str,
) -> (Value, Vec<String>) {
    let mut object = object.clone();
    let mut warnings = Vec::new();
    let built_in = group.is_empty() || group.ends_with(".k8s.io") || !group.contains('.');
    if let Some(entries) = object.as_object_mut() {
        if built_in {
            if let Some(status) = entries.remove("status").filter(is_filled) {
                drop(status);
                warnings.push("status is maintained by the server; the one given is not stored".into());
            }
        }
        fold_secret(entries);
    }
    let metadata = &mut object["metadata"];
    if let Some(metadata) = metadata.as_object_mut() {
        for name in SERVER_METADATA {
            metadata.remove(*name);
        }
        set_namespace(metadata, namespace);
    }
    (object, warnings)
}

fn set_namespace(metadata: &mut Map<String, Value>, default: Option<&str>) {
    let named = metadata.get("namespace").and_then(Value::as_str).unwrap_or_default();
    match default {
        Some(default) if named.is_empty() => {
            metadata.insert("namespace".into(), json!(default));
        }
        Some(_) => {}
        None => {
            metadata.remove("namespace");
        }
    }
}

fn fold_secret(entries: &mut Map<String, Value>) {
    let is = |name: &str, text: &str| entries.get(name).and_then(Value::as_str) == Some(text);
    if !(is("kind", "Secret") && is("apiVersion", "v1")) {
        return;
    }
    let Some(Value::Object(clear)) = entries.remove("stringData") else { return };
    let data = entries.entry("data").or_insert_with(|| json!({}));
    if data.is_null() {
        *data = json!({});
    }
    for (key, value) in clear {
        let encoded = base64::engine::general_purpose::STANDARD.encode(value.as_str().unwrap_or_default());
        data[key] = json!(encoded);
    }
}

fn is_filled(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Object(entries) => entries.values().any(is_filled),
        Value::Array(items) => !items.is_empty(),
        _ => true,
    }
}
