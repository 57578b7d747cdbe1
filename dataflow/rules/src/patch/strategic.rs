//! Kubernetes' strategic merge patch: a merge in which some lists are merged by a key.
//!
//! Source: the `patchStrategy` and `patchMergeKey` tags of the Kubernetes API types; directives
//! `$patch`, `$deleteFromPrimitiveList`, `$retainKeys` and `$setElementOrder` of its strategic
//! merge. Lists that are not in the table are replaced whole.

use serde_json::{Map, Value};

/// Lists merged by a key, by the name of their field. Where a field name has another key in
/// another place (`ports` of a Service), the first key that the elements have is taken.
const MERGE_KEYS: &[(&str, &[&str])] = &[
    ("containers", &["name"]),
    ("initContainers", &["name"]),
    ("ephemeralContainers", &["name"]),
    ("volumes", &["name"]),
    ("env", &["name"]),
    ("ports", &["containerPort", "port"]),
    ("volumeMounts", &["mountPath"]),
    ("volumeDevices", &["devicePath"]),
    ("imagePullSecrets", &["name"]),
    ("hostAliases", &["ip"]),
    ("topologySpreadConstraints", &["topologyKey"]),
    ("conditions", &["type"]),
    ("ownerReferences", &["uid"]),
    ("taints", &["key"]),
];
/// Lists of plain values that are merged as sets.
const MERGED_SETS: &[&str] = &["finalizers"];

/// Applies a strategic merge patch in place.
pub fn strategic_merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if patch.get("$patch").and_then(Value::as_str) == Some("replace") {
        *target = Value::Object(without_directives(patch));
        return;
    }
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(object) = target.as_object_mut() else { return };
    retain_keys(object, patch);
    for (key, value) in patch {
        match key.strip_prefix("$deleteFromPrimitiveList/") {
            Some(list) => delete_from_list(object, list, value),
            None if key.starts_with('$') => {}
            None => merge_field(object, key, value),
        }
    }
}

fn merge_field(object: &mut Map<String, Value>, key: &str, value: &Value) {
    match value {
        Value::Null => {
            object.remove(key);
        }
        Value::Object(patch) if patch.get("$patch").and_then(Value::as_str) == Some("delete") => {
            object.remove(key);
        }
        Value::Array(elements) => merge_list(object, key, elements),
        Value::Object(_) => {
            strategic_merge(object.entry(key).or_insert(Value::Null), value);
        }
        _ => {
            object.insert(key.to_owned(), value.clone());
        }
    }
}

fn merge_list(object: &mut Map<String, Value>, key: &str, elements: &[Value]) {
    let present = object.entry(key).or_insert_with(|| Value::Array(Vec::new()));
    if MERGED_SETS.contains(&key) {
        if let Value::Array(present) = present {
            let new: Vec<Value> =
                elements.iter().filter(|e| !present.contains(e)).cloned().collect();
            present.extend(new);
        }
        return;
    }
    let replaces =
        elements.iter().any(|e| e.get("$patch").and_then(Value::as_str) == Some("replace"));
    match (merge_key(key, elements), present) {
        (Some(merge_key), Value::Array(present)) if !replaces => {
            for element in elements {
                merge_element(present, element, merge_key);
            }
        }
        (_, present) => {
            let clean = |e: &Value| match e {
                Value::Object(map) => Value::Object(without_directives(map)),
                other => other.clone(),
            };
            let kept = elements.iter().filter(|e| e.get("$patch").is_none());
            *present = Value::Array(kept.map(clean).collect());
        }
    }
}

fn merge_key(field: &str, elements: &[Value]) -> Option<&'static str> {
    let (_, keys) = MERGE_KEYS.iter().find(|(name, _)| *name == field)?;
    keys.iter().copied().find(|key| elements.iter().all(|e| e.get(*key).is_some()))
}

fn merge_element(present: &mut Vec<Value>, element: &Value, merge_key: &str) {
    let at = present.iter().position(|p| p.get(merge_key) == element.get(merge_key));
    let deletes = element.get("$patch").and_then(Value::as_str) == Some("delete");
    match (at, deletes) {
        (Some(at), true) => {
            present.remove(at);
        }
        (None, true) => {}
        (Some(at), false) => strategic_merge(&mut present[at], element),
        (None, false) => {
            let mut new = Value::Null;
            strategic_merge(&mut new, element);
            present.push(new);
        }
    }
}

fn retain_keys(object: &mut Map<String, Value>, patch: &Map<String, Value>) {
    if let Some(Value::Array(keys)) = patch.get("$retainKeys") {
        object.retain(|key, _| keys.iter().any(|kept| kept.as_str() == Some(key)));
    }
}

fn delete_from_list(object: &mut Map<String, Value>, list: &str, gone: &Value) {
    if let (Some(Value::Array(present)), Value::Array(gone)) = (object.get_mut(list), gone) {
        present.retain(|value| !gone.contains(value));
    }
}

fn without_directives(map: &Map<String, Value>) -> Map<String, Value> {
    map.iter()
        .filter(|(key, _)| !key.starts_with('$'))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn containers_merge_by_name_and_other_lists_are_replaced() {
        let mut object = json!({"spec": {"containers": [
            {"name": "a", "image": "a:1", "args": ["x"]}, {"name": "b", "image": "b:1"}]}});
        strategic_merge(
            &mut object,
            &json!({"spec": {"containers": [
            {"name": "a", "image": "a:2", "args": ["y", "z"]},
            {"name": "b", "$patch": "delete"}, {"name": "c", "image": "c:1"}]}}),
        );
        assert_eq!(
            object,
            json!({"spec": {"containers": [
            {"name": "a", "image": "a:2", "args": ["y", "z"]}, {"name": "c", "image": "c:1"}]}})
        );
    }

    #[test]
    fn null_and_delete_remove_and_replace_replaces() {
        let mut object = json!({"a": {"x": 1}, "b": 2, "c": {"y": 1}});
        strategic_merge(
            &mut object,
            &json!({"a": {"$patch": "replace", "z": 3}, "b": null,
            "c": {"$patch": "delete"}}),
        );
        assert_eq!(object, json!({"a": {"z": 3}}));
    }
}
