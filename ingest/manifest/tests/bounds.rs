//! Hostile input: refused quickly, in bounded memory, never with a panic.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Map, Value};
use setpoint_ingest_manifest::{GateOptions, LoadOptions, Problem, Source, gate, load};

fn loaded(text: String) -> Result<usize, Vec<Problem>> {
    let source = Source::Text { name: "hostile".into(), text };
    load(&[source], &LoadOptions::default()).map(|accepted| accepted.len())
}

fn refused_soon(source: Source, why: &str) {
    let start = Instant::now();
    let problems = load(&[source], &LoadOptions::default()).expect_err("refused");
    assert!(problems[0].reason.contains(why), "{}", problems[0]);
    assert!(start.elapsed() < Duration::from_secs(5), "took {:?}", start.elapsed());
}

#[test]
fn a_file_of_100_megabytes_is_refused_before_it_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("large.yaml");
    std::fs::File::create(&path).expect("a file").set_len(100 << 20).expect("its length");
    refused_soon(Source::Path(path), "bytes, the bound for one source");
}

#[test]
fn a_document_above_its_bound_is_refused() {
    let text = format!("a: {}\n", "x ".repeat(2 << 20));
    refused_soon(Source::Text { name: "-".into(), text }, "characters");
}

#[test]
fn a_source_of_too_many_values_is_refused_as_yaml_and_as_json() {
    let yaml = "- a\n".repeat(700_000) + "---\n" + &"- a\n".repeat(700_000);
    refused_soon(Source::Text { name: "-".into(), text: yaml }, "more than 1000000 values");
    let json = format!("{{\"a\":[{}1]}}", "1,".repeat(1_200_000));
    refused_soon(Source::Text { name: "-".into(), text: json }, "more than 1000000 values");
}

#[test]
fn too_many_documents_are_refused() {
    let text = "a: 1\n---\n".repeat(10_000) + "# the end\n---\n";
    let sources = [Source::Text { name: "-".into(), text }];
    let read = setpoint_ingest_manifest::read(&sources, &Default::default());
    assert_eq!(read.expect("what is empty is no document").len(), 10_000);
    let text = "a: 1\n---\n".repeat(10_001);
    refused_soon(Source::Text { name: "-".into(), text }, "documents");
}

#[test]
fn a_service_that_extends_itself_is_refused() {
    let text = "services:\n  a: {extends: b}\n  b: {extends: a}\n";
    refused_soon(Source::Text { name: "-".into(), text: text.into() }, "a loop?");
}

#[test]
fn a_file_that_another_names_is_a_regular_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("pipe.env");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs");
    assert!(made.success());
    for (number, named) in ["pipe.env", "/dev/zero"].into_iter().enumerate() {
        let path = folder.path().join(format!("{number}.yaml"));
        let text = format!("services: {{a: {{image: a, command: [x], env_file: {named}}}}}\n");
        std::fs::write(&path, text).expect("written");
        refused_soon(Source::Path(path), "a pipe or a device");
    }
}

#[test]
fn a_file_that_includes_itself_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("compose.yaml");
    std::fs::write(&path, "include: [compose.yaml]\nservices: {a: {image: a}}\n").expect("written");
    refused_soon(Source::Path(path), "a loop?");
}

/// Words that reach deep into the rules.
const WORDS: &[&str] = &[
    "apiVersion",
    "v1",
    "apps/v1",
    "kind",
    "Pod",
    "Deployment",
    "DaemonSet",
    "Secret",
    "ConfigMap",
    "Node",
    "List",
    "items",
    "metadata",
    "name",
    "labels",
    "spec",
    "template",
    "containers",
    "image",
    "env",
    "valueFrom",
    "ports",
    "containerPort",
    "resources",
    "limits",
    "requests",
    "cpu",
    "volumes",
    "configMap",
    "secret",
    "data",
    "stringData",
    "selector",
    "matchLabels",
    "replicas",
    "strategy",
    "rollingUpdate",
    "maxSurge",
    "affinity",
    "nodeAffinity",
    "tolerations",
    "taints",
    "topologySpreadConstraints",
    "services",
    "deploy",
    "configs",
    "secrets",
    "environment",
    "env_file",
    "extends",
    "include",
    "command",
    "entrypoint",
    "placement",
    "constraints",
    "update_config",
    "parallelism",
    "restart",
    "depends_on",
    "<<",
    "",
    "a",
    "25%",
    "-1",
    "10s",
    "${A:-b}",
    "$",
    "8080:80",
    "node.labels.a==b",
];

fn word() -> impl Strategy<Value = String> {
    prop::sample::select(WORDS).prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(word(), inner, 0..6)
                .prop_map(|entries| Value::Object(entries.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

const KINDS: &[(&str, &str)] = &[
    ("v1", "Pod"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "DaemonSet"),
    ("v1", "ReplicationController"),
    ("v1", "Node"),
    ("v1", "Secret"),
    ("v1", "ConfigMap"),
];

/// A value in the place of a known kind's or project's parts, so that rules are reached.
fn placed() -> impl Strategy<Value = Value> {
    let parts = (prop::sample::select(KINDS), value(), value(), value());
    parts.prop_map(|(kind, spec, pod, one)| {
        serde_json::json!({"apiVersion": kind.0, "kind": kind.1, "metadata": {"name": "a"},
            "spec": {"template": {"spec": pod.clone(), "metadata": spec.clone()},
                "containers": [one, pod], "selector": spec.clone(), "volumes": [spec.clone()]},
            "data": spec})
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = loaded(String::from_utf8_lossy(&bytes).into_owned());
    }

    #[test]
    fn random_yaml_punctuation_never_panics(text in "[-:{}\\[\\]&*!|>'\"%@`#,? \n\tab<$]{0,120}") {
        let _ = loaded(text);
    }

    #[test]
    fn random_objects_never_panic(object in value(), allow_ignored in any::<bool>()) {
        let _ = gate(&object, &GateOptions { allow_ignored, ..GateOptions::default() });
        let _ = loaded(object.to_string());
    }

    #[test]
    fn random_parts_of_known_kinds_never_panic(object in placed()) {
        let _ = gate(&object, &GateOptions { allow_ignored: true, ..GateOptions::default() });
    }

    #[test]
    fn random_services_never_panic(service in value(), section in value()) {
        let whole = serde_json::json!({"services": {"a": service, "b": {"image": "b",
            "deploy": section, "extends": "a"}}, "configs": section});
        let _ = loaded(whole.to_string());
    }

    #[test]
    fn a_tree_reads_the_same_from_json_and_back(object in value()) {
        let source = Source::Text { name: "tree".into(), text: serde_json::json!({"x": object}).to_string() };
        if let Ok(documents) = setpoint_ingest_manifest::read(&[source], &Default::default()) {
            prop_assert_eq!(documents.len(), 1);
            let again = Source::Text { name: "again".into(), text: documents[0].value.to_string() };
            let again = setpoint_ingest_manifest::read(&[again], &Default::default());
            prop_assert_eq!(&again.expect("reads again")[0].value, &documents[0].value);
        }
    }
}
