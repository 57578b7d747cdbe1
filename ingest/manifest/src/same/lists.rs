//! Lists whose elements have names: which they are, by what their elements are told apart, and whether
//! their order says something.
//!
//! Source: the merge keys and list types of `k8s.io/api`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::place::Place;

/// Whether the order of a list says something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// Never.
    Any,
    /// Always: the elements come one after another.
    Kept,
    /// Where one element reads another that came before.
    KeptWhereRead,
}

/// The fields that name an element, each with the value that it has where it is left out.
type Names = &'static [(&'static str, &'static str)];

/// Lists by the fields that name their elements.
const NAMED: &[(&str, Names, Order)] = &[
    ("containers", &[("name", "")], Order::Any),
    ("initContainers", &[("name", "")], Order::Kept),
    ("env", &[("name", "")], Order::KeptWhereRead),
    ("volumes", &[("name", "")], Order::Any),
    ("volumeMounts", &[("mountPath", "")], Order::Any),
    ("imagePullSecrets", &[("name", "")], Order::Any),
    ("hostAliases", &[("ip", "")], Order::Any),
    ("addresses", &[("ip", "")], Order::Any),
    ("notReadyAddresses", &[("ip", "")], Order::Any),
    ("Service/spec/ports", &[("port", ""), ("protocol", "TCP")], Order::Any),
    ("subsets/*/ports", &[("port", ""), ("protocol", "TCP")], Order::Any),
    ("containers/*/ports", &[("containerPort", ""), ("protocol", "TCP")], Order::Any),
    ("initContainers/*/ports", &[("containerPort", ""), ("protocol", "TCP")], Order::Any),
    ("schedulingGates", &[("name", "")], Order::Any),
    ("topologySpreadConstraints", &[("topologyKey", ""), ("whenUnsatisfiable", "")], Order::Any),
];

/// Lists of plain values whose order says nothing.
const SETS: &[&str] = &[
    "metadata/finalizers",
    "accessModes",
    "capabilities/add",
    "capabilities/drop",
    "rules/*/verbs",
    "rules/*/resources",
    "rules/*/apiGroups",
    "rules/*/resourceNames",
];

/// The list `after` in the words of `before`.
pub(super) fn worded(place: &Place, before: &[Value], after: &[Value]) -> Vec<Value> {
    if SETS.iter().any(|pattern| place.is(pattern)) {
        return if same_members(before, after) { before.to_vec() } else { after.to_vec() };
    }
    let element = place.element();
    let (Some(old), Some(new)) = (names(place, before), names(place, after)) else {
        let by_turn = after.iter().enumerate();
        return by_turn
            .map(|(turn, new)| {
                before.get(turn).map_or(new.clone(), |old| super::worded(&element, old, new))
            })
            .collect();
    };
    let mut found: Vec<(usize, Value)> = Vec::new();
    for (name, new) in new.iter().zip(after) {
        let at = old.iter().position(|known| known == name);
        let value = at.map_or(new.clone(), |at| super::worded(&element, &before[at], new));
        found.push((at.unwrap_or(usize::MAX), value));
    }
    if !order_says(place, before, after) {
        found.sort_by_key(|(at, _)| *at);
    }
    found.into_iter().map(|(_, value)| value).collect()
}

/// The names of all elements, when the list has names and no two are the same.
pub(super) fn names(place: &Place, list: &[Value]) -> Option<Vec<Vec<String>>> {
    let (_, keys, _) = NAMED.iter().find(|(pattern, ..)| place.is(pattern))?;
    let name = |element: &Value| {
        let part = |(key, default): &(&str, &str)| match element.get(key) {
            None | Some(Value::Null) => (*default).to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        keys.iter().map(part).collect::<Vec<_>>()
    };
    let found: Vec<_> = list.iter().map(name).collect();
    let different: BTreeSet<_> = found.iter().collect();
    (different.len() == found.len()).then_some(found)
}

fn order_says(place: &Place, before: &[Value], after: &[Value]) -> bool {
    let row = NAMED.iter().find(|(pattern, ..)| place.is(pattern));
    match row.map_or(Order::Kept, |(.., order)| *order) {
        Order::Any => false,
        Order::Kept => true,
        Order::KeptWhereRead => before.iter().chain(after).any(reads_another),
    }
}

/// A variable may name those before it.
fn reads_another(variable: &Value) -> bool {
    variable.get("value").and_then(Value::as_str).is_some_and(|value| value.contains("$("))
}

fn same_members(one: &[Value], other: &[Value]) -> bool {
    one.len() == other.len()
        && one.iter().all(|value| other.contains(value))
        && other.iter().all(|value| one.contains(value))
}
