//! Priorities: the classes, and what a pod says of its own.
//!
//! Source: `pkg/apis/scheduling/validation` of Kubernetes. Absent: whether a class is there; whoever
//! decides looks it up.

use setpoint_schemas::{PRIORITY_MAX, system_priority};

use super::cursor::{Checker, Cursor};

const POLICIES: &[&str] = &["PreemptLowerPriority", "Never"];
/// Names that begin so are Kubernetes' own.
const RESERVED: &str = "system-";

/// A PriorityClass.
pub(crate) fn class(checker: &mut Checker, object: &Cursor<'_>) {
    let (name, value) = (object.field("metadata").field("name"), object.field("value"));
    checker.one_of(&object.field("preemptionPolicy"), POLICIES);
    let number = value.int().unwrap_or(0);
    if let Some(fixed) = system_priority(name.text()) {
        if number != i64::from(fixed) {
            checker.refuse(&value, format!("must be {fixed}, as this class has it"));
        }
        return;
    }
    if name.text().starts_with(RESERVED) {
        let reason = "names that begin with \"system-\" are reserved for the classes of Kubernetes";
        checker.refuse(&name, reason);
    }
    bounded(checker, &value);
}

/// A pod's own words about its priority.
pub(crate) fn of_pod(checker: &mut Checker, spec: &Cursor<'_>) {
    checker.one_of(&spec.field("preemptionPolicy"), POLICIES);
    if spec.field("priorityClassName").text().is_empty() {
        bounded(checker, &spec.field("priority"));
    }
}

fn bounded(checker: &mut Checker, at: &Cursor<'_>) {
    if at.int().is_some_and(|value| value > i64::from(PRIORITY_MAX)) {
        let reason = format!("must be at most {PRIORITY_MAX}: what is above is the system's");
        checker.refuse(at, reason);
    }
}
