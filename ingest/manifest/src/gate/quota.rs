//! Quotas: what they bound, and for which pods.
//!
//! Source: `ValidateResourceQuotaSpec` of Kubernetes. A name that nothing is measured by is refused: it would
//! bound nothing.

use serde_json::Value;
use setpoint_schemas::Quantity;

use super::cursor::{Checker, Cursor};

/// Names that stand alone.
const PLAIN: &[&str] = &[
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "requests.storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "configmaps",
    "persistentvolumeclaims",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "services",
    "services.loadbalancers",
    "services.nodeports",
];
/// Those of them, and beginnings of others, that amount to something of which there are parts.
const DIVISIBLE: &[&str] =
    &["cpu", "memory", "ephemeral-storage", "requests.", "limits.", "hugepages-"];
/// What is bounded of one storage class.
const OF_CLASS: &[&str] = &["requests.storage", "persistentvolumeclaims"];
/// Which pods count.
const SCOPES: &[&str] =
    &["Terminating", "NotTerminating", "BestEffort", "NotBestEffort", "PriorityClass"];
const OPERATORS: &[&str] = &["In", "NotIn", "Exists", "DoesNotExist"];

/// A ResourceQuota's spec.
pub(crate) fn check(checker: &mut Checker, spec: &Cursor<'_>) {
    let hard = spec.field("hard");
    for (name, amount) in hard.entries() {
        check_bound(checker, name, &amount);
    }
    let mut scopes = Vec::new();
    for scope in spec.field("scopes").items() {
        check_scope(checker, &scope);
        scopes.push(scope.text());
    }
    for requirement in spec.field("scopeSelector").field("matchExpressions").items() {
        check_requirement(checker, &requirement);
        scopes.push(requirement.field("scopeName").text());
    }
    for (one, other) in [("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating")] {
        if scopes.contains(&one) && scopes.contains(&other) {
            checker.refuse(spec, format!("no pod is both {one} and {other}"));
        }
    }
    for (name, amount) in hard.entries().into_iter().filter(|_| !scopes.is_empty()) {
        let is_in_scope = match scopes.contains(&"BestEffort") {
            true => name == "pods",
            false => name == "pods" || DIVISIBLE.iter().any(|some| is_of(name, some)),
        };
        if !is_in_scope || name == "requests.storage" {
            checker
                .refuse(&amount, "is not of pods that a scope could choose: leave the scope out");
        }
    }
}

fn check_bound(checker: &mut Checker, name: &str, amount: &Cursor<'_>) {
    if !is_measured(name) {
        let reason = "nothing is measured by this name: bound cpu, memory or ephemeral-storage with \
                      requests. or limits. before it, pods, requests.storage, persistentvolumeclaims, \
                      requests.DOMAIN/RESOURCE, or count/RESOURCE.GROUP";
        return checker.refuse(amount, reason);
    }
    let text = match amount.value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let Ok(quantity) = Quantity::parse(&text) else { return };
    if quantity.is_negative() {
        checker.refuse(amount, format!("is {quantity} and must not be negative"));
    }
    let is_divisible = DIVISIBLE.iter().any(|some| is_of(name, some));
    if !is_divisible && quantity.milli() % 1_000 != 0 {
        checker.refuse(amount, format!("is {quantity} and must be a whole number"));
    }
}

/// Whether a name is this one, or begins with it where that is only a beginning.
fn is_of(name: &str, some: &str) -> bool {
    name == some || (some.ends_with(['.', '-']) && name.starts_with(some))
}

fn is_measured(name: &str) -> bool {
    if PLAIN.contains(&name) {
        return true;
    }
    if let Some((class, what)) = name.split_once(".storageclass.storage.k8s.io/") {
        return !class.is_empty() && OF_CLASS.contains(&what);
    }
    let is_left = |prefix: &str| name.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty());
    let is_extended = |rest: &str| rest.contains('/') || rest.starts_with("hugepages-");
    is_left("count/")
        || is_left("hugepages-")
        || name.strip_prefix("requests.").is_some_and(is_extended)
}

fn check_scope(checker: &mut Checker, at: &Cursor<'_>) {
    if at.text() == "CrossNamespacePodAffinity" {
        checker.refuse(at, "pods are not told apart by whose affinity looks into other namespaces");
    } else if checker.required(at) {
        checker.one_of(at, SCOPES);
    }
}

fn check_requirement(checker: &mut Checker, at: &Cursor<'_>) {
    let (name, operator, values) =
        (at.field("scopeName"), at.field("operator"), at.field("values"));
    check_scope(checker, &name);
    if !checker.required(&operator) {
        return;
    }
    checker.one_of(&operator, OPERATORS);
    let has_values = !values.items().is_empty();
    match operator.text() {
        _ if name.text() != "PriorityClass" => {
            if operator.text() != "Exists" {
                checker.refuse(&operator, "must be Exists for this scope");
            }
        }
        "In" | "NotIn" if !has_values => {
            checker.refuse(&values, "is required with In and NotIn");
        }
        "Exists" | "DoesNotExist" if has_values => {
            checker.refuse(&values, "must be empty with Exists and DoesNotExist");
        }
        _ => {}
    }
}
