//! Decisions as Kubernetes events, so that `kubectl describe` shows why.

use serde_json::{Value, json};
use setpoint_schemas::{Action, Decision, ResourceKey};
use xxhash_rust::xxh3::xxh3_64;

use super::rfc3339;
use crate::model::About;

/// The rules by which something is not made.
const QUOTA: &str = "quota";
const LIMIT_RANGE: &str = "limit_range";
/// Kubernetes' word for that, and that it is a warning.
const FAILED: (&str, bool) = ("FailedCreate", true);

/// The object that a decision is about, as events name it; `None` for one about nothing that can be
/// described. `pod` is the namespace and name of the decision's pod.
pub(crate) fn involved(about: &About<'_>, pod: Option<(&str, &str)>) -> Option<Value> {
    let resource = ResourceKey::parse(about.resource).ok();
    let uid = about.pod.as_ref().map(ToString::to_string).unwrap_or_default();
    Some(match (pod, &resource) {
        (Some((namespace, name)), _) => json!({
            "apiVersion": "v1", "kind": "Pod", "namespace": namespace, "name": name, "uid": uid}),
        (None, Some(key)) => json!({
            "apiVersion": api_version(key), "kind": &*key.kind.kind,
            "namespace": &*key.namespace, "name": &*key.name}),
        (None, None) if !about.node.is_empty() => json!({
            "apiVersion": "v1", "kind": "Node", "name": about.node, "uid": about.node}),
        (None, None) => return None,
    })
}

/// The namespace of an event about this object.
pub(crate) fn namespace_of(involved: &Value) -> &str {
    involved["namespace"].as_str().filter(|namespace| !namespace.is_empty()).unwrap_or("default")
}

/// The event of a decision about this object, named by what it says: one that says the same of the same
/// object has the same name.
pub(crate) fn event(decision: &Decision, involved: &Value) -> Option<Value> {
    let namespace = namespace_of(involved);
    let time = rfc3339(decision.time_ms);
    let is_refused = matches!(decision.rule.as_str(), QUOTA | LIMIT_RANGE);
    let (reason, warning) = match decision.rule.as_str() {
        QUOTA | LIMIT_RANGE => FAILED,
        "progress_deadline" => ("ProgressDeadlineExceeded", true),
        "update_failed" => ("UpdateFailed", true),
        "auto_revert" => ("RolloutReverted", true),
        rule => words(decision.action, rule),
    };
    let before = if is_refused { "Error creating: " } else { "" };
    let said = json!([involved, reason, decision.rule, decision.reason]).to_string();
    let name = format!("{}.{:016x}", involved["name"].as_str()?, xxh3_64(said.as_bytes()));
    Some(json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {
            "name": name, "namespace": namespace, "uid": name,
            "resourceVersion": decision.epoch.to_string(), "creationTimestamp": time,
        },
        "involvedObject": involved,
        "reason": reason, "message": format!("{before}{}", decision.reason),
        "type": if warning { "Warning" } else { "Normal" },
        "source": {"component": decision.rule},
        "firstTimestamp": time, "lastTimestamp": time, "count": 1,
    }))
}

/// Kubernetes' word for what was decided where it has one, and whether it is a warning.
fn words(action: Action, rule: &str) -> (&'static str, bool) {
    match action {
        Action::Accept => ("Accepted", false),
        Action::Refuse => ("Refused", true),
        Action::Place => ("Scheduled", false),
        Action::Wait if rule == "depends_on" => ("WaitingForDependencies", false),
        Action::Wait if rule == "eviction" => ("Evicting", false),
        Action::Wait => ("FailedScheduling", true),
        Action::Stop => ("Killing", false),
        Action::Restart => ("Restarted", false),
        Action::NodeLost => ("NodeNotReady", true),
        Action::NodeReturned => ("NodeReady", false),
        Action::Hold => ("Held", true),
        Action::Release => ("Released", false),
        Action::Rollout => ("Rollout", false),
    }
}

fn api_version(key: &ResourceKey) -> String {
    if key.kind.group.is_empty() { "v1".to_owned() } else { format!("{}/v1", key.kind.group) }
}

#[cfg(test)]
mod tests {
    use setpoint_schemas::samples;

    use super::*;

    #[test]
    fn what_a_quota_forbids_is_a_failed_creation_and_what_finds_no_room_is_not() {
        let web = json!({"kind": "Deployment", "namespace": "default", "name": "web"});
        let waits = |rule: &str| Decision {
            action: Action::Wait,
            rule: rule.to_owned(),
            reason: "why".to_owned(),
            ..samples::decision()
        };
        for (rule, reason, message) in [
            ("quota", "FailedCreate", "Error creating: why"),
            ("limit_range", "FailedCreate", "Error creating: why"),
            ("placement", "FailedScheduling", "why"),
        ] {
            let event = event(&waits(rule), &web).expect("an event");
            assert_eq!((&event["reason"], &event["message"]), (&reason.into(), &message.into()));
            assert_eq!(event["type"], "Warning");
        }
    }
}
