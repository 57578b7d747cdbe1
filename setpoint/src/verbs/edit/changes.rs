//! What was changed in an object, as a patch, and whether others changed the same.

use serde_json::{Map, Value};
use setpoint_schemas::strip_server_fields;

use crate::output::field::text;

/// What says which object it is; these are never changed.
const IDENTITY: &[(&str, &str)] = &[
    ("/apiVersion", "apiVersion"),
    ("/kind", "kind"),
    ("/metadata/name", "metadata.name"),
    ("/metadata/namespace", "metadata.namespace"),
];

/// The object without who owns which field, which is long and no one's to edit.
pub(super) fn shown_to_people(mut object: Value) -> Value {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    object
}

/// Why this is another object than before; `None` when it is the same.
pub(super) fn another_object(base: &Value, edited: &Value) -> Option<String> {
    let other = |(pointer, _): &&(&str, &str)| text(base, pointer) != text(edited, pointer);
    let (pointer, field) = IDENTITY.iter().find(other)?;
    let was = text(base, pointer);
    Some(format!("{field}: it was {was:?} and cannot be changed; apply another object instead"))
}

/// The merge patch (RFC 7386) that makes one object of the other, without what only the server writes; `None`
/// where nothing else was changed.
pub(super) fn patch(base: &Value, edited: &Value) -> Option<Value> {
    let ours = |object: &Value| {
        let mut object = object.clone();
        strip_server_fields(&mut object);
        object
    };
    difference(&ours(base), &ours(edited))
}

fn difference(base: &Value, edited: &Value) -> Option<Value> {
    match (base, edited) {
        (Value::Object(base), Value::Object(edited)) => {
            let changed = edited.iter().filter_map(|(key, value)| {
                let patch = match base.get(key) {
                    Some(before) => difference(before, value),
                    // What is null is not there, and says nothing of what was not there before either.
                    None => Some(value.clone()).filter(|value| !value.is_null()),
                };
                patch.map(|patch| (key.clone(), patch))
            });
            let gone = base.keys().filter(|key| !edited.contains_key(*key));
            let gone = gone.map(|key| (key.clone(), Value::Null));
            let patch: Map<String, Value> = changed.chain(gone).collect();
            (!patch.is_empty()).then_some(Value::Object(patch))
        }
        (base, edited) => (base != edited).then(|| edited.clone()),
    }
}

/// The fields of a patch that are not any more as they were.
pub(super) fn changed_by_others(patch: &Value, base: &Value, now: &Value) -> Vec<String> {
    let mut fields = Vec::new();
    compare(patch, Some(base), Some(now), "", &mut fields);
    fields
}

fn compare(
    patch: &Value,
    base: Option<&Value>,
    now: Option<&Value>,
    place: &str,
    fields: &mut Vec<String>,
) {
    match (patch, base, now) {
        (Value::Object(patch), Some(Value::Object(base)), Some(Value::Object(now))) => {
            for (key, patch) in patch {
                let dot = if place.is_empty() { "" } else { "." };
                let place = format!("{place}{dot}{key}");
                compare(patch, base.get(key), now.get(key), &place, fields);
            }
        }
        (_, base, now) if base != now => fields.push(place.to_owned()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_patch_says_what_was_changed_and_nothing_else() {
        let base = json!({"a": 1, "b": {"c": [1, 2], "d": "x"}, "e": null});
        for (edited, wanted) in [
            (json!({"a": 1, "b": {"c": [1, 2], "d": "x"}, "e": null}), None),
            (json!({"a": 2, "b": {"c": [1, 2], "d": "x"}, "e": null}), Some(json!({"a": 2}))),
            (json!({"a": 1, "b": {"c": [1], "d": "x"}, "e": null}), Some(json!({"b": {"c": [1]}}))),
            (json!({"a": 1, "b": {"c": [1, 2]}, "e": null}), Some(json!({"b": {"d": null}}))),
            (
                json!({"b": {"c": [1, 2], "d": "x"}, "e": {"f": 1}}),
                Some(json!({"a": null, "e": {"f": 1}})),
            ),
            (json!({"a": 1, "b": {"c": [1, 2], "d": "x"}, "e": null, "g": null}), None),
        ] {
            assert_eq!(patch(&base, &edited), wanted, "{edited}");
        }
        let base = json!({"metadata": {"generation": 1}, "status": {"replicas": 1}});
        let edited = json!({"metadata": {"generation": 2}, "status": {"replicas": 3}});
        assert_eq!(patch(&base, &edited), None);
    }

    #[test]
    fn only_fields_that_both_changed_are_a_conflict() {
        let base = json!({"spec": {"replicas": 1, "paused": false}, "status": {"ready": 1}});
        let patch = json!({"spec": {"replicas": 3, "minReadySeconds": 5}});
        for (now, fields) in [
            (json!({"spec": {"replicas": 1, "paused": true}, "status": {"ready": 2}}), vec![]),
            (json!({"spec": {"replicas": 2, "paused": false}}), vec!["spec.replicas"]),
            (json!({"spec": {"replicas": 1, "minReadySeconds": 5}}), vec!["spec.minReadySeconds"]),
            (json!({"status": {}}), vec!["spec"]),
        ] {
            assert_eq!(changed_by_others(&patch, &base, &now), fields, "{now}");
        }
    }

    #[test]
    fn another_object_is_told_by_its_field() {
        let base = json!({"kind": "A", "metadata": {"name": "a", "managedFields": [1]}});
        let base = shown_to_people(base);
        assert_eq!(base["metadata"].get("managedFields"), None);
        let told = another_object(&base, &json!({"kind": "A", "metadata": {"name": "b"}}));
        assert!(told.is_some_and(|told| told.starts_with("metadata.name: it was \"a\"")));
        assert_eq!(another_object(&base, &base), None);
    }
}
