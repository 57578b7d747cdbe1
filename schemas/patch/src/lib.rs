//! The patches that Kubernetes knows, as pure functions over JSON: merge (RFC 7386), JSON patch
//! (RFC 6902) and strategic merge.
//!
//! Guarantee: the API, which tries a patch, and the leader, which decides it in log order, come to
//! the same object; a patch that fails changes nothing.
//! Absent: field ownership (`apply`), which is the leader's.

mod strategic;

use serde_json::Value;

pub use strategic::strategic;

/// A patch that cannot be applied: what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatchError(String);

/// RFC 7386: `null` removes, maps merge, everything else replaces.
pub fn merge(target: &mut Value, patch: &Value) {
    json_patch::merge(target, patch);
}

/// RFC 6902: a list of operations, all or nothing.
///
/// # Errors
/// [`PatchError`] naming the operation that cannot be applied.
pub fn operations(target: &mut Value, patch: &Value) -> Result<(), PatchError> {
    let wrong = |why: String| PatchError(format!("the JSON patch cannot be applied: {why}"));
    let operations: json_patch::Patch =
        serde_json::from_value(patch.clone()).map_err(|error| wrong(error.to_string()))?;
    json_patch::patch(target, &operations).map_err(|error| wrong(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn merge_patches_follow_the_examples_of_rfc_7386() {
        for (target, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (json!(["a"]), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
        ] {
            let mut outcome = target;
            merge(&mut outcome, &patch);
            assert_eq!(outcome, result);
        }
    }

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
            let done = operations(&mut outcome, &json!([operation])).is_ok();
            assert_eq!(done.then_some(outcome.clone()), result, "{operation}");
            assert!(done || outcome == target, "a failed patch changes nothing");
        }
    }

    #[test]
    fn operations_are_all_or_nothing_and_the_failing_one_is_named() {
        let mut target = json!({"spec": {"replicas": 1}, "list": [1, 2]});
        let before = target.clone();
        let patch = json!([
            {"op": "replace", "path": "/spec/replicas", "value": 3},
            {"op": "test", "path": "/list/0", "value": 9},
        ]);
        let error = operations(&mut target, &patch).expect_err("the test fails").to_string();
        assert!(error.contains("operation '/1'"), "{error}");
        assert_eq!(target, before);
        operations(&mut target, &json!([{"op": "add", "path": "/list/-", "value": 3}]))
            .expect("it applies");
        assert_eq!(target["list"], json!([1, 2, 3]));
        let error = operations(&mut target, &json!({"op": "add"})).expect_err("not a list");
        assert!(error.to_string().starts_with("the JSON patch cannot be applied: "), "{error}");
    }
}
