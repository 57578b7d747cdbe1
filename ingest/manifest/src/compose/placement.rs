//! Where a service's pods may run: `deploy.placement`.

use serde_json::{Value, json};

use super::fields;
use super::making::Making;
use super::units::whole;
use crate::gate::cursor::Cursor;

const HOSTNAME: &str = "kubernetes.io/hostname";

/// Sets affinity and spread of the pod.
pub(crate) fn apply(
    making: &mut Making<'_>,
    service: &Cursor<'_>,
    labels: &Value,
    spec: &mut Value,
) {
    let placement = service.field("deploy").field("placement");
    making.check(&placement, fields::PLACEMENT);
    let constraints = constraints(making, &placement.field("constraints"));
    if !constraints.is_empty() {
        spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] =
            json!({"nodeSelectorTerms": [{"matchExpressions": constraints}]});
    }
    let spread = spread(making, &placement.field("preferences"), labels);
    if !spread.is_empty() {
        spec["topologySpreadConstraints"] = Value::Array(spread);
    }
    at_most(making, &placement.field("max_replicas_per_node"), labels, spec);
}

fn constraints(making: &mut Making<'_>, at: &Cursor<'_>) -> Vec<Value> {
    let mut found = Vec::new();
    for item in at.items() {
        match constraint(item.text()) {
            Ok(requirement) => found.push(requirement),
            Err(why) => making.refuse(&item, why),
        }
    }
    found
}

/// `node.labels.zone == a` and the like.
fn constraint(text: &str) -> Result<Value, String> {
    let (key, equal, value) = if let Some((key, value)) = text.split_once("==") {
        (key.trim(), true, value.trim())
    } else if let Some((key, value)) = text.split_once("!=") {
        (key.trim(), false, value.trim())
    } else {
        return Err("is no constraint: expected such as node.labels.zone==a".into());
    };
    let label = match key {
        "node.hostname" | "node.id" => HOSTNAME,
        "node.platform.os" => "kubernetes.io/os",
        "node.platform.arch" => "kubernetes.io/arch",
        "node.role" => return role(equal, value),
        _ => key
            .strip_prefix("node.labels.")
            .or_else(|| key.strip_prefix("engine.labels."))
            .ok_or_else(|| {
                format!("{:?} is no property of a node", crate::problem::shortened(key))
            })?,
    };
    let operator = if equal { "In" } else { "NotIn" };
    Ok(json!({"key": label, "operator": operator, "values": [value]}))
}

/// A manager is a node with Kubernetes' label of the control plane.
fn role(equal: bool, value: &str) -> Result<Value, String> {
    let manager = match value {
        "manager" => equal,
        "worker" => !equal,
        _ => return Err("a role is manager or worker".into()),
    };
    let operator = if manager { "Exists" } else { "DoesNotExist" };
    Ok(json!({"key": "node-role.kubernetes.io/control-plane", "operator": operator}))
}

fn spread(making: &mut Making<'_>, at: &Cursor<'_>, labels: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    for item in at.items() {
        let spread = item.field("spread");
        let text = spread.text();
        let key = text.strip_prefix("node.labels.").or_else(|| text.strip_prefix("engine.labels."));
        let Some(key) = key else {
            making.refuse(&spread, "expected such as node.labels.zone");
            continue;
        };
        found.push(json!({
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": labels},
        }));
    }
    found
}

/// One a node is what anti-affinity says; a larger number has no like in Kubernetes.
fn at_most(making: &mut Making<'_>, at: &Cursor<'_>, labels: &Value, spec: &mut Value) {
    match whole(at.value) {
        _ if at.value.is_null() => {}
        Some(0) => {}
        Some(1) => {
            spec["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] =
                json!([{"topologyKey": HOSTNAME, "labelSelector": {"matchLabels": labels}}]);
        }
        Some(number) if number > 1 => making.ignore(at, "only 1 a node is supported"),
        _ => making.refuse(at, "must be a number of at least 0"),
    }
}
