//! What becomes of the conditions that others set of a pod, by a write to its status.
//!
//! Source: the API server's strategic merge of `status.conditions` by `type`. What follows from
//! observation is not written there: such entries are passed over, for whoever writes a whole status back
//! has them in it.

use serde_json::Value;
use setpoint_schemas::{
    CONDITIONS_GONE_BY, OBSERVED_CONDITIONS, POD_CONDITIONS_MAX, PodCondition, Verb,
};

/// Kubernetes' bound of a qualified name: a prefix, `/`, and a name.
const KIND_BYTES_MAX: usize = 317;
/// A word, and a sentence; each pod keeps its own.
const TEXT_BYTES_MAX: usize = 1_024;

/// The conditions after this write: an update names all of them, anything else some. A status that changes
/// without a time has changed at `now`, RFC 3339.
///
/// # Errors
/// A sentence that says what is wrong with what was written.
pub fn written(
    before: &[PodCondition],
    verb: Verb,
    body: &str,
    now: &str,
) -> Result<Vec<PodCondition>, String> {
    let body: Value = serde_json::from_str(body).map_err(|error| format!("status: {error}"))?;
    let entries = body["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    let mut after = if verb == Verb::Update { Vec::new() } else { before.to_vec() };
    for entry in entries {
        let mut said = entry.clone();
        // Clients write a time that they do not know as null.
        if let Some(fields) = said.as_object_mut() {
            fields.retain(|_, value| !value.is_null());
        }
        let condition: PodCondition =
            serde_json::from_value(said).map_err(|error| format!("status.conditions: {error}"))?;
        if OBSERVED_CONDITIONS.contains(&condition.kind.as_str()) {
            continue;
        }
        let known = before.iter().find(|known| known.kind == condition.kind);
        after.retain(|known| known.kind != condition.kind);
        match entry["$patch"].as_str() {
            Some("delete") => continue,
            Some(other) => return Err(format!("status.conditions: $patch: {other} is not known")),
            None => {}
        }
        after.push(checked(timed(condition, known, now))?);
    }
    if after.len() > POD_CONDITIONS_MAX {
        return Err(format!("status.conditions: at most {POD_CONDITIONS_MAX} are kept of a pod"));
    }
    after.sort_by(|one, other| one.kind.cmp(&other.kind));
    Ok(after)
}

/// The conditions that a writer went by, where it says so: others may have set some since.
#[must_use]
pub fn gone_by(body: &str) -> Option<Vec<PodCondition>> {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let said = body.get(CONDITIONS_GONE_BY)?;
    Some(serde_json::from_value(said.clone()).unwrap_or_default())
}

fn timed(mut condition: PodCondition, known: Option<&PodCondition>, now: &str) -> PodCondition {
    if condition.last_transition_time.is_empty() {
        let same = known.filter(|known| known.status == condition.status);
        let since = same.map_or(now, |known| known.last_transition_time.as_str());
        condition.last_transition_time = since.to_owned();
    }
    condition
}

fn checked(condition: PodCondition) -> Result<PodCondition, String> {
    let PodCondition { kind, status, reason, message, last_transition_time } = &condition;
    if kind.is_empty() || kind.len() > KIND_BYTES_MAX {
        return Err(
            "status.conditions: a condition needs a type of a length that names have".into()
        );
    }
    if !matches!(status.as_str(), "True" | "False" | "Unknown") {
        return Err(format!("status.conditions[{kind}].status: must be True, False or Unknown"));
    }
    let texts =
        [("reason", reason), ("message", message), ("lastTransitionTime", last_transition_time)];
    let long = texts.into_iter().find(|(_, text)| text.len() > TEXT_BYTES_MAX);
    match long.map(|(field, _)| field) {
        Some(field) => {
            Err(format!("status.conditions[{kind}].{field}: at most {TEXT_BYTES_MAX} bytes"))
        }
        None => Ok(condition),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn after(before: &[PodCondition], verb: Verb, conditions: &Value) -> Vec<PodCondition> {
        let body = json!({"conditions": conditions}).to_string();
        written(before, verb, &body, "t2").expect("it is right")
    }

    fn told(conditions: &[PodCondition]) -> Vec<String> {
        let text = |one: &PodCondition| {
            format!("{} {} {}", one.kind, one.status, one.last_transition_time)
        };
        conditions.iter().map(text).collect()
    }

    #[test]
    fn a_patch_changes_what_it_names_and_an_update_all() {
        let one = |kind: &str, status: &str| json!({"type": kind, "status": status});
        let timed = json!({"type": "b", "status": "True", "lastTransitionTime": "t1"});
        let first = after(&[], Verb::StrategicMergePatch, &json!([one("a", "False"), timed]));
        assert_eq!(told(&first), ["a False t2", "b True t1"]);
        let same = after(&first, Verb::StrategicMergePatch, &json!([one("b", "True")]));
        assert_eq!(told(&same), ["a False t2", "b True t1"], "a time stays while the status does");
        let ready = json!([one("Ready", "True"), one("a", "True")]);
        assert_eq!(told(&after(&first, Verb::Update, &ready)), ["a True t2"]);
        let gone = json!([{"type": "a", "$patch": "delete"}]);
        assert_eq!(told(&after(&first, Verb::StrategicMergePatch, &gone)), ["b True t1"]);
    }

    #[test]
    fn a_writer_may_say_what_it_went_by() {
        let one = PodCondition {
            kind: "a".to_owned(),
            status: "True".to_owned(),
            ..PodCondition::default()
        };
        let table = [
            (json!({"conditions": []}), None),
            (json!({"conditions": [], CONDITIONS_GONE_BY: []}), Some(Vec::new())),
            (json!({"conditions": [], CONDITIONS_GONE_BY: [one]}), Some(vec![one.clone()])),
        ];
        for (body, expected) in table {
            assert_eq!(gone_by(&body.to_string()), expected, "{body}");
        }
    }

    #[test]
    fn what_is_no_condition_is_refused() {
        let long = "x".repeat(TEXT_BYTES_MAX + 1);
        let many: Vec<Value> = (0..=POD_CONDITIONS_MAX)
            .map(|n| json!({"type": format!("c{n}"), "status": "True"}))
            .collect();
        for conditions in [
            json!([{"type": "a"}]),
            json!([{"status": "True"}]),
            json!([{"type": "a", "status": "yes"}]),
            json!([{"type": "a", "status": "True", "message": long}]),
            json!([{"type": 1, "status": "True"}]),
            json!([{"$patch": "replace"}]),
            json!(many),
        ] {
            let body = json!({"conditions": conditions}).to_string();
            assert!(written(&[], Verb::StrategicMergePatch, &body, "t").is_err(), "{body}");
        }
    }
}
