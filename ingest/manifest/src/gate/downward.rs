//! What a container asks to be told of its own pod.
//!
//! Source: Kubernetes' `validateObjectFieldSelector` and `validateContainerResourceFieldSelector`.

use serde_json::Value;
use setpoint_schemas::Quantity;

use super::cursor::{Checker, Cursor};

/// What a variable may tell.
const OF_VARIABLE: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
/// What a file may tell: what stays as it is while the pod runs, and whole maps.
const OF_FILE: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "metadata.labels",
    "metadata.annotations",
];
/// Maps of which one entry may be told.
const MAPS: &[&str] = &["metadata.labels", "metadata.annotations"];

/// Units that processors may be counted in.
const CPU_DIVISORS: &[&str] = &["1m", "1"];
/// Units that bytes may be counted in.
const BYTE_DIVISORS: &[&str] =
    &["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];

/// The source of a variable.
pub(crate) fn variable(checker: &mut Checker, from: &Cursor<'_>) {
    if let Some(field) = from.get("fieldRef") {
        field_path(checker, &field, OF_VARIABLE);
    }
    if let Some(resource) = from.get("resourceFieldRef") {
        amount(checker, &resource);
    }
}

/// The source of a file, which belongs to no container.
pub(crate) fn file(checker: &mut Checker, item: &Cursor<'_>) {
    let (field, resource) = (item.get("fieldRef"), item.get("resourceFieldRef"));
    if field.is_some() == resource.is_some() {
        checker.refuse(item, "needs exactly one of fieldRef and resourceFieldRef");
    }
    if let Some(field) = field {
        field_path(checker, &field, OF_FILE);
    }
    if let Some(resource) = resource {
        checker.required(&resource.field("containerName"));
        amount(checker, &resource);
    }
}

fn field_path(checker: &mut Checker, field: &Cursor<'_>, allowed: &[&str]) {
    checker.one_of(&field.field("apiVersion"), &["v1"]);
    let path = field.field("fieldPath");
    if !checker.required(&path) {
        return;
    }
    let entry = path.text().split_once("['").filter(|(_, key)| key.ends_with("']"));
    match entry {
        Some((map, _)) if MAPS.contains(&map) => {}
        Some(_) => checker.refuse(&path, format!("only {} have entries", MAPS.join(" and "))),
        None => {
            let entries = MAPS.iter().map(|map| format!("{map}['KEY']"));
            let all: Vec<String> =
                allowed.iter().map(|path| (*path).to_owned()).chain(entries).collect();
            if !allowed.contains(&path.text()) {
                let shown = crate::problem::shortened(path.text());
                checker.refuse(&path, format!("{shown:?} is none of {}", all.join(", ")));
            }
        }
    }
}

fn amount(checker: &mut Checker, from: &Cursor<'_>) {
    let resource = from.field("resource");
    if !checker.required(&resource) {
        return;
    }
    let of = resource.text().split_once('.');
    let Some(("limits" | "requests", name)) = of else {
        return checker.refuse(&resource, "must be such as limits.cpu or requests.memory");
    };
    let divisors = match name {
        "cpu" => CPU_DIVISORS,
        "memory" | "ephemeral-storage" => BYTE_DIVISORS,
        name if name.starts_with("hugepages-") => BYTE_DIVISORS,
        _ => {
            let reason = "only cpu, memory, ephemeral-storage and hugepages can be told";
            return checker.refuse(&resource, reason);
        }
    };
    divisor(checker, &from.field("divisor"), divisors);
}

/// One of these units, however it is spelled; 0 stands for none.
fn divisor(checker: &mut Checker, at: &Cursor<'_>, allowed: &[&str]) {
    let text = match at.value {
        Value::Null => return,
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let Ok(given) = Quantity::parse(&text) else { return };
    let same = |unit: &&str| {
        Quantity::parse(unit)
            .is_ok_and(|unit| (unit.milli(), unit.units()) == (given.milli(), given.units()))
    };
    let is_zero = given.milli() == 0;
    if !is_zero && !allowed.iter().any(same) {
        let shown = crate::problem::shortened(&text);
        checker.refuse(at, format!("{shown:?} is none of {}", allowed.join(", ")));
    }
}
