//! What a change may not touch, as Kubernetes has it: a workload's selector, a Pod's spec, a Secret's
//! type, a PriorityClass's value, all of a claim's spec but a larger request,
//! what lies at a volume, and the data of a ConfigMap or Secret that calls itself immutable.
//!
//! A ReplicationController's selector may change, as in Kubernetes. Of a Pod's spec Kubernetes lets
//! images, tolerations and the deadline change; here the latter two do ([`crate::pod_changes`]). Its
//! images stay, because the containers of a placed pod are those that it was placed with, and a change without
//! effect would be a silent one. Its scheduling gates may be taken away, until the last one holds it back no longer.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use setpoint_schemas::{JOB_NAME_LABELS, RequestItem};

use crate::{claim, pod_changes, priority, volume};

/// What may not change of one kind.
type Rule = fn(&Value, &Value) -> Vec<String>;

/// By `apiVersion` and kind.
const RULES: &[(&str, &str, Rule)] = &[
    ("apps/v1", "Deployment", selector),
    ("apps/v1", "ReplicaSet", selector),
    ("apps/v1", "DaemonSet", selector),
    ("batch/v1", "Job", job),
    ("apps/v1", "StatefulSet", stateful_set),
    ("v1", "Pod", pod_spec),
    ("v1", "PersistentVolumeClaim", claim::refusals),
    ("v1", "PersistentVolume", volume::refusals),
    ("v1", "ConfigMap", data),
    ("v1", "Secret", secret),
    ("scheduling.k8s.io/v1", "PriorityClass", priority_class),
];

/// The field of a Pod's spec that may become less.
const GATES: &str = "schedulingGates";

/// A field of nothing.
const NOTHING: &Value = &Value::Null;

/// Why the object may not become this, each reason beginning with the field's path; empty: it may.
#[must_use]
pub fn refusals(item: &RequestItem, before: &Value, after: &Value) -> Vec<String> {
    let fits = |(version, kind, _): &&(&str, &str, Rule)| {
        *version == item.api_version && *kind == item.kind
    };
    RULES.iter().find(fits).map_or_else(Vec::new, |(_, _, rule)| rule(before, after))
}

fn selector(before: &Value, after: &Value) -> Vec<String> {
    let selector = |object: &Value| object.pointer("/spec/selector").cloned().unwrap_or_default();
    let (before, after) = (selector(before), selector(after));
    let changed = difference("spec.selector", &before, &after);
    let said = |_| format!("spec.selector: Invalid value: {after}: field is immutable");
    changed.map(said).into_iter().collect()
}

/// What a Job counts by stays; of an indexed one, which has as many indexes as run at once, their number
/// may change.
fn job(before: &Value, after: &Value) -> Vec<String> {
    let (own, other) = (job_selector(before), job_selector(after));
    let (before, after) = (field(before, "spec"), field(after, "spec"));
    let is_elastic = field(after, "completionMode") == "Indexed"
        && field(after, "completions") == field(after, "parallelism");
    let changed = |name: &&str| difference("", field(before, name), field(after, name)).is_some();
    let may = |name: &&&str| !(is_elastic && **name == "completions");
    let said = |name: &str| format!("spec.{name}: Invalid value: field is immutable");
    let mut refused: Vec<String> =
        JOB_STAYS.iter().filter(may).filter(|name| changed(name)).map(|name| said(name)).collect();
    if difference("", &own, &other).is_some() {
        refused.push(said("selector"));
    }
    refused
}

/// The selector of a Job; the one that a Job without one is shown with is none.
fn job_selector(object: &Value) -> Value {
    let selector = field(field(object, "spec"), "selector").clone();
    let shown =
        json!({"matchLabels": {JOB_NAME_LABELS[0]: field(field(object, "metadata"), "name")}});
    if selector == shown { Value::Null } else { selector }
}

/// The fields of a Job's spec that stay.
const JOB_STAYS: [&str; 7] = [
    "completions",
    "completionMode",
    "template",
    "podFailurePolicy",
    "backoffLimitPerIndex",
    "successPolicy",
    "managedBy",
];

/// What of a StatefulSet may change, as Kubernetes has it.
const STATEFUL_MAY_CHANGE: [&str; 7] = [
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];

fn stateful_set(before: &Value, after: &Value) -> Vec<String> {
    let fixed = |object: &Value| {
        let mut spec = field(object, "spec").clone();
        if let Some(spec) = spec.as_object_mut() {
            STATEFUL_MAY_CHANGE.iter().for_each(|name| drop(spec.remove(*name)));
            // What is absent is this.
            spec.entry("podManagementPolicy").or_insert_with(|| Value::from("OrderedReady"));
            if spec.get("serviceName").and_then(Value::as_str) == Some("") {
                spec.remove("serviceName");
            }
            let claims = spec.get_mut("volumeClaimTemplates").and_then(Value::as_array_mut);
            claims.into_iter().flatten().for_each(as_made);
        }
        spec
    };
    let changed = difference("spec", &fixed(before), &fixed(after));
    let said = |path| {
        let may = STATEFUL_MAY_CHANGE.join(", ");
        format!(
            "{path}: Forbidden: updates to statefulset spec for fields other than {may} are forbidden"
        )
    };
    changed.map(said).into_iter().collect()
}

/// A template of claims without what a server adds to it, or what says nothing.
fn as_made(claim: &mut Value) {
    let Some(fields) = claim.as_object_mut() else { return };
    ["apiVersion", "kind", "status"].iter().for_each(|name| drop(fields.remove(*name)));
    let part = |fields: &mut Map<String, Value>, part: &str, name: &str, usual: &Value| {
        let part = fields.get_mut(part).and_then(Value::as_object_mut);
        if let Some(part) = part.filter(|part| part.get(name) == Some(usual)) {
            part.remove(name);
        }
    };
    part(fields, "metadata", "creationTimestamp", NOTHING);
    part(fields, "spec", "volumeMode", &Value::from("Filesystem"));
}

fn pod_spec(before: &Value, after: &Value) -> Vec<String> {
    let (mut before, mut after) = (field(before, "spec").clone(), field(after, "spec").clone());
    let added = gates_added(&before, &after);
    if !added.is_empty() {
        return added;
    }
    priority::keep(&before, &mut after);
    let refused = pod_changes::refusals(&before, &after);
    if !refused.is_empty() {
        return refused;
    }
    for spec in [&mut before, &mut after] {
        let fields = pod_changes::MAY_CHANGE.into_iter().chain([GATES]);
        fields.for_each(|field| drop(spec.as_object_mut().and_then(|spec| spec.remove(field))));
    }
    let changed = difference("spec", &before, &after);
    let said = |path| {
        format!(
            "{path}: Forbidden: pod updates may not change fields other than \
             `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations): \
             a pod here runs the images that it was created with; delete it and create it again"
        )
    };
    changed.map(said).into_iter().collect()
}

/// Source: Kubernetes' `validateOnlyDeletedSchedulingGates`.
fn gates_added(before: &Value, after: &Value) -> Vec<String> {
    let names = |spec: &Value| -> Vec<String> {
        let gates = field(spec, GATES).as_array().into_iter().flatten();
        gates.map(|gate| field(gate, "name").as_str().unwrap_or_default().to_owned()).collect()
    };
    let known: BTreeSet<String> = names(before).into_iter().collect();
    let named = names(after).into_iter().enumerate();
    let added = named.filter(|(_, name)| !known.contains(name));
    let said = |(at, name)| {
        format!(
            "spec.{GATES}[{at}].name: Forbidden: only deletion is allowed, but found new scheduling \
             gate '{name}'"
        )
    };
    added.map(said).collect()
}

fn data(before: &Value, after: &Value) -> Vec<String> {
    if field(before, "immutable") != &Value::Bool(true) {
        return Vec::new();
    }
    let changed = |name: &&&str| difference("", field(before, name), field(after, name)).is_some();
    let said =
        |name: &&str| format!("{name}: Forbidden: field is immutable when `immutable` is set");
    ["immutable", "data", "binaryData"].iter().filter(changed).map(said).collect()
}

fn secret(before: &Value, after: &Value) -> Vec<String> {
    let kind = |object| field(object, "type").as_str().filter(|kind| !kind.is_empty());
    let kind = |object| kind(object).unwrap_or("Opaque").to_owned();
    let mut refusals = data(before, after);
    if kind(before) != kind(after) {
        refusals.push(format!("type: Invalid value: {:?}: field is immutable", kind(after)));
    }
    refusals
}

fn priority_class(before: &Value, after: &Value) -> Vec<String> {
    let value = |object| field(object, "value").as_i64().unwrap_or(0);
    let policy = |object| field(object, "preemptionPolicy").as_str().filter(|p| !p.is_empty());
    let policy = |object| policy(object).unwrap_or("PreemptLowerPriority").to_owned();
    let mut refusals = Vec::new();
    if value(before) != value(after) {
        refusals.push("value: Forbidden: may not be changed in an update.".to_owned());
    }
    if policy(before) != policy(after) {
        let after = policy(after);
        refusals.push(format!("preemptionPolicy: Invalid value: {after:?}: field is immutable"));
    }
    refusals
}

fn field<'v>(object: &'v Value, name: &str) -> &'v Value {
    object.get(name).unwrap_or(NOTHING)
}

/// The path of the first field that differs. What is null, and a list without items, is as good as
/// absent; an empty object is not: as a selector it selects everything.
fn difference(path: &str, before: &Value, after: &Value) -> Option<String> {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => fields_differ(path, before, after),
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            let pairs = before.iter().zip(after).enumerate();
            let differ = |(at, (before, after)): (usize, (&Value, &Value))| {
                difference(&format!("{path}[{at}]"), before, after)
            };
            pairs.into_iter().find_map(differ)
        }
        _ if before == after || (is_absent(before) && is_absent(after)) => None,
        _ => Some(path.to_owned()),
    }
}

fn fields_differ(
    path: &str,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
) -> Option<String> {
    let of = |fields: &Map<String, Value>, name: &String| -> Value {
        fields.get(name).cloned().unwrap_or_default()
    };
    let added = after.keys().filter(|name| !before.contains_key(*name));
    before
        .keys()
        .chain(added)
        .find_map(|name| difference(&format!("{path}.{name}"), &of(before, name), &of(after, name)))
}

fn is_absent(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use setpoint_schemas::Verb;

    use super::*;

    fn said(version: &str, kind: &str, before: &Value, after: &Value) -> String {
        let item = RequestItem {
            verb: Verb::Update,
            api_version: version.into(),
            kind: kind.into(),
            namespace: "default".into(),
            name: "it".into(),
            subresource: String::new(),
            body: String::new(),
            expected_version: None,
        };
        refusals(&item, before, after).join(", ")
    }

    #[test]
    fn a_workloads_selector_stays_and_a_replication_controllers_may_change() {
        let of = |app: &str| json!({"spec": {"selector": {"matchLabels": {"app": app}}}});
        let refused =
            r#"spec.selector: Invalid value: {"matchLabels":{"app":"b"}}: field is immutable"#;
        for kind in ["Deployment", "ReplicaSet", "DaemonSet"] {
            assert_eq!(said("apps/v1", kind, &of("a"), &of("b")), refused);
            assert_eq!(said("apps/v1", kind, &of("a"), &of("a")), "");
        }
        assert_eq!(said("v1", "ReplicationController", &of("a"), &of("b")), "");
        assert_eq!(said("example.org/v1", "Deployment", &of("a"), &of("b")), "");
        let same =
            json!({"spec": {"selector": {"matchLabels": {"app": "a"}, "matchExpressions": []}}});
        assert_eq!(said("apps/v1", "Deployment", &of("a"), &same), "");
        assert!(said("apps/v1", "Deployment", &of("a"), &json!({"spec": {}})).contains("null"));
    }

    #[test]
    fn what_a_job_counts_by_stays() {
        let job = |more: Value| {
            let mut spec = json!({"completions": 3, "parallelism": 3, "template": {"spec": {}}});
            more.as_object().into_iter().flatten().for_each(|(k, v)| spec[k] = v.clone());
            json!({"spec": spec})
        };
        let of = |before: Value, after: Value| said("batch/v1", "Job", &job(before), &job(after));
        let none = || json!({});
        assert_eq!(of(none(), json!({"suspend": true, "parallelism": 1, "backoffLimit": 2})), "");
        let refused = |name: &str| format!("spec.{name}: Invalid value: field is immutable");
        assert_eq!(of(none(), json!({"completions": 4})), refused("completions"));
        assert_eq!(of(none(), json!({"template": {"spec": {"x": 1}}})), refused("template"));
        let indexed = |all: i64, at_once: i64| json!({"completionMode": "Indexed", "completions": all, "parallelism": at_once});
        assert_eq!(of(indexed(3, 3), indexed(5, 5)), "", "as many indexes as run at once");
        assert_eq!(of(indexed(3, 3), indexed(5, 4)), refused("completions"));
        let by = |label: &str| json!({"selector": {"matchLabels": {label: "sum"}}});
        assert_eq!(of(by("a"), by("b")), refused("selector"));
        let shown = |label: &str| {
            let mut object = job(by(label));
            object["metadata"] = json!({"name": "sum"});
            object
        };
        let said = |before: &Value, after: &Value| said("batch/v1", "Job", before, after);
        assert_eq!(
            said(&job(none()), &shown("batch.kubernetes.io/job-name")),
            "",
            "as it is shown"
        );
        assert_eq!(said(&job(none()), &shown("other")), refused("selector"));
    }

    #[test]
    fn of_a_stateful_sets_spec_only_what_kubernetes_lets_change_changes() {
        let of = |spec: Value| json!({"spec": spec});
        let before = of(json!({"replicas": 1, "serviceName": "web", "template": {"a": 1}}));
        let said = |after: &Value| said("apps/v1", "StatefulSet", &before, after);
        let may = of(json!({"replicas": 3, "serviceName": "web", "template": {"a": 2},
            "podManagementPolicy": "OrderedReady", "minReadySeconds": 5}));
        assert_eq!(said(&may), "");
        for (name, value) in [
            ("serviceName", json!("db")),
            ("podManagementPolicy", json!("Parallel")),
            ("selector", json!({"matchLabels": {"a": "b"}})),
        ] {
            let mut after = before.clone();
            after["spec"][name] = value;
            let told = said(&after);
            assert!(told.starts_with(&format!("spec.{name}: Forbidden: updates")), "{told}");
        }
    }

    #[test]
    fn a_stateful_sets_claims_stay_and_what_a_server_adds_to_them_is_none_of_it() {
        let of = |claim: Value| json!({"spec": {"volumeClaimTemplates": [claim]}});
        let spec = json!({"accessModes": ["ReadWriteOnce"]});
        let before = of(json!({"metadata": {"name": "data"}, "spec": spec}));
        let said = |after: &Value| said("apps/v1", "StatefulSet", &before, after);
        let shown = of(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data", "creationTimestamp": null},
            "spec": {"accessModes": ["ReadWriteOnce"], "volumeMode": "Filesystem"},
            "status": {"phase": "Pending"}}));
        assert_eq!(said(&shown), "");
        let other = of(json!({"metadata": {"name": "logs"}, "spec": spec}));
        let told = said(&other);
        assert!(told.starts_with("spec.volumeClaimTemplates[0].metadata.name: Forb"), "{told}");
    }

    #[test]
    fn a_pods_spec_stays_and_its_metadata_may_change() {
        let pod = json!({"metadata": {"labels": {"a": "1"}}, "spec": {"tolerations": [],
            "containers": [{"name": "c", "image": "a:1", "env": [{"name": "X", "value": "1"}]}]}});
        let changed = |pointer: &str, value: Value| {
            let mut after = pod.clone();
            *after.pointer_mut(pointer).expect("it is there") = value;
            let said = said("v1", "Pod", &pod, &after);
            said.split(':').next().unwrap_or_default().to_owned()
        };
        assert_eq!(changed("/metadata/labels/a", json!("2")), "");
        assert_eq!(changed("/spec/tolerations", Value::Null), "");
        assert_eq!(changed("/spec/containers/0/image", json!("a:2")), "spec.containers[0].image");
        let value = "/spec/containers/0/env/0/value";
        assert_eq!(changed(value, json!("2")), "spec.containers[0].env[0].value");
        assert_eq!(changed("/spec/containers/0/env", json!([])), "spec.containers[0].env");
        assert_eq!(changed("/spec/tolerations", json!([{"key": "k"}])), "", "they may become more");
    }

    #[test]
    fn a_pods_gates_are_taken_away_and_never_added() {
        let pod = |gates: &[&str], image: &str| {
            let gates: Vec<Value> = gates.iter().map(|name| json!({"name": name})).collect();
            json!({"spec": {"containers": [{"name": "c", "image": image}], "schedulingGates": gates}})
        };
        let without = json!({"spec": {"containers": [{"name": "c", "image": "a:1"}]}});
        let new = |at: usize, name: &str| {
            format!(
                "spec.schedulingGates[{at}].name: Forbidden: only deletion is allowed, but found new \
                 scheduling gate '{name}'"
            )
        };
        let both = pod(&["a", "b"], "a:1");
        let table = [
            (&both, pod(&["a", "b"], "a:1"), String::new()),
            (&both, pod(&["b", "a"], "a:1"), String::new()),
            (&both, pod(&["b"], "a:1"), String::new()),
            (&both, pod(&[], "a:1"), String::new()),
            (&both, without.clone(), String::new()),
            (&both, pod(&["a", "c"], "a:1"), new(1, "c")),
            (&without, pod(&["a", "b"], "a:1"), format!("{}, {}", new(0, "a"), new(1, "b"))),
        ];
        for (before, after, expected) in table {
            assert_eq!(said("v1", "Pod", before, &after), expected, "{after}");
        }
        let other = said("v1", "Pod", &both, &pod(&[], "a:2"));
        assert!(other.starts_with("spec.containers[0].image: Forbidden"), "{other}");
    }

    #[test]
    fn what_calls_itself_immutable_keeps_its_data_and_says_so_for_good() {
        let forbidden =
            |name: &str| format!("{name}: Forbidden: field is immutable when `immutable` is set");
        let sealed = json!({"immutable": true, "data": {"a": "1"}, "metadata": {"name": "c"}});
        let open = json!({"data": {"a": "2"}});
        for kind in ["ConfigMap", "Secret"] {
            let both = format!("{}, {}", forbidden("immutable"), forbidden("data"));
            assert_eq!(said("v1", kind, &sealed, &open), both);
            assert_eq!(said("v1", kind, &open, &sealed), "", "it may become so");
            let mut labelled = sealed.clone();
            labelled["metadata"]["labels"] = json!({"x": "y"});
            assert_eq!(said("v1", kind, &sealed, &labelled), "");
        }
        let mut more = sealed.clone();
        more["binaryData"] = json!({"b": "AA=="});
        assert_eq!(said("v1", "ConfigMap", &sealed, &more), forbidden("binaryData"));
    }

    #[test]
    fn a_class_keeps_its_value_and_a_pod_what_was_looked_up_in_it() {
        let class = json!({"value": 5, "description": "a"});
        let of = |after: &Value| said("scheduling.k8s.io/v1", "PriorityClass", &class, after);
        assert_eq!(of(&json!({"value": 5, "preemptionPolicy": "PreemptLowerPriority"})), "");
        assert_eq!(of(&json!({"value": 6})), "value: Forbidden: may not be changed in an update.");
        let never = of(&json!({"value": 5, "preemptionPolicy": "Never"}));
        assert_eq!(never, r#"preemptionPolicy: Invalid value: "Never": field is immutable"#);
        let pod = json!({"spec": {"priorityClassName": "high", "priority": 5, "containers": []}});
        let as_written = json!({"spec": {"priorityClassName": "high", "containers": []}});
        assert_eq!(said("v1", "Pod", &pod, &as_written), "");
        let other = json!({"spec": {"priorityClassName": "low", "containers": []}});
        assert!(said("v1", "Pod", &pod, &other).starts_with("spec.priorityClassName: Forbidden"));
    }

    #[test]
    fn a_secrets_type_stays() {
        let of = |kind: &str| json!({"type": kind, "data": {}});
        let tls = r#"type: Invalid value: "kubernetes.io/tls": field is immutable"#;
        assert_eq!(said("v1", "Secret", &of("Opaque"), &of("kubernetes.io/tls")), tls);
        assert_eq!(said("v1", "Secret", &json!({"data": {}}), &of("Opaque")), "");
    }
}
