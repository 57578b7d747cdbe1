//! Which ConfigMaps and Secrets a pod template reads, and a digest of what they hold.
//!
//! Found by the names of fields, wherever they stand: in volumes, projected or not, in variables and
//! whole environments, of every sort of container. A digest of a Secret is one of its sealed values.
//! Absent: credentials for registries, which no container reads.

use std::collections::BTreeSet;

use serde_json::Value;
use setpoint_schemas::{GroupKind, ResourceKey};
use xxhash_rust::xxh3::xxh3_128;

/// The annotation by which a workload asks that its pods are replaced when what they read changes.
pub const RESTART_ON_CHANGE: &str = "setpoint.dev/restart-on-change";
/// The annotation of a template with the digest of what its pods read, once that changed.
pub const DIGEST: &str = "setpoint.dev/sources-digest";
/// As many characters as a template's hash has.
const DIGEST_CHARS: usize = 10;

/// Fields that name a source by this field of theirs, and its kind.
const FIELDS: &[(&str, &str, &str)] = &[
    ("configMap", "name", "ConfigMap"),
    ("configMapRef", "name", "ConfigMap"),
    ("configMapKeyRef", "name", "ConfigMap"),
    ("secret", "secretName", "Secret"),
    ("secret", "name", "Secret"),
    ("secretRef", "name", "Secret"),
    ("secretKeyRef", "name", "Secret"),
];

/// What the pods of a template's spec read.
#[must_use]
pub fn named_in(spec: &Value, namespace: &str) -> BTreeSet<ResourceKey> {
    let mut found = BTreeSet::new();
    for part in ["volumes", "containers", "initContainers"] {
        walk(&spec[part], namespace, &mut found);
    }
    found
}

fn walk(value: &Value, namespace: &str, found: &mut BTreeSet<ResourceKey>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, namespace, found)),
        Value::Object(fields) => {
            for (field, within) in fields {
                for (_, by, kind) in FIELDS.iter().filter(|(name, ..)| name == field) {
                    if let Some(name) = within[by].as_str() {
                        let kind = GroupKind::new("", kind);
                        found.insert(ResourceKey::new(kind, namespace, name));
                    }
                }
                walk(within, namespace, found);
            }
        }
        _ => {}
    }
}

/// Whether what a source holds is another than before.
#[must_use]
pub fn differs(before: &Value, after: &Value) -> bool {
    before["data"] != after["data"] || before["binaryData"] != after["binaryData"]
}

/// A digest of what sources hold, in the order in which they come; one that is not there holds nothing.
#[must_use]
pub fn digest<'a>(sources: impl Iterator<Item = (&'a ResourceKey, Value)>) -> String {
    let mut text = String::new();
    for (key, body) in sources {
        text.push_str(&format!("{key}\n{}\n{}\n", body["data"], body["binaryData"]));
    }
    crate::identity::encode(xxh3_128(text.as_bytes()), DIGEST_CHARS)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sources_are_found_wherever_they_are_named() {
        let spec = json!({
            "volumes": [
                {"name": "a", "configMap": {"name": "one"}},
                {"name": "b", "secret": {"secretName": "two"}},
                {"name": "c", "projected": {"sources": [
                    {"configMap": {"name": "three"}}, {"secret": {"name": "four"}}]}},
                {"name": "d", "emptyDir": {}},
            ],
            "initContainers": [{"envFrom": [{"configMapRef": {"name": "five"}}]}],
            "containers": [{"name": "secret", "env": [
                {"name": "X", "valueFrom": {"secretKeyRef": {"name": "six", "key": "k"}}},
                {"name": "Y", "valueFrom": {"configMapKeyRef": {"name": "one", "key": "k"}}},
            ]}],
            "imagePullSecrets": [{"name": "seven"}],
        });
        let found: Vec<String> = named_in(&spec, "ns")
            .iter()
            .map(|key| format!("{} {}", key.kind.kind, key.name))
            .collect();
        let expected = [
            "ConfigMap five",
            "ConfigMap one",
            "ConfigMap three",
            "Secret four",
            "Secret six",
            "Secret two",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_digest_says_what_is_held_and_by_whom() {
        let key = |name: &str| ResourceKey::new(GroupKind::new("", "ConfigMap"), "ns", name);
        let (one, two) = (key("one"), key("two"));
        let of = |held: &[(&ResourceKey, Value)]| digest(held.iter().cloned());
        let first = of(&[(&one, json!({"data": {"k": "1"}})), (&two, Value::Null)]);
        assert_eq!(first, of(&[(&one, json!({"data": {"k": "1"}, "x": 1})), (&two, Value::Null)]));
        assert_ne!(first, of(&[(&one, json!({"data": {"k": "2"}})), (&two, Value::Null)]));
        assert_ne!(first, of(&[(&two, json!({"data": {"k": "1"}})), (&one, Value::Null)]));
    }
}
