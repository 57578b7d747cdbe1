//! RFC 6902: a list of operations, all or nothing.

use serde_json::Value;

use super::PatchError;

/// Applies the operations in order; on an error the target is as it was.
///
/// # Errors
/// [`PatchError`] naming the operation that cannot be applied.
pub fn json_patch(target: &mut Value, operations: &Value) -> Result<(), PatchError> {
    let list = operations.as_array();
    let list = list.ok_or_else(|| PatchError("a JSON patch is a list of operations".to_owned()))?;
    let mut outcome = target.clone();
    for (index, operation) in list.iter().enumerate() {
        let wrong = |why| PatchError(format!("operation {index} cannot be applied: {why}"));
        apply(&mut outcome, operation).map_err(wrong)?;
    }
    *target = outcome;
    Ok(())
}

fn apply(target: &mut Value, operation: &Value) -> Result<(), String> {
    let text =
        |field: &str| operation[field].as_str().ok_or_else(|| format!("it has no {field:?}"));
    let value = || operation.get("value").ok_or("it has no \"value\"");
    let path = text("path")?;
    match text("op")? {
        "add" => add(target, path, value()?.clone()),
        "remove" => remove(target, path).map(drop),
        "replace" => {
            let place = target.pointer_mut(path).ok_or_else(|| missing(path))?;
            *place = value()?.clone();
            Ok(())
        }
        "move" => {
            let from = text("from")?;
            if path.strip_prefix(from).is_some_and(|rest| rest.starts_with('/')) {
                return Err("it moves a value into itself".to_owned());
            }
            let value = remove(target, from)?;
            add(target, path, value)
        }
        "copy" => {
            let from = text("from")?;
            let value = target.pointer(from).cloned().ok_or_else(|| missing(from))?;
            add(target, path, value)
        }
        "test" => match target.pointer(path) {
            Some(found) if found == value()? => Ok(()),
            _ => Err(format!("the test of {path:?} failed")),
        },
        other => Err(format!("unknown operation {other:?}")),
    }
}

fn add(target: &mut Value, path: &str, value: Value) -> Result<(), String> {
    let Some((parent, key)) = path.rsplit_once('/') else {
        if path.is_empty() {
            *target = value;
            return Ok(());
        }
        return Err(missing(path));
    };
    let key = key.replace("~1", "/").replace("~0", "~");
    match target.pointer_mut(parent) {
        Some(Value::Object(map)) => {
            map.insert(key, value);
            Ok(())
        }
        Some(Value::Array(list)) if key == "-" => {
            list.push(value);
            Ok(())
        }
        Some(Value::Array(list)) => {
            let index = index_of(&key).filter(|index| *index <= list.len());
            list.insert(index.ok_or_else(|| missing(path))?, value);
            Ok(())
        }
        _ => Err(missing(path)),
    }
}

fn remove(target: &mut Value, path: &str) -> Result<Value, String> {
    let (parent, key) = path.rsplit_once('/').ok_or_else(|| missing(path))?;
    let key = key.replace("~1", "/").replace("~0", "~");
    let removed = match target.pointer_mut(parent) {
        Some(Value::Object(map)) => map.remove(&key),
        Some(Value::Array(list)) => {
            let index = index_of(&key).filter(|index| *index < list.len());
            index.map(|index| list.remove(index))
        }
        _ => None,
    };
    removed.ok_or_else(|| missing(path))
}

/// Digits without a leading zero.
fn index_of(key: &str) -> Option<usize> {
    let sound = key == "0" || (!key.starts_with('0') && key.bytes().all(|b| b.is_ascii_digit()));
    if sound { key.parse().ok() } else { None }
}

fn missing(path: &str) -> String {
    format!("the path {path:?} does not exist")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn operations_follow_the_examples_of_rfc_6902() {
        for (target, operation, result) in [
            (
                json!({"a": 1}),
                json!({"op": "add", "path": "/b", "value": 2}),
                Some(json!({"a": 1, "b": 2})),
            ),
            (json!([1, 3]), json!({"op": "add", "path": "/1", "value": 2}), Some(json!([1, 2, 3]))),
            (json!([1]), json!({"op": "add", "path": "/-", "value": 2}), Some(json!([1, 2]))),
            (json!([1]), json!({"op": "add", "path": "/2", "value": 2}), None),
            (json!({"a/b": 1}), json!({"op": "remove", "path": "/a~1b"}), Some(json!({}))),
            (json!({}), json!({"op": "remove", "path": "/a"}), None),
            (
                json!({"a": 1}),
                json!({"op": "replace", "path": "/a", "value": 2}),
                Some(json!({"a": 2})),
            ),
            (json!({}), json!({"op": "replace", "path": "/a", "value": 2}), None),
            (
                json!({"a": {"b": 1}}),
                json!({"op": "move", "from": "/a/b", "path": "/c"}),
                Some(json!({"a": {}, "c": 1})),
            ),
            (json!({"a": {}}), json!({"op": "move", "from": "/a", "path": "/a/b"}), None),
            (
                json!({"a": 1}),
                json!({"op": "copy", "from": "/a", "path": "/b"}),
                Some(json!({"a": 1, "b": 1})),
            ),
            (json!({"a": 1}), json!({"op": "test", "path": "/a", "value": 2}), None),
        ] {
            let mut outcome = target.clone();
            let done = json_patch(&mut outcome, &json!([operation])).is_ok();
            assert_eq!(done.then_some(outcome.clone()), result, "{operation}");
            assert!(done || outcome == target, "a failed patch changes nothing");
        }
    }
}
