//! A claim and a volume as Kubernetes shows them: what the leader keeps in their status, where users
//! look for it.

use serde_json::{Value, json};
use setpoint_schemas::{
    CLAIM_FINALIZER, ClaimStatus, MadeWith, Resource, SELECTED_NODE, VOLUME_FINALIZER,
    VOLUME_SOURCE, VolumeStatus,
};

/// What the status says that Kubernetes has elsewhere, or not at all.
const OURS: [&str; 7] =
    ["node", "volumeName", "deletionTimestamp", "madeFor", "madeWith", "source", "livesOn"];

/// Puts what the status says of other places of the object there; the status that is left.
pub(super) fn shown(resource: &Resource, object: &mut Value, mut status: Value) -> Value {
    let deletion = match resource.kind.as_str() {
        "PersistentVolumeClaim" => {
            let told = ClaimStatus::read(&resource.status);
            protect(object, CLAIM_FINALIZER);
            if !told.volume_name.is_empty() {
                object["spec"]["volumeName"] = json!(told.volume_name);
                object["spec"]["volumeMode"] = json!("Filesystem");
                if !told.node.is_empty() {
                    object["metadata"]["annotations"][SELECTED_NODE] = json!(told.node);
                }
            }
            show_source(object, told.source.map(|source| json!(source).to_string()));
            if let Some(MadeWith { name, uid }) = told.made_with {
                object["metadata"]["ownerReferences"] = json!([{"apiVersion": "v1", "kind": "Pod",
                    "name": name, "uid": uid, "controller": true, "blockOwnerDeletion": true}]);
            }
            told.deletion_timestamp
        }
        "PersistentVolume" => {
            protect(object, VOLUME_FINALIZER);
            default(&mut object["spec"]);
            VolumeStatus::read(&resource.status).deletion_timestamp
        }
        _ => return status,
    };
    if !deletion.is_empty() {
        object["metadata"]["deletionTimestamp"] = json!(deletion);
    }
    if let Some(fields) = status.as_object_mut() {
        fields.retain(|name, _| !OURS.contains(&&**name));
    }
    status
}

/// Shows what lies at a claim's volume. What somebody else wrote there says nothing.
fn show_source(object: &mut Value, source: Option<String>) {
    match source {
        Some(source) => object["metadata"]["annotations"][VOLUME_SOURCE] = json!(source),
        None => {
            let annotations = object.pointer_mut("/metadata/annotations");
            let annotations = annotations.and_then(Value::as_object_mut);
            annotations.map(|annotations| annotations.remove(VOLUME_SOURCE));
        }
    }
}

/// What a volume's spec says where nobody said it.
fn default(spec: &mut Value) {
    for (field, text) in [("persistentVolumeReclaimPolicy", "Retain"), ("volumeMode", "Filesystem")]
    {
        if spec[field].is_null() {
            spec[field] = json!(text);
        }
    }
}

/// Shows a finalizer first, beside those that others put there.
fn protect(object: &mut Value, name: &str) {
    let others = object["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
    let others = others.into_iter().filter(|other| other != name);
    let all: Vec<Value> = std::iter::once(json!(name)).chain(others).collect();
    object["metadata"]["finalizers"] = json!(all);
}

#[cfg(test)]
mod tests {
    use setpoint_schemas::samples;

    use super::super::resource::render;
    use super::*;

    #[test]
    fn a_claim_shows_its_volume_its_node_and_that_it_is_protected() {
        let body = r#"{"spec": {"accessModes": ["ReadWriteOnce"]},
            "metadata": {"finalizers": ["a.b/c", "kubernetes.io/pvc-protection"]}}"#;
        let status = r#"{"phase": "Bound", "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": "1Gi"}, "volumeName": "pvc-1", "node": "n1",
            "deletionTimestamp": "2026-01-02T03:04:05Z", "madeFor": "web",
            "madeWith": {"name": "web-0", "uid": "u"}}"#;
        let claim = Resource {
            api_version: "v1".to_owned(),
            kind: "PersistentVolumeClaim".to_owned(),
            body: body.into(),
            status: status.into(),
            ..samples::desired()
        };
        let object = render(&claim);
        assert_eq!(object["spec"]["volumeName"], "pvc-1");
        assert_eq!(object["metadata"]["finalizers"], json!([CLAIM_FINALIZER, "a.b/c"]));
        assert_eq!(object["metadata"]["annotations"][SELECTED_NODE], "n1");
        assert_eq!(object["metadata"]["deletionTimestamp"], "2026-01-02T03:04:05Z");
        let owner = &object["metadata"]["ownerReferences"][0];
        assert_eq!((&owner["kind"], &owner["name"]), (&json!("Pod"), &json!("web-0")));
        let expected = json!({"phase": "Bound", "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": "1Gi"}});
        assert_eq!(object["status"], expected);
    }
}
