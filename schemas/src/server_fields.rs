//! What the server maintains of every object: what a file, a patch or a body says of it does not
//! count. Names as in Kubernetes' `ObjectMeta`.

use serde_json::Value;

/// The fields of `metadata` that the server maintains.
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

/// Takes `status` and the metadata that the server maintains out of an object.
pub fn strip_server_fields(object: &mut Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    strip_server_metadata(object);
}

/// Takes the metadata that the server maintains out of an object.
pub fn strip_server_metadata(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|name, _| !SERVER_METADATA.contains(&name.as_str()));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_server_maintains_is_taken_out_and_nothing_else() {
        let mut object = json!({
            "metadata": {"name": "a", "uid": "u", "deletionGracePeriodSeconds": 30, "labels": {}},
            "spec": {"uid": "mine"}, "status": {"x": 1},
        });
        strip_server_fields(&mut object);
        let rest = json!({"metadata": {"name": "a", "labels": {}}, "spec": {"uid": "mine"}});
        assert_eq!(object, rest);
        let mut list = json!([1]);
        strip_server_fields(&mut list);
        assert_eq!(list, json!([1]), "what is no object stays");
    }
}
