//! What of a Pod's spec may change while it runs: it bears more taints, and it has less time.
//!
//! Source: Kubernetes' `ValidatePodUpdate` and `validateOnlyAddedTolerations`, whose words these are.

use serde_json::Value;

/// The fields of the spec that are judged here and by nobody else.
pub(crate) const MAY_CHANGE: [&str; 2] = [DEADLINE, TOLERATIONS];

const DEADLINE: &str = "activeDeadlineSeconds";
const TOLERATIONS: &str = "tolerations";
/// What of a toleration may change.
const SECONDS: &str = "tolerationSeconds";

/// Why the spec may not become this one by these fields; empty: it may.
pub(crate) fn refusals(before: &Value, after: &Value) -> Vec<String> {
    let deadline = deadline(before[DEADLINE].as_i64(), after[DEADLINE].as_i64());
    deadline.into_iter().chain(tolerations(&before[TOLERATIONS], &after[TOLERATIONS])).collect()
}

/// It may be set, and lowered.
fn deadline(before: Option<i64>, after: Option<i64>) -> Option<String> {
    let why = match (before?, after) {
        (_, None) => "null: must not update from a positive integer to nil value".to_owned(),
        (before, Some(after)) if after > before => {
            format!("{after}: must be less than or equal to previous value")
        }
        _ => return None,
    };
    Some(format!("spec.{DEADLINE}: Invalid value: {why}"))
}

/// Those that there were are still there, but for how long they last.
fn tolerations(before: &Value, after: &Value) -> Option<String> {
    let list = |list: &Value| -> Vec<Value> {
        let items = list.as_array().into_iter().flatten().cloned();
        items.map(without_seconds).collect()
    };
    let after = list(after);
    let is_lost = list(before).iter().any(|toleration| !after.contains(toleration));
    is_lost.then(|| {
        format!(
            "spec.{TOLERATIONS}: Forbidden: existing toleration can not be modified except its \
             {SECONDS}"
        )
    })
}

/// With what a server leaves out where it is the default.
fn without_seconds(mut toleration: Value) -> Value {
    if let Some(fields) = toleration.as_object_mut() {
        fields.remove(SECONDS);
        fields.retain(|_, value| !value.is_null() && value != "");
        fields.entry("operator").or_insert_with(|| Value::from("Equal"));
    }
    toleration
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_deadline_is_set_and_lowered_and_never_raised_or_taken_away() {
        let spec = |seconds: Option<i64>| json!({"activeDeadlineSeconds": seconds});
        let path = "spec.activeDeadlineSeconds: Invalid value: ";
        let more = "70: must be less than or equal to previous value";
        let none = "null: must not update from a positive integer to nil value";
        let table = [
            (None, None, String::new()),
            (None, Some(60), String::new()),
            (Some(60), Some(60), String::new()),
            (Some(60), Some(50), String::new()),
            (Some(60), Some(70), format!("{path}{more}")),
            (Some(60), None, format!("{path}{none}")),
        ];
        for (before, after, expected) in table {
            let said = refusals(&spec(before), &spec(after)).join(", ");
            assert_eq!(said, expected, "{before:?} to {after:?}");
        }
    }

    #[test]
    fn tolerations_become_more_and_last_otherwise_and_none_is_taken_away() {
        let one = json!({"key": "a", "operator": "Exists", "effect": "NoExecute"});
        let longer = json!({"key": "a", "operator": "Exists", "effect": "NoExecute",
            "tolerationSeconds": 60});
        let other = json!({"key": "b", "value": "x"});
        let written = json!({"key": "b", "operator": "Equal", "value": "x", "effect": ""});
        let refused = "spec.tolerations: Forbidden: existing toleration can not be modified except \
                       its tolerationSeconds";
        let table = [
            (json!([]), json!([one]), ""),
            (json!([one]), json!([other, one]), ""),
            (json!([one]), json!([longer]), ""),
            (json!([longer]), json!([one]), ""),
            (json!([other]), json!([written]), ""),
            (json!([one]), json!([other]), refused),
            (json!([one]), Value::Null, refused),
        ];
        for (before, after, expected) in table {
            let spec = |tolerations: &Value| json!({"tolerations": tolerations});
            let said = refusals(&spec(&before), &spec(&after)).join(", ");
            assert_eq!(said, expected, "{before} to {after}");
        }
    }
}
