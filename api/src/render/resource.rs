//! An accepted resource, as applied, with the metadata that the server adds.

use serde_json::{Map, Value, json};
use setpoint_schemas::{JOB_NAME_LABELS, Resource};

use super::{claims, rfc3339};

/// The object: its body, its metadata, its status.
pub(crate) fn render(resource: &Resource) -> Value {
    let mut object = body_of(resource);
    object["metadata"]["resourceVersion"] = json!(resource.version.to_string());
    if resource.kind == "Job" {
        show_selector(&mut object);
    }
    if resource.kind == "Namespace" && object["spec"]["finalizers"].is_null() {
        // The one that the leader takes away when nothing is left in it.
        object["spec"] = json!({"finalizers": ["kubernetes"]});
    }
    let status: Value = serde_json::from_str(&resource.status).unwrap_or_default();
    if status.as_object().is_some_and(|status| !status.is_empty()) {
        let status = claims::shown(resource, &mut object, status);
        // One whose deletion an earlier version accepted says since when in its status alone.
        if status["phase"] == "Terminating" && resource.deleted_ms.is_none() {
            let since = &status["conditions"][0]["lastTransitionTime"];
            object["metadata"]["deletionTimestamp"] = since.clone();
        }
        object["status"] = status;
    } else if resource.kind == "Namespace" && object.get("status").is_none() {
        object["status"] = json!({"phase": "Active"});
    }
    object
}

/// A Job that says no selector is shown with one that finds its pods, by a label that all of them have:
/// kubectl takes an absent one for one that finds every pod. Kubernetes' own goes by a label with the uid,
/// which pods of ours would have to be made anew for.
fn show_selector(object: &mut Value) {
    if object["spec"].is_object() && object["spec"]["selector"].is_null() {
        let name = object["metadata"]["name"].clone();
        object["spec"]["selector"] = json!({"matchLabels": {JOB_NAME_LABELS[0]: name}});
    }
}

/// The body with the metadata that does not change while something is only observed.
pub(crate) fn body_of(resource: &Resource) -> Value {
    let mut object: Value = serde_json::from_str(&resource.body).unwrap_or_default();
    if !object.is_object() {
        object = json!({});
    }
    object["apiVersion"] = json!(resource.api_version);
    object["kind"] = json!(resource.kind);
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    let metadata = &mut object["metadata"];
    metadata["name"] = json!(resource.name);
    if !resource.namespace.is_empty() {
        metadata["namespace"] = json!(resource.namespace);
    }
    metadata["uid"] = json!(resource.uid);
    metadata["generation"] = json!(resource.generation);
    metadata["creationTimestamp"] = rfc3339(resource.created_ms);
    if let Some(deleted_ms) = resource.deleted_ms {
        metadata["deletionTimestamp"] = rfc3339(deleted_ms);
        // What finalizers hold is not stopped after a time.
        metadata["deletionGracePeriodSeconds"] = json!(0);
    }
    let managers = managed_fields(resource);
    if !managers.is_empty() {
        metadata["managedFields"] = Value::Array(managers);
    }
    object
}

/// `managedFields`, as far as ownership is known: one entry a manager. Who scaled is
/// one who updated the subresource.
fn managed_fields(resource: &Resource) -> Vec<Value> {
    let managers: Value = serde_json::from_str(&resource.managers).unwrap_or_default();
    let managers = managers.as_object().into_iter().flatten();
    managers
        .map(|(manager, pointers)| {
            let scaler = manager.strip_suffix("/scale");
            let mut entry = json!({
                "manager": scaler.unwrap_or(manager),
                "operation": if scaler.is_some() { "Update" } else { "Apply" },
                "apiVersion": resource.api_version,
                "fieldsType": "FieldsV1",
                "fieldsV1": fields_of(pointers),
            });
            if scaler.is_some() {
                entry["subresource"] = json!("scale");
            }
            entry
        })
        .collect()
}

/// JSON pointers as the nested `f:` maps of `FieldsV1`.
fn fields_of(pointers: &Value) -> Value {
    let mut root = Map::new();
    for pointer in pointers.as_array().into_iter().flatten().filter_map(Value::as_str) {
        let mut map = &mut root;
        for segment in pointer.split('/').skip(1) {
            let key = format!("f:{}", segment.replace("~1", "/").replace("~0", "~"));
            let entry = map.entry(key).or_insert_with(|| json!({}));
            let Value::Object(inner) = entry else { break };
            map = inner;
        }
    }
    Value::Object(root)
}

#[cfg(test)]
mod tests {
    use setpoint_schemas::samples;

    use super::*;

    #[test]
    fn what_is_being_deleted_says_since_when_and_a_namespace_shows_what_keeps_it() {
        let mut namespace = Resource {
            api_version: "v1".to_owned(),
            kind: "Namespace".to_owned(),
            body: r#"{"metadata": {"finalizers": ["a.b/c"]}}"#.into(),
            status: r#"{"phase": "Terminating"}"#.into(),
            deleted_ms: Some(1_000),
            ..samples::desired()
        };
        let object = render(&namespace);
        assert_eq!(object["metadata"]["deletionTimestamp"], "1970-01-01T00:00:01Z");
        assert_eq!(object["metadata"]["deletionGracePeriodSeconds"], 0);
        assert_eq!(object["metadata"]["finalizers"], json!(["a.b/c"]));
        assert_eq!(object["spec"], json!({"finalizers": ["kubernetes"]}));
        namespace.deleted_ms = None;
        namespace.status = "{}".into();
        let object = render(&namespace);
        assert!(object["metadata"]["deletionTimestamp"].is_null());
        assert_eq!(object["status"], json!({"phase": "Active"}));
    }

    #[test]
    fn a_job_shows_a_selector_that_finds_its_pods_and_keeps_its_own() {
        let job = |spec: Value| {
            let name = "sum".to_owned();
            let body = json!({"spec": spec}).to_string().into();
            let (api_version, kind) = ("batch/v1".to_owned(), "Job".to_owned());
            let job = Resource { api_version, kind, name, body, ..samples::desired() };
            render(&job)["spec"]["selector"].clone()
        };
        let by_name = json!({"matchLabels": {"batch.kubernetes.io/job-name": "sum"}});
        assert_eq!(job(json!({"completions": 1})), by_name);
        let own = json!({"matchLabels": {"a": "b"}});
        assert_eq!(job(json!({"selector": own, "manualSelector": true})), own);
    }

    #[test]
    fn owned_pointers_become_nested_fields() {
        let pointers = json!(["/spec/replicas", "/metadata/labels/a~1b"]);
        let fields = json!({
            "f:spec": {"f:replicas": {}}, "f:metadata": {"f:labels": {"f:a/b": {}}}});
        assert_eq!(fields_of(&pointers), fields);
    }
}
