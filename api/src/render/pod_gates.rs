//! Which readiness gates of a pod are closed, in the kubelet's words.

use serde_json::Value;
use setpoint_schemas::PodCondition;

/// What keeps each closed gate of a spec closed, by the conditions that others set.
pub(super) fn closed(spec: &Value, set: &[PodCondition]) -> Vec<String> {
    let gates = spec["readinessGates"].as_array().into_iter().flatten();
    gates.filter_map(|gate| why_closed(gate["conditionType"].as_str()?, set)).collect()
}

/// Source: the kubelet's `GeneratePodReadyCondition`.
fn why_closed(gate: &str, set: &[PodCondition]) -> Option<String> {
    match set.iter().find(|condition| condition.kind == gate) {
        None => {
            Some(format!("corresponding condition of pod readiness gate {gate:?} does not exist."))
        }
        Some(condition) if condition.status != "True" => Some(format!(
            "the status of pod readiness gate {gate:?} is not \"True\", but {}",
            condition.status
        )),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_gate_is_closed_until_its_condition_is_true() {
        let spec = json!({"readinessGates": [{"conditionType": "a"}, {"conditionType": "b"}]});
        let (kind, status) = ("a".to_owned(), "False".to_owned());
        let mut set = vec![PodCondition { kind, status, ..PodCondition::default() }];
        let said = [
            "the status of pod readiness gate \"a\" is not \"True\", but False",
            "corresponding condition of pod readiness gate \"b\" does not exist.",
        ];
        assert_eq!(closed(&spec, &set), said);
        set[0].status = "True".to_owned();
        assert_eq!(closed(&spec, &set), [said[1]]);
        assert_eq!(closed(&json!({}), &set), Vec::<String>::new());
    }
}
