//! Makes an accepted object ready for the API: namespace set, what the server maintains removed,
//! a Secret's clear text folded into its data, as Kubernetes' own server does.

use base64::Engine;
use serde_json::{Map, Value, json};
use setpoint_schemas::strip_server_metadata;

/// What is made ready: whether its kind is acted upon, and where its resources live.
pub(crate) struct Place<'p> {
    pub(crate) managed: bool,
    pub(crate) group: &'p str,
    /// The namespace when none is named; absent for a cluster-scoped kind.
    pub(crate) namespace: Option<&'p str>,
}

/// The object ready for the API, and what the asker should know of the change.
pub(crate) fn prepared(object: &Value, place: &Place<'_>) -> (Value, Vec<String>) {
    let mut object = object.clone();
    let mut warnings = Vec::new();
    let group = place.group;
    if place.managed {
        without_nulls(&mut object);
        if let Some(spec) = object.get_mut("spec") {
            without_blanks(spec);
        }
    }
    let built_in = group.is_empty() || group.ends_with(".k8s.io") || !group.contains('.');
    if let Some(entries) = object.as_object_mut() {
        if built_in && let Some(status) = entries.remove("status").filter(is_filled) {
            drop(status);
            warnings.push("status is maintained by the server; the one given is not stored".into());
        }
        fold_secret(entries);
    }
    strip_server_metadata(&mut object);
    if object["kind"] == "Namespace" && object["apiVersion"] == "v1" {
        name_by_label(&mut object);
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        set_namespace(metadata, place.namespace);
    }
    (object, warnings)
}

/// Kubernetes reads a field without a value as absent, and so does every reader after us.
fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(entries) => {
            entries.retain(|_, value| !value.is_null());
            entries.values_mut().for_each(without_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        _ => {}
    }
}

/// Words of a fixed set, written as an empty text, are absent too.
fn without_blanks(spec: &mut Value) {
    let drop_blank = |value: &mut Value, names: &[&str]| {
        if let Some(entries) = value.as_object_mut() {
            entries.retain(|name, value| !(names.contains(&name.as_str()) && value == ""));
        }
    };
    let Some(entries) = spec.as_object_mut() else { return };
    for name in ["strategy", "updateStrategy"] {
        if let Some(strategy) = entries.get_mut(name) {
            drop_blank(strategy, &["type"]);
        }
    }
    for path in ["/tolerations", "/template/spec/tolerations"] {
        if let Some(Value::Array(tolerations)) = spec.pointer_mut(path) {
            for toleration in tolerations {
                drop_blank(toleration, &["operator", "effect"]);
            }
        }
    }
}

/// Selectors find a namespace by its name, too: it is a label of every one.
fn name_by_label(namespace: &mut Value) {
    let name = namespace["metadata"]["name"].clone();
    if let Some(metadata) = namespace["metadata"].as_object_mut() {
        let labels = metadata.entry("labels").or_insert_with(|| json!({}));
        if labels.is_null() {
            *labels = json!({});
        }
        labels["kubernetes.io/metadata.name"] = name;
    }
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
        let encoded =
            base64::engine::general_purpose::STANDARD.encode(value.as_str().unwrap_or_default());
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
