//! What a failed pod means for its Job.
//!
//! Source: `matchPodFailurePolicy` of Kubernetes' Job controller.

use setpoint_schemas::{OnExitCodes, OnPodCondition, PodFailurePolicy, PodFailureRule};

/// How a pod came to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause<'a> {
    /// By itself: its containers that ended, by name, with their exit codes.
    Ended(&'a [(&'a str, i32)]),
    /// It had to go for reasons that were not its own: its node was lost or it left that for a taint, or
    /// it made room for a higher one.
    Disrupted,
    /// Someone deleted it, or nothing is known.
    Other,
}

/// The condition of a pod that had to go for reasons that were not its own.
pub const DISRUPTION_TARGET: &str = "DisruptionTarget";

/// What a failed pod means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// It counts towards the limit of failures.
    Counts,
    /// It does not, and another is started in its place.
    Ignored,
    /// Its index has failed for good.
    FailsIndex,
    /// The Job fails; and the sentence that says why, which begins behind the pod's name.
    FailsJob(String),
}

/// What a pod that failed so means by this policy; without one it counts.
#[must_use]
pub fn meaning(policy: Option<&PodFailurePolicy>, cause: Cause<'_>) -> Meaning {
    let rules = policy.map_or(&[][..], |policy| &policy.rules);
    for (index, rule) in rules.iter().enumerate() {
        let Some(what) = matched(rule, cause) else { continue };
        return match rule.action.as_str() {
            "Ignore" => Meaning::Ignored,
            "FailIndex" => Meaning::FailsIndex,
            "FailJob" => {
                Meaning::FailsJob(format!("{what} matching FailJob rule at index {index}"))
            }
            _ => Meaning::Counts,
        };
    }
    Meaning::Counts
}

/// What of the pod a rule is about; `None`: it is not about it.
fn matched(rule: &PodFailureRule, cause: Cause<'_>) -> Option<String> {
    match (cause, &rule.on_exit_codes) {
        (Cause::Ended(codes), Some(meant)) => {
            let (container, code) = codes.iter().find(|ended| is_meant(meant, ended))?;
            Some(format!("container {container} failed with exit code {code}"))
        }
        (Cause::Disrupted, None) => {
            let is_meant = |condition: &OnPodCondition| {
                condition.kind == DISRUPTION_TARGET
                    && condition.status.as_deref().unwrap_or("True") == "True"
            };
            let is_any = rule.on_pod_conditions.iter().any(is_meant);
            is_any.then(|| format!("has condition {DISRUPTION_TARGET}"))
        }
        _ => None,
    }
}

/// A code of 0 is no failure, whatever is said of others.
fn is_meant(meant: &OnExitCodes, (container, code): &(&str, i32)) -> bool {
    let is_its = meant.container_name.as_deref().is_none_or(|name| name == *container);
    let is_named = meant.values.contains(code);
    is_its && *code != 0 && if meant.operator == "NotIn" { !is_named } else { is_named }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(rules: &str) -> PodFailurePolicy {
        serde_json::from_str(&format!(r#"{{"rules": [{rules}]}}"#)).expect(rules)
    }

    #[test]
    fn the_first_rule_that_is_about_it_says_what_it_means() {
        let fail = r#"{"action": "FailJob", "onExitCodes": {"containerName": "main", "operator": "In", "values": [42]}}"#;
        let spare = r#"{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}"#;
        let index =
            r#"{"action": "FailIndex", "onExitCodes": {"operator": "NotIn", "values": [7]}}"#;
        let both = policy(&[fail, spare].join(","));
        let all = policy(&[fail, spare, index].join(","));
        let count = policy(&[&fail.replace("FailJob", "Count"), index].join(","));
        let fails = "container main failed with exit code 42 matching FailJob rule at index 0";
        let fails = || Meaning::FailsJob(fails.to_owned());
        for (policy, cause, meaning_of) in [
            (None, Cause::Ended(&[("main", 42)]), Meaning::Counts),
            (Some(&both), Cause::Ended(&[("main", 42)]), fails()),
            (Some(&both), Cause::Ended(&[("side", 42)]), Meaning::Counts),
            (Some(&both), Cause::Ended(&[("main", 1)]), Meaning::Counts),
            (Some(&both), Cause::Ended(&[("side", 0), ("main", 42)]), fails()),
            (Some(&both), Cause::Disrupted, Meaning::Ignored),
            (Some(&both), Cause::Other, Meaning::Counts),
            (Some(&all), Cause::Ended(&[("main", 1)]), Meaning::FailsIndex),
            (Some(&all), Cause::Ended(&[("main", 7)]), Meaning::Counts),
            (Some(&all), Cause::Ended(&[("main", 0)]), Meaning::Counts),
            (Some(&count), Cause::Ended(&[("main", 42)]), Meaning::Counts),
        ] {
            assert_eq!(meaning(policy, cause), meaning_of, "{cause:?}");
        }
    }

    #[test]
    fn a_condition_that_is_not_true_is_not_meant() {
        let rule = r#"{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "False"}]}"#;
        assert_eq!(meaning(Some(&policy(rule)), Cause::Disrupted), Meaning::Counts);
    }
}
