//! Disruption budgets.
//!
//! Source: `ValidatePodDisruptionBudgetSpec` of Kubernetes.

use super::cursor::{Checker, Cursor};
use super::{selector, workload};

/// A PodDisruptionBudget's spec.
pub(crate) fn check(checker: &mut Checker, spec: &Cursor<'_>) {
    let (least, most) = (spec.field("minAvailable"), spec.field("maxUnavailable"));
    if !least.value.is_null() && !most.value.is_null() {
        checker.refuse(spec, "minAvailable and maxUnavailable cannot be both set");
    }
    for at in [&least, &most] {
        let amount = workload::amount(checker, at);
        if amount.is_some_and(|amount| at.value.is_string() && amount > 100) {
            checker.refuse(at, "must not be greater than 100%");
        }
    }
    selector::check(checker, &spec.field("selector"));
    let policies = &["IfHealthyBudget", "AlwaysAllow"];
    checker.one_of(&spec.field("unhealthyPodEvictionPolicy"), policies);
}
