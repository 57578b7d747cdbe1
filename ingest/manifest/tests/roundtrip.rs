//! Nothing is silently dropped: what passes the gate equals what was written, and what the engine
//! reads of it holds every field that was accepted as acted upon.

mod data;

use std::path::Path;

use base64::Engine;
use serde_json::{Value, json};
use setpoint_ingest_manifest::{
    ANNOTATION_SOURCE, Document, Fault, GateOptions, Source, custom_kinds, gate, is_compose, read,
};
use setpoint_schemas::{PodSpec, Standing, WorkloadSpec};

const FOLDERS: &[&str] =
    &["k8s/manifests", "k8s/kubeconform", "k8s/kube-score", "k8s/api-roundtrip", "compose"];

fn documents(root: &Path) -> Vec<Document> {
    let files = FOLDERS.iter().flat_map(|folder| data::files(&root.join(folder)));
    files
        .filter_map(|file| read(&[Source::Path(file)], &Default::default()).ok())
        .flatten()
        .collect()
}

#[test]
fn what_passes_equals_what_was_written() {
    let Some(root) = data::root() else { return };
    let documents = documents(&root);
    let custom = custom_kinds(documents.iter().map(|document| &document.value));
    let options = GateOptions { allow_ignored: true, custom, ..GateOptions::default() };
    let mut passed = 0;
    for document in documents.iter().filter(|document| !is_compose(&document.value)) {
        let Ok(gated) = gate(&document.value, &options) else { continue };
        let mut expected = expected(&document.value);
        if gated.standing == Standing::Managed {
            without_nulls(&mut expected);
        }
        assert_eq!(gated.object, expected, "{}", document.origin);
        passed += 1;
    }
    assert!(passed > 150, "only {passed} objects passed");
}

/// No value is the same as absent.
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

/// What a reader expects back: the input without what the server adds.
fn expected(written: &Value) -> Value {
    let mut object = written.clone();
    let custom = written["apiVersion"]
        .as_str()
        .is_some_and(|v| v.contains(".com/") || v.contains(".io/") && !v.contains("k8s.io/"));
    if !custom {
        object.as_object_mut().expect("a map").remove("status");
    }
    let cluster = [
        "Namespace",
        "Node",
        "ClusterRole",
        "ClusterRoleBinding",
        "PersistentVolume",
        "PriorityClass",
        "CustomResourceDefinition",
        "StorageClass",
        "IngressClass",
        "ValidatingWebhookConfiguration",
        "MutatingWebhookConfiguration",
        "APIService",
    ];
    if written["kind"] == "Namespace" {
        object["metadata"]["labels"]["kubernetes.io/metadata.name"] =
            written["metadata"]["name"].clone();
    }
    let metadata = object["metadata"].as_object_mut().expect("metadata");
    for name in [
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "selfLink",
        "managedFields",
    ] {
        metadata.remove(name);
    }
    let namespaced = !cluster.contains(&written["kind"].as_str().expect("a kind"));
    if namespaced && metadata.get("namespace").and_then(Value::as_str).unwrap_or("").is_empty() {
        metadata.insert("namespace".into(), json!("default"));
    } else if !namespaced {
        metadata.remove("namespace");
    }
    if let Some(Value::Object(clear)) = object.as_object_mut().expect("a map").remove("stringData")
    {
        for (key, text) in clear {
            let text = text.as_str().expect("text");
            object["data"][key] = json!(base64::engine::general_purpose::STANDARD.encode(text));
        }
    }
    object
}

#[test]
fn every_field_of_kubernetes_own_samples_is_known() {
    let Some(root) = data::root() else { return };
    let folder = root.join("k8s/api-roundtrip");
    let mut compared = 0;
    for file in data::files(&folder).iter().filter(|f| f.extension().is_some_and(|e| e == "json")) {
        let one = |file: &Path| {
            let read = read(&[Source::Path(file.into())], &Default::default());
            read.expect("reads").pop().expect("one document").value
        };
        let (json, yaml) = (one(file), one(&file.with_extension("yaml")));
        assert_eq!(json, yaml, "{}", file.display());
        let problems = gate(&json, &GateOptions::default()).err().unwrap_or_default();
        let unknown: Vec<_> = problems.iter().filter(|p| p.fault == Fault::Type).collect();
        assert!(unknown.is_empty(), "{}: {unknown:?}", file.display());
        compared += 1;
    }
    assert!(compared >= 13, "only {compared} samples");
}

/// Fields that are harmless: reviewed in the gate's table, and not read by the engine.
const HARMLESS: &[&str] = &[
    "selector",
    "serviceAccount",
    "serviceAccountName",
    "automountServiceAccountToken",
    "enableServiceLinks",
    "resizePolicy",
    "securityContext",
    "schedulerName",
    "dnsPolicy",
    "creationTimestamp",
    "hostPID",
    "allowPrivilegeEscalation",
];

#[test]
fn the_engine_reads_every_field_that_is_acted_upon() {
    let Some(root) = data::root() else { return };
    let mut compared = 0;
    for document in documents(&root) {
        let Ok(gated) = gate(&document.value, &GateOptions::default()) else { continue };
        if gated.standing != Standing::Managed {
            continue;
        }
        let spec = &gated.object["spec"];
        let read_back = match &*gated.key.kind.kind {
            "Pod" => serde_json::from_value::<PodSpec>(spec.clone()).map(|s| json!(s)),
            "Deployment" | "ReplicaSet" | "ReplicationController" | "DaemonSet" => {
                serde_json::from_value::<WorkloadSpec>(spec.clone()).map(|s| json!(s))
            }
            _ => continue,
        };
        let mut lost = Vec::new();
        missing(spec, &read_back.expect("the engine's own type"), "spec", &mut lost);
        assert!(lost.is_empty(), "{}: {lost:?}", document.origin);
        compared += 1;
    }
    assert!(compared > 20, "only {compared} workloads");
}

fn missing(written: &Value, read: &Value, path: &str, lost: &mut Vec<String>) {
    match (written, read) {
        (Value::Null, _) => {}
        (Value::Object(entries), _) => {
            for (name, value) in entries.iter().filter(|(n, _)| !HARMLESS.contains(&n.as_str())) {
                missing(value, &read[name], &format!("{path}.{name}"), lost);
            }
        }
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => {
            for (index, (item, other)) in items.iter().zip(others).enumerate() {
                missing(item, other, &format!("{path}[{index}]"), lost);
            }
        }
        (Value::Array(items), _) if items.is_empty() => {}
        (Value::Bool(false), Value::Null) => {}
        (Value::Number(number), Value::String(text)) if number.to_string() == *text => {}
        (one, other) if one == other => {}
        _ => lost.push(path.to_owned()),
    }
}

#[test]
fn a_compose_service_reads_back_as_the_specification_has_it() {
    let Some(root) = data::root() else { return };
    let schema = std::fs::read_to_string(root.join("compose/compose-spec.schema.json"));
    let schema: Value = serde_json::from_str(&schema.expect("the schema")).expect("its JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let mut options = setpoint_ingest_manifest::LoadOptions::default();
    options.gate.allow_ignored = true;
    let mut services = 0;
    for file in data::files(&root.join("compose")) {
        let Ok(accepted) = setpoint_ingest_manifest::load(&[Source::Path(file.clone())], &options)
        else {
            continue;
        };
        for (_, gated) in accepted {
            let source = &gated.object["metadata"]["annotations"][ANNOTATION_SOURCE];
            let Some(source) = source.as_str() else { continue };
            let service: Value = serde_json::from_str(source).expect("JSON");
            let project = json!({"services": {"one": service}});
            let broken: Vec<_> = validator.iter_errors(&project).map(|e| e.to_string()).collect();
            assert!(broken.is_empty(), "{}: {broken:?}", file.display());
            services += 1;
        }
    }
    assert!(services > 60, "only {services} services");
}
