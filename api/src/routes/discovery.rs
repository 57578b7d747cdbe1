//! Discovery: which groups, versions and kinds there are.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use setpoint_schemas::Standing;

use super::{Shared, answer};
use crate::KindInfo;

/// The Kubernetes version whose API shapes are followed, for clients that look at it.
const KUBERNETES_MINOR: &str = "20";

/// `/version`.
pub(crate) async fn version(State(app): State<Shared>) -> Response {
    let version = &app.state.parts.version;
    answer(json!({
        "major": "1", "minor": KUBERNETES_MINOR,
        "gitVersion": format!("v1.{KUBERNETES_MINOR}.0+setpoint-{version}"),
        "gitCommit": "", "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "", "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    }))
}

/// `/api`.
pub(crate) async fn core_versions() -> Response {
    answer(json!({
        "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [],
    }))
}

/// `/apis`.
pub(crate) async fn groups(State(app): State<Shared>) -> Response {
    let groups: Vec<Value> =
        versions_by_group(&app).iter().map(|(group, versions)| group_of(group, versions)).collect();
    answer(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
}

/// `/api/v1`, `/apis/{group}` and `/apis/{group}/{version}`; `None` for any other path.
pub(crate) fn resources(app: &Shared, method: &Method, path: &str) -> Option<Response> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (group, version) = match parts.as_slice() {
        ["api", version] => ("", *version),
        ["apis", group] => {
            let versions = versions_by_group(app).remove(*group)?;
            let mut body = group_of(group, &versions);
            body["kind"] = json!("APIGroup");
            body["apiVersion"] = json!("v1");
            return Some(answer(body));
        }
        ["apis", group, version] => (*group, *version),
        _ => return None,
    };
    if method != Method::GET {
        return Some(StatusCode::METHOD_NOT_ALLOWED.into_response());
    }
    let kinds = app.state.catalogue.all().iter();
    let mut list: Vec<Value> = kinds
        .filter(|kind| kind.group == group && kind.version == version)
        .flat_map(|kind| entries_of(kind))
        .collect();
    if list.is_empty() {
        return None;
    }
    if group.is_empty() {
        list.push(json!({
            "name": "events", "singularName": "", "namespaced": true, "kind": "Event",
            "verbs": ["list", "watch"], "shortNames": ["ev"],
        }));
    }
    let version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    Some(answer(json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": list,
    })))
}

/// A kind and its subresources.
fn entries_of(kind: &KindInfo) -> Vec<Value> {
    let entry = |name: String, of: &str, verbs: &[&str]| {
        json!({
            "name": name, "singularName": "", "namespaced": kind.namespaced, "kind": of,
            "verbs": verbs,
        })
    };
    let all = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
    let some = ["get", "patch", "update"];
    let mut main = entry(kind.plural.clone(), &kind.kind, &all);
    main["singularName"] = json!(kind.kind.to_lowercase());
    main["shortNames"] = json!(kind.short_names);
    let apart = [
        "Namespace",
        "Node",
        "ConfigMap",
        "Secret",
        "PodDisruptionBudget",
        "ResourceQuota",
        "LimitRange",
        "PriorityClass",
        "PersistentVolumeClaim",
        "PersistentVolume",
        "StorageClass",
        "EndpointSlice",
    ];
    if kind.standing == Standing::Managed && !apart.contains(&kind.kind.as_str()) {
        main["categories"] = json!(["all"]);
    }
    let mut entries = vec![main, entry(format!("{}/status", kind.plural), &kind.kind, &some)];
    if kind.scales() {
        let mut scale = entry(format!("{}/scale", kind.plural), "Scale", &some);
        scale["group"] = json!("autoscaling");
        scale["version"] = json!("v1");
        entries.push(scale);
    }
    if kind.kind == "Namespace" && kind.group.is_empty() {
        entries.push(entry("namespaces/finalize".to_owned(), "Namespace", &["update"]));
    }
    if kind.kind == "Pod" && kind.group.is_empty() {
        let mut eviction = entry("pods/eviction".to_owned(), "Eviction", &["create"]);
        eviction["group"] = json!("policy");
        eviction["version"] = json!("v1beta1");
        entries.push(eviction);
        entries.push(entry("pods/log".to_owned(), "Pod", &["get"]));
        entries.push(entry("pods/exec".to_owned(), "PodExecOptions", &["create", "get"]));
    }
    entries
}

fn versions_by_group(app: &Shared) -> BTreeMap<String, Vec<String>> {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for kind in app.state.catalogue.all().iter().filter(|kind| !kind.group.is_empty()) {
        let versions = groups.entry(kind.group.clone()).or_default();
        if !versions.contains(&kind.version) {
            versions.push(kind.version.clone());
        }
    }
    groups
}

fn group_of(group: &str, versions: &[String]) -> Value {
    let version = |version: &String| json!({"groupVersion": format!("{group}/{version}"), "version": version});
    let versions: Vec<Value> = versions.iter().map(version).collect();
    json!({"name": group, "versions": versions, "preferredVersion": versions[0]})
}
