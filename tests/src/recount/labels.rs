//! Labels, tolerations and the like, decided by the book and in the plainest way.
//!
//! Source: the API reference of Kubernetes (`LabelSelector`, `NodeSelectorTerm`, `Toleration`).

use std::collections::BTreeMap;

use setpoint_schemas::{
    LabelSelector, NodeSelectorRequirement, NodeSelectorTerm, SelectorOperator, Taint, Toleration,
    TolerationOperator,
};

pub(super) type Labels = BTreeMap<String, String>;

/// An absent selector selects nothing, an empty one everything.
pub(super) fn selects(selector: Option<&LabelSelector>, labels: &Labels) -> bool {
    let Some(selector) = selector else { return false };
    let equal = selector.match_labels.iter().all(|(k, v)| labels.get(k) == Some(v));
    let each = selector.match_expressions.iter().all(|r| {
        let value = labels.get(&r.key);
        holds(r.operator, value, &r.values)
    });
    equal && each
}

fn holds(operator: SelectorOperator, value: Option<&String>, values: &[String]) -> bool {
    let number = |text: &String| text.parse::<i64>().ok();
    let bound = || values.first().and_then(number);
    match operator {
        SelectorOperator::In => value.is_some_and(|v| values.contains(v)),
        SelectorOperator::NotIn => value.is_none_or(|v| !values.contains(v)),
        SelectorOperator::Exists => value.is_some(),
        SelectorOperator::DoesNotExist => value.is_none(),
        SelectorOperator::Gt => {
            value.and_then(number).zip(bound()).is_some_and(|(value, bound)| value > bound)
        }
        SelectorOperator::Lt => {
            value.and_then(number).zip(bound()).is_some_and(|(value, bound)| value < bound)
        }
    }
}

/// A term with nothing in it matches nothing.
pub(super) fn matches_term(term: &NodeSelectorTerm, labels: &Labels, name: &str) -> bool {
    let of_label = |r: &NodeSelectorRequirement| holds(r.operator, labels.get(&r.key), &r.values);
    let name = name.to_owned();
    let of_field = |r: &NodeSelectorRequirement| {
        r.key == "metadata.name" && holds(r.operator, Some(&name), &r.values)
    };
    let is_empty = term.match_expressions.is_empty() && term.match_fields.is_empty();
    !is_empty
        && term.match_expressions.iter().all(of_label)
        && term.match_fields.iter().all(of_field)
}

pub(super) fn tolerates(tolerations: &[Toleration], taint: &Taint) -> bool {
    let a_moment = |t: &&Toleration| t.toleration_seconds.is_none_or(|seconds| seconds > 0);
    tolerations.iter().filter(a_moment).any(|t| {
        let same_effect = t.effect.is_none_or(|effect| effect == taint.effect);
        let key = t.key.as_deref().unwrap_or_default();
        let same_key = key.is_empty() || key == taint.key;
        let exists = t.operator == Some(TolerationOperator::Exists);
        same_effect && same_key && (exists || t.value.as_deref().unwrap_or_default() == taint.value)
    })
}
