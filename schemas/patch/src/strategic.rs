//! Kubernetes' strategic merge patch: lists of named things merge by their name.
//!
//! Source: the patch tags (`patchStrategy`, `patchMergeKey`) of `k8s.io/api`, for the fields that
//! the managed kinds have. Of the directives `$patch`, `$deleteFromPrimitiveList`,
//! `$setElementOrder` and `$retainKeys` are understood.

use serde_json::{Map, Value};

use crate::PatchError;

/// Which list merges by which keys. Of several keys the first that the patch's element has
/// counts. A list that is not here (`taints` for one) is replaced.
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
    ("secrets", &["name"]),
    ("hostAliases", &["ip"]),
    ("topologySpreadConstraints", &["topologyKey"]),
    ("schedulingGates", &["name"]),
    ("conditions", &["type"]),
    ("addresses", &["type"]),
    ("ownerReferences", &["uid"]),
];

/// Lists of plain values that merge as sets.
const MERGED_SETS: &[&str] = &["finalizers", "podCIDRs"];

/// Deeper patches are refused: no object of Kubernetes nests so deep.
const DEPTH_MAX: usize = 64;

/// Applies a strategic merge patch, all or nothing.
///
/// # Errors
/// [`PatchError`] when a directive or a list element has the wrong shape.
pub fn strategic(target: &mut Value, patch: &Value) -> Result<(), PatchError> {
    if !patch.is_object() {
        return Err(PatchError("a strategic merge patch is an object".to_owned()));
    }
    let mut outcome = target.clone();
    merge(&mut outcome, patch, 0)?;
    *target = outcome;
    Ok(())
}

fn merge(target: &mut Value, patch: &Value, depth: usize) -> Result<(), PatchError> {
    if depth > DEPTH_MAX {
        return Err(PatchError(format!("the patch nests deeper than {DEPTH_MAX}")));
    }
    let Some(fields) = patch.as_object() else {
        *target = patch.clone();
        return Ok(());
    };
    match fields.get("$patch").and_then(Value::as_str) {
        Some("replace") => {
            *target = Value::Object(without_directives(fields));
            return Ok(());
        }
        Some("delete") => {
            *target = Value::Object(Map::new());
            return Ok(());
        }
        Some("merge") | None => {}
        Some(other) => return Err(PatchError(format!("unknown directive $patch: {other:?}"))),
    }
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(map) = target.as_object_mut() else { return Ok(()) };
    retain_keys(map, fields);
    for (key, value) in fields {
        merge_field(map, key, value, depth)?;
    }
    for (key, order) in fields {
        if let Some(list) = key.strip_prefix("$setElementOrder/") {
            set_order(map, list, order);
        }
    }
    Ok(())
}

fn merge_field(
    map: &mut Map<String, Value>,
    key: &str,
    value: &Value,
    depth: usize,
) -> Result<(), PatchError> {
    if let Some(list) = key.strip_prefix("$deleteFromPrimitiveList/") {
        let gone = value.as_array().cloned().unwrap_or_default();
        if let Some(list) = map.get_mut(list).and_then(Value::as_array_mut) {
            list.retain(|element| !gone.contains(element));
        }
        return Ok(());
    }
    if key.starts_with('$') {
        return Ok(());
    }
    match value {
        Value::Null => {
            map.remove(key);
            Ok(())
        }
        Value::Object(patch) if patch.get("$patch").is_some_and(|what| what == "delete") => {
            map.remove(key);
            Ok(())
        }
        Value::Array(elements) => merge_list(map, key, elements, depth),
        _ => merge(map.entry(key).or_insert(Value::Null), value, depth + 1),
    }
}

fn merge_list(
    map: &mut Map<String, Value>,
    key: &str,
    elements: &[Value],
    depth: usize,
) -> Result<(), PatchError> {
    let merge_keys = MERGE_KEYS.iter().find(|(list, _)| *list == key).map(|(_, keys)| *keys);
    let entry = map.entry(key).or_insert_with(|| Value::Array(Vec::new()));
    let Value::Array(list) = entry else {
        *entry = Value::Array(elements.to_vec());
        return Ok(());
    };
    if MERGED_SETS.contains(&key) {
        let fresh: Vec<Value> = elements.iter().filter(|e| !list.contains(e)).cloned().collect();
        list.extend(fresh);
        return Ok(());
    }
    let Some(merge_keys) = merge_keys.filter(|_| elements.iter().all(Value::is_object)) else {
        *list = elements.to_vec();
        return Ok(());
    };
    if elements.iter().any(|e| e["$patch"] == "replace") {
        let kept = elements.iter().filter(|e| e["$patch"] != "replace");
        *list = kept.cloned().collect();
        return Ok(());
    }
    for element in elements {
        merge_element(list, element, key, merge_keys, depth)?;
    }
    Ok(())
}

fn merge_element(
    list: &mut Vec<Value>,
    element: &Value,
    key: &str,
    merge_keys: &[&str],
    depth: usize,
) -> Result<(), PatchError> {
    let merge_key = merge_keys.iter().find(|merge_key| element.get(**merge_key).is_some());
    let Some(merge_key) = merge_key else {
        return Err(PatchError(format!("an element of {key:?} has no {:?}", merge_keys[0])));
    };
    let same = |found: &Value| {
        // A port number may be used twice, once for each protocol.
        let protocol = |e: &Value| e["protocol"].as_str().unwrap_or("TCP").to_owned();
        let twin = key != "ports"
            || element.get("protocol").is_none()
            || protocol(found) == protocol(element);
        found[*merge_key] == element[*merge_key] && twin
    };
    let found = list.iter().position(same);
    match (element["$patch"] == "delete", found) {
        (true, _) => list.retain(|found| found[*merge_key] != element[*merge_key]),
        (false, Some(index)) => merge(&mut list[index], element, depth + 1)?,
        (false, None) => {
            let mut fresh = Value::Null;
            merge(&mut fresh, element, depth + 1)?;
            list.push(fresh);
        }
    }
    Ok(())
}

/// `$retainKeys` lists all that may remain in this map.
fn retain_keys(map: &mut Map<String, Value>, patch: &Map<String, Value>) {
    if let Some(keys) = patch.get("$retainKeys").and_then(Value::as_array) {
        map.retain(|key, _| keys.iter().any(|kept| kept == key));
    }
}

/// Puts the elements that the patch names into its order; the others keep their places behind.
fn set_order(map: &mut Map<String, Value>, list: &str, order: &Value) {
    let keys = MERGE_KEYS.iter().find(|(name, _)| *name == list).map_or(&[][..], |(_, keys)| *keys);
    let (Some(order), Some(list)) =
        (order.as_array(), map.get_mut(list).and_then(Value::as_array_mut))
    else {
        return;
    };
    let rank = |element: &Value| {
        let named = |wanted: &Value| match wanted {
            Value::Object(_) => keys
                .iter()
                .any(|key| wanted.get(*key).is_some() && wanted.get(*key) == element.get(*key)),
            plain => plain == element,
        };
        order.iter().position(named).unwrap_or(usize::MAX)
    };
    list.sort_by_key(rank);
}

fn without_directives(fields: &Map<String, Value>) -> Map<String, Value> {
    let plain = |(key, _): &(&String, &Value)| !key.starts_with('$');
    fields.iter().filter(plain).map(|(key, value)| (key.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn patched(target: Value, patch: Value) -> Value {
        let mut outcome = target;
        strategic(&mut outcome, &patch).expect("the patch applies");
        outcome
    }

    #[test]
    fn containers_merge_by_name_and_other_lists_are_replaced() {
        let target = json!({"containers": [
            {"name": "a", "image": "one", "args": ["x", "y"]}, {"name": "b", "image": "two"}]});
        let patch = json!({"containers": [{"name": "a", "image": "three", "args": ["z"]}]});
        assert_eq!(
            patched(target, patch),
            json!({"containers": [
            {"name": "a", "image": "three", "args": ["z"]}, {"name": "b", "image": "two"}]})
        );
    }

    #[test]
    fn directives_delete_replace_order_and_retain() {
        let target = || {
            json!({"containers": [{"name": "a"}, {"name": "b"}],
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}})
        };
        for (patch, result) in [
            (json!({"containers": [{"name": "a", "$patch": "delete"}]}), json!([{"name": "b"}])),
            (json!({"containers": [{"$patch": "replace"}, {"name": "c"}]}), json!([{"name": "c"}])),
            (
                json!({"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}],
                    "containers": [{"name": "a", "image": "x"}]}),
                json!([{"name": "b"}, {"name": "a", "image": "x"}]),
            ),
        ] {
            assert_eq!(patched(target(), patch)["containers"], result);
        }
        let patch = json!({"strategy": {"$retainKeys": ["type"], "type": "Recreate"}});
        assert_eq!(patched(target(), patch)["strategy"], json!({"type": "Recreate"}));
    }

    #[test]
    fn null_and_delete_remove_and_replace_replaces() {
        let target = json!({"a": {"x": 1}, "b": 2, "c": {"y": 1}});
        let patch =
            json!({"a": {"$patch": "replace", "z": 3}, "b": null, "c": {"$patch": "delete"}});
        assert_eq!(patched(target, patch), json!({"a": {"z": 3}}));
    }

    #[test]
    fn a_gate_is_taken_away_by_its_name() {
        let target = json!({"schedulingGates": [{"name": "a"}, {"name": "b"}]});
        let patch = json!({"schedulingGates": [{"$patch": "delete", "name": "a"}]});
        assert_eq!(patched(target, patch), json!({"schedulingGates": [{"name": "b"}]}));
    }

    #[test]
    fn taints_are_one_list_so_that_one_can_be_taken_away() {
        let target = json!({"taints": [{"key": "a", "effect": "NoSchedule"}, {"key": "b"}]});
        let patch = json!({"taints": [{"key": "b"}]});
        assert_eq!(patched(target, patch), json!({"taints": [{"key": "b"}]}));
    }

    #[test]
    fn an_element_without_its_key_is_refused() {
        let mut target = json!({"containers": [{"name": "a"}]});
        let patch = json!({"a": 1, "containers": [{"image": "x"}]});
        let error = strategic(&mut target, &patch).expect_err("no name");
        assert_eq!(error.to_string(), "an element of \"containers\" has no \"name\"");
        assert_eq!(
            target,
            json!({"containers": [{"name": "a"}]}),
            "a failed patch changes nothing"
        );
    }
}
