//! An object for people: what matters first, then everything it has as an indented outline, and what
//! was decided about it.
//!
//! Guarantee: the value of a Secret is not told, only how long it is; `get -o yaml` shows it to those
//! who may read it.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;

use crate::output::field::{is_true, list, name, namespace, number, or_none, text};
use crate::output::pods::{pod, pod_status};
use crate::output::{decision_lines, health_line, jobs, table};

/// Longest value on its own line; a longer one is cut, `get -o yaml` has all of it.
const VALUE_CHARS_MAX: usize = 120;
/// Two spaces a level, as YAML.
const INDENT: usize = 2;
/// What would only repeat the rest.
const LEFT_OUT: [&str; 3] = ["managedFields", "kind", "apiVersion"];
/// Of the metadata, what stands in the head.
const IN_HEAD: [&str; 4] = ["name", "namespace", "labels", "annotations"];
const POD_HEADERS: [&str; 6] = ["NAMESPACE", "NAME", "READY", "STATUS", "RESTARTS", "AGE"];

/// The object, the pods that stand on it where it is a node, and the decisions about it, latest
/// last.
pub(crate) fn describe(object: &Value, pods: Option<&[Value]>, decisions: &[Value]) -> String {
    let mut out = String::new();
    head(&mut out, object);
    for (key, value) in object.as_object().into_iter().flatten() {
        match key.as_str() {
            key if LEFT_OUT.contains(&key) => {}
            "metadata" => fields(&mut out, "Metadata", value, &IN_HEAD, 0),
            "data" if text(object, "/kind") == "Secret" => sizes(&mut out, value),
            key => outline(&mut out, &title(key), value, 0),
        }
    }
    if let Some(pods) = pods {
        let _ = writeln!(out, "Pods: {}", pods.len());
        indented(&mut out, &pod_table(pods));
    }
    if !decisions.is_empty() {
        out.push_str("Decisions:\n");
        let lines: Vec<String> = decisions.iter().flat_map(decision_lines).collect();
        indented(&mut out, &lines.join("\n"));
    }
    out
}

/// What is asked for most, as kubectl's describe begins.
fn head(out: &mut String, object: &Value) {
    let mut line = |title: &str, value: &str| {
        if !value.is_empty() {
            let title = if title.is_empty() { String::new() } else { format!("{title}:") };
            let _ = writeln!(out, "{title:<13}{value}");
        }
    };
    line("Name", name(object));
    line("Namespace", namespace(object));
    line("Kind", &format!("{} ({})", text(object, "/kind"), text(object, "/apiVersion")));
    for title in ["Labels", "Annotations"] {
        let map = object.pointer(&format!("/metadata/{}", title.to_lowercase()));
        let map = map.and_then(Value::as_object).filter(|map| !map.is_empty());
        let entry = |(key, value): (&String, &Value)| format!("{key}={}", plain(value));
        let entries = map.map(|map| map.iter().map(entry).collect::<Vec<_>>());
        let entries = entries.unwrap_or_else(|| vec![or_none("")]);
        for (index, entry) in entries.iter().enumerate() {
            line(if index == 0 { title } else { "" }, &shortened(entry));
        }
    }
    let owner = list(object, "/metadata/ownerReferences").iter();
    let owner = owner.map(|o| format!("{}/{}", text(o, "/kind"), text(o, "/name"))).next();
    line("Owner", &owner.unwrap_or_default());
    if object.get("status").is_some() {
        line("Health", &health_line(object));
    }
    match text(object, "/kind") {
        "Pod" => {
            line("Node", &or_none(text(object, "/spec/nodeName")));
            line("Status", &pod_status(object));
        }
        "Node" => {
            line("Schedulable", if is_true(object, "/spec/unschedulable") { "no" } else { "yes" });
            let taints = list(object, "/spec/taints").iter().map(taint).collect::<Vec<_>>();
            line("Taints", &or_none(&taints.join(", ")));
        }
        "Deployment" | "ReplicaSet" | "ReplicationController" => {
            line("Replicas", &replicas(object));
        }
        "Job" => {
            line("Status", jobs::status(object));
            line("Completions", &jobs::completions(object));
            line("Pods", &jobs::pods(object));
        }
        "CronJob" => {
            line("Schedule", text(object, "/spec/schedule"));
            line("Active Jobs", &list(object, "/status/active").len().to_string());
        }
        "StatefulSet" => {
            line("Replicas", &replicas_of_identities(object));
            line("Current revision", text(object, "/status/currentRevision"));
            line("Update revision", text(object, "/status/updateRevision"));
        }
        _ => {}
    }
}

fn replicas_of_identities(object: &Value) -> String {
    let count = |name: &str| number(object, &format!("/status/{name}"));
    format!(
        "{} desired | {} total | {} ready | {} current | {} updated",
        object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1),
        count("replicas"),
        count("readyReplicas"),
        count("currentReplicas"),
        count("updatedReplicas")
    )
}

fn taint(taint: &Value) -> String {
    let value = text(taint, "/value");
    let equals = if value.is_empty() { String::new() } else { format!("={value}") };
    format!("{}{equals}:{}", text(taint, "/key"), text(taint, "/effect"))
}

fn replicas(object: &Value) -> String {
    let count = |name: &str| number(object, &format!("/status/{name}"));
    format!(
        "{} desired | {} updated | {} total | {} available | {} unavailable",
        object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1),
        count("updatedReplicas"),
        count("replicas"),
        count("availableReplicas"),
        count("unavailableReplicas")
    )
}

/// How long each value of a Secret is.
fn sizes(out: &mut String, data: &Value) {
    out.push_str("Data:\n");
    for (key, value) in data.as_object().into_iter().flatten() {
        let bytes = STANDARD.decode(value.as_str().unwrap_or_default()).map_or(0, |b| b.len());
        let _ = writeln!(out, "  {key}: {bytes} bytes");
    }
}

fn pod_table(pods: &[Value]) -> String {
    let now = Timestamp::now();
    let row = |object: &Value| {
        let mut row = vec![namespace(object).to_owned()];
        row.extend(pod(object, now));
        row
    };
    if pods.is_empty() {
        return String::new();
    }
    table(&POD_HEADERS, &pods.iter().map(row).collect::<Vec<_>>())
}

fn indented(out: &mut String, lines: &str) {
    for line in lines.lines() {
        let _ = writeln!(out, "  {line}");
    }
}

/// A field with what it holds; nothing for one that holds nothing.
fn outline(out: &mut String, key: &str, value: &Value, depth: usize) {
    let pad = " ".repeat(depth * INDENT);
    match value {
        Value::Null => {}
        Value::Object(_) => fields(out, key, value, &[], depth),
        Value::Array(values) if values.iter().any(|v| v.is_object() || v.is_array()) => {
            let _ = writeln!(out, "{pad}{key}:");
            values.iter().for_each(|value| item(out, value, depth + 1));
        }
        Value::Array(values) => {
            let all: Vec<String> = values.iter().map(plain).collect();
            if !all.is_empty() {
                let _ = writeln!(out, "{pad}{key}: {}", shortened(&all.join(", ")));
            }
        }
        Value::String(lines) if lines.trim_end().contains('\n') => {
            let _ = writeln!(out, "{pad}{key}:");
            for line in lines.lines() {
                let _ = writeln!(out, "{pad}  {}", shortened(line));
            }
        }
        Value::String(text) if text.is_empty() => {}
        value => drop(writeln!(out, "{pad}{key}: {}", shortened(plain(value).trim_end()))),
    }
}

/// One of a list, under its own name where it has one.
fn item(out: &mut String, value: &Value, depth: usize) {
    let own = ["name", "type"].iter().find(|key| !text(value, &format!("/{key}")).is_empty());
    match own {
        Some(own) => {
            let key = format!("- {}", text(value, &format!("/{own}")));
            let pad = " ".repeat(depth * INDENT);
            let before = out.len();
            fields(out, &key, value, &[own], depth);
            if out.len() == before {
                let _ = writeln!(out, "{pad}{key}");
            }
        }
        None => outline(out, "-", value, depth),
    }
}

/// The fields of a map but these; nothing where it has none.
fn fields(out: &mut String, key: &str, map: &Value, but: &[&str], depth: usize) {
    let kept = |(key, _): &(&String, &Value)| {
        !LEFT_OUT.contains(&key.as_str()) && !but.contains(&key.as_str())
    };
    let mut inner = String::new();
    for (key, value) in map.as_object().into_iter().flatten().filter(kept) {
        outline(&mut inner, key, value, depth + 1);
    }
    if !inner.is_empty() {
        let _ = write!(out, "{}{key}:\n{inner}", " ".repeat(depth * INDENT));
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), |text| text.replace('\n', "\\n"))
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(VALUE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn title(key: &str) -> String {
    let mut chars = key.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use serde_json::json;

    #[test]
    fn a_secret_tells_how_long_its_values_are_and_never_what_they_are() {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": {"name": "s", "namespace": "a"}, "data": {"password": "aHVudGVyMg=="}});
        expect![[r#"
            Name:        s
            Namespace:   a
            Kind:        Secret (v1)
            Labels:      <none>
            Annotations: <none>
            Data:
              password: 7 bytes
            Type: Opaque
        "#]]
        .assert_eq(&describe(&secret, None, &[]));
    }

    #[test]
    fn empty_fields_are_left_out_and_lists_and_texts_are_laid_out() {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "spec": {"none": {}},
            "metadata": {"name": "c", "labels": {"app": "x", "tier": "y"}, "annotations": {}},
            "data": {"text": "one\ntwo\n", "a": "1"},
            "list": [{"name": "web", "image": "busybox", "env": []}, {"ip": "::1"}, {"name": "b"}]});
        expect![[r#"
            Name:        c
            Kind:        ConfigMap (v1)
            Labels:      app=x
                         tier=y
            Annotations: <none>
            Data:
              a: 1
              text:
                one
                two
            List:
              - web:
                image: busybox
              -:
                ip: ::1
              - b
        "#]]
        .assert_eq(&describe(&object, None, &[]));
    }

    #[test]
    fn a_node_tells_its_taints_and_pods_and_a_deployment_its_replicas() {
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "spec": {
            "unschedulable": true, "taints": [{"key": "k", "value": "v", "effect": "NoSchedule"}]}});
        let pod =
            json!({"metadata": {"name": "p", "namespace": "a"}, "status": {"phase": "Running"}});
        let told = describe(&node, Some(&[pod]), &[]);
        for line in ["Schedulable: no", "Taints:      k=v:NoSchedule", "Pods: 1", "a           p"] {
            assert!(told.contains(line), "{line}: {told}");
        }
        let web = json!({"kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 3},
            "status": {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 1}});
        let line = "3 desired | 2 updated | 2 total | 1 available | 0 unavailable";
        assert!(describe(&web, None, &[]).contains(line));
    }
}
