//! Label selectors: their form, and whether they match.

use super::cursor::{Checker, Cursor};
use super::names;
use setpoint_schemas::LabelSelector;
use std::collections::BTreeMap;

/// A `LabelSelector`.
pub(crate) fn check(checker: &mut Checker, at: &Cursor<'_>) {
    names::labels(checker, &at.field("matchLabels"));
    for requirement in at.field("matchExpressions").items() {
        expression(checker, &requirement, &["In", "NotIn", "Exists", "DoesNotExist"]);
        if let Err(reason) = names::qualified(requirement.field("key").text()) {
            checker.refuse(&requirement.field("key"), reason);
        }
    }
}

/// A requirement: a known operator, with values exactly when it compares with some.
pub(crate) fn expression(checker: &mut Checker, at: &Cursor<'_>, operators: &[&str]) {
    let (operator, values) = (at.field("operator"), at.field("values"));
    if !checker.required(&operator) {
        return;
    }
    checker.one_of(&operator, operators);
    let count = values.items().len();
    match operator.text() {
        "In" | "NotIn" if count == 0 => {
            checker.refuse(&values, format!("is required with {}", operator.text()));
        }
        "Exists" | "DoesNotExist" if count > 0 => {
            checker.refuse(&values, format!("must be empty with {}", operator.text()));
        }
        "Gt" | "Lt" => {
            let one = values.items();
            if one.len() != 1 || one.iter().any(|value| value.text().parse::<i64>().is_err()) {
                checker
                    .refuse(&values, format!("must be one whole number with {}", operator.text()));
            }
        }
        _ => {}
    }
}

/// A workload's own selector: required, not empty, and matching its template's labels.
pub(crate) fn of_workload(checker: &mut Checker, spec: &Cursor<'_>) {
    let selector = spec.field("selector");
    check(checker, &selector);
    let parsed: LabelSelector = serde_json::from_value(selector.value.clone()).unwrap_or_default();
    if parsed.match_labels.is_empty() && parsed.match_expressions.is_empty() {
        return checker.refuse(&selector, "is required and must not be empty");
    }
    if !parsed.matches(&template_labels(spec)) {
        let labels = spec.field("template").field("metadata").field("labels");
        checker.refuse(&labels, "the selector does not match the template's labels");
    }
}

/// A ReplicationController's plain selector; its template's labels when it is absent.
pub(crate) fn of_controller(checker: &mut Checker, spec: &Cursor<'_>) {
    let selector = spec.field("selector");
    names::labels(checker, &selector);
    let labels = template_labels(spec);
    if labels.is_empty() && selector.entries().is_empty() {
        return checker.refuse(&selector, "is required, for the template has no labels");
    }
    let differs = |(key, value): &(&str, Cursor<'_>)| {
        labels.get(*key).map(String::as_str) != Some(value.text())
    };
    if selector.entries().iter().any(differs) {
        let labels = spec.field("template").field("metadata").field("labels");
        checker.refuse(&labels, "the selector does not match the template's labels");
    }
}

fn template_labels(spec: &Cursor<'_>) -> BTreeMap<String, String> {
    let labels = spec.field("template").field("metadata").field("labels");
    let text = |(key, value): (&str, Cursor<'_>)| (key.to_owned(), value.text().to_owned());
    labels.entries().into_iter().map(text).collect()
}
