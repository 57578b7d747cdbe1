//! Deployments, ReplicaSets, ReplicationControllers, DaemonSets and StatefulSets.

use super::cursor::{Checker, Cursor};
use super::{names, pod, selector, stateful};
use crate::annotations::ANNOTATION_RUNS_ONCE;
use serde_json::Value;
use setpoint_schemas::IntOrPercent;

pub(crate) fn check(checker: &mut Checker, object: &Cursor<'_>, kind: &str) {
    let spec = object.field("spec");
    if spec.map().is_none() {
        return checker.refuse(&spec, "is required");
    }
    for name in ["replicas", "minReadySeconds", "revisionHistoryLimit"] {
        checker.not_negative(&spec.field(name));
    }
    match kind {
        "ReplicationController" => selector::of_controller(checker, &spec),
        _ => selector::of_workload(checker, &spec),
    }
    template(checker, object, &spec);
    strategy(checker, &spec.field("strategy"), &["RollingUpdate", "Recreate"]);
    strategy(checker, &spec.field("updateStrategy"), &["RollingUpdate", "OnDelete"]);
    if kind == "DaemonSet" {
        no_surge(checker, &spec.field("updateStrategy").field("rollingUpdate").field("maxSurge"));
    }
    deadline(checker, &spec);
    if kind == "StatefulSet" {
        stateful::check(checker, object, &spec);
    }
}

fn template(checker: &mut Checker, object: &Cursor<'_>, of: &Cursor<'_>) {
    let template = of.field("template");
    if template.map().is_none() {
        return checker.refuse(&template, "is required");
    }
    names::labels(checker, &template.field("metadata").field("labels"));
    names::annotations(checker, &template.field("metadata").field("annotations"));
    let spec = template.field("spec");
    let claims = of.field("volumeClaimTemplates").items();
    let claims: Vec<Cursor<'_>> =
        claims.iter().map(|claim| claim.field("metadata").field("name")).collect();
    let claims: Vec<&str> = claims.iter().map(Cursor::text).collect();
    pod::check_with(checker, &spec, &claims);
    if !runs_once(object)
        && let Some(deadline) = spec.get("activeDeadlineSeconds")
    {
        let kind = object.field("kind");
        let why = format!("is not allowed in a {}, which keeps its pods running", kind.text());
        checker.refuse(&deadline, why);
    }
    let policy = spec.field("restartPolicy");
    if !matches!(policy.text(), "" | "Always") && !runs_once(object) {
        checker.refuse(
            &policy,
            format!(
                "must be Always in a {}, which keeps its pods running",
                object.field("kind").text()
            ),
        );
    }
}

fn runs_once(object: &Cursor<'_>) -> bool {
    let annotations = object.field("metadata").field("annotations");
    annotations.field(ANNOTATION_RUNS_ONCE).text() == "true"
}

fn strategy(checker: &mut Checker, at: &Cursor<'_>, kinds: &[&str]) {
    checker.one_of(&at.field("type"), kinds);
    let rolling = at.field("rollingUpdate");
    if rolling.value.is_null() {
        return;
    }
    if !matches!(at.field("type").text(), "" | "RollingUpdate") {
        checker.refuse(&rolling, "is allowed only with the type RollingUpdate");
    }
    let (surge, unavailable) = (rolling.field("maxSurge"), rolling.field("maxUnavailable"));
    let amounts = (amount(checker, &surge), amount(checker, &unavailable));
    let absent_is_zero = at.path.as_str().ends_with("updateStrategy");
    // As many pods as there are is all that there is to miss; a surge may be any.
    if amounts.1.is_some_and(|amount| unavailable.value.is_string() && amount > 100) {
        checker.refuse(&unavailable, "must not be greater than 100%");
    }
    let zero = |amount: Option<i64>, at: &Cursor<'_>| match amount {
        Some(amount) => amount == 0,
        None => at.value.is_null() && absent_is_zero && at.path.as_str().ends_with("maxSurge"),
    };
    if zero(amounts.0, &surge) && zero(amounts.1, &unavailable) {
        checker.refuse(&unavailable, "must not be 0 when maxSurge is 0");
    }
}

/// A new pod of a DaemonSet is started when the one before it stops.
fn no_surge(checker: &mut Checker, surge: &Cursor<'_>) {
    let amount = surge.int().map_or_else(|| surge.text().to_owned(), |number| number.to_string());
    if !matches!(amount.as_str(), "" | "0" | "0%") {
        checker.refuse(
            surge,
            "must be 0: a node never has two pods of a DaemonSet here; maxUnavailable says how many nodes at once",
        );
    }
}

/// A number of at least 0 or a percentage; of a hundred pods.
pub(super) fn amount(checker: &mut Checker, at: &Cursor<'_>) -> Option<i64> {
    let parsed = match at.value {
        Value::Null => return None,
        Value::Number(_) => at.int().and_then(|n| i32::try_from(n).ok()).map(IntOrPercent::Int),
        other => other.as_str().map(|text| IntOrPercent::Percent(text.to_owned())),
    };
    let amount = parsed.and_then(|amount| amount.of(100, true));
    if amount.is_none() {
        checker.refuse(at, "must be a number of at least 0, or a percentage such as 25%");
    }
    amount
}

fn deadline(checker: &mut Checker, spec: &Cursor<'_>) {
    let at = spec.field("progressDeadlineSeconds");
    checker.not_negative(&at);
    let ready = spec.field("minReadySeconds").int().unwrap_or(0);
    if at.int().is_some_and(|seconds| seconds >= 0 && seconds <= ready) {
        checker.refuse(&at, "must be above minReadySeconds");
    }
}
