//! The order of objects by a field: times, quantities and numbers by what they are worth, other texts as people
//! count (`web-2` before `web-10`), as kubectl has it.
//!
//! Guarantee: objects that are equal stay as they were; those without the field come first.

use std::cmp::Ordering;

use jiff::Timestamp;
use serde_json::Value;
use setpoint_schemas::Quantity;

use crate::output::jsonpath::{Mistake, Path};

/// Sorts by the first value that the path finds in each; says whether it finds one in any.
pub(crate) fn sort(objects: &mut Vec<Value>, path: &Path) -> Result<bool, Mistake> {
    let mut keyed = Vec::with_capacity(objects.len());
    for object in objects.drain(..) {
        let key = path.find(&object)?.first().map(|value| Key::of(value));
        keyed.push((key, object));
    }
    let is_found = keyed.iter().any(|(key, _)| key.is_some());
    keyed.sort_by(|(a, _), (b, _)| a.cmp(b));
    objects.extend(keyed.into_iter().map(|(_, object)| object));
    Ok(is_found)
}

/// What an object is sorted by.
#[derive(Debug, Clone, PartialEq)]
enum Key {
    Nothing,
    Truth(bool),
    Number(f64),
    Text {
        text: String,
        time: Option<Timestamp>,
        amount: Option<(i64, i64)>,
    },
    /// Each element in turn.
    List(Vec<Key>),
    /// A map has no order: its JSON at least gives always the same one.
    Map(String),
}

impl Key {
    fn of(value: &Value) -> Key {
        match value {
            Value::Null => Key::Nothing,
            Value::Bool(truth) => Key::Truth(*truth),
            Value::Number(number) => Key::Number(number.as_f64().unwrap_or_default()),
            Value::String(text) => Key::Text {
                text: text.clone(),
                time: text.parse().ok(),
                amount: Quantity::parse(text).ok().map(|amount| (amount.units(), amount.milli())),
            },
            Value::Array(list) => Key::List(list.iter().map(Key::of).collect()),
            Value::Object(_) => Key::Map(value.to_string()),
        }
    }

    /// Where its kind stands among the others.
    fn rank(&self) -> u8 {
        match self {
            Key::Nothing => 0,
            Key::Truth(_) => 1,
            Key::Number(_) => 2,
            Key::Text { .. } => 3,
            Key::List(_) => 4,
            Key::Map(_) => 5,
        }
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Key) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Key) -> Ordering {
        match (self, other) {
            (Key::Truth(a), Key::Truth(b)) => a.cmp(b),
            (Key::Number(a), Key::Number(b)) => a.total_cmp(b),
            (
                Key::Text { text: a, time: a_time, amount: a_amount },
                Key::Text { text: b, time: b_time, amount: b_amount },
            ) => class(a_time, a_amount)
                .cmp(&class(b_time, b_amount))
                .then_with(|| a_time.cmp(b_time))
                .then_with(|| a_amount.cmp(b_amount))
                .then_with(|| match a_time.is_some() || a_amount.is_some() {
                    true => Ordering::Equal,
                    false => counted(a, b),
                }),
            (Key::List(a), Key::List(b)) => a.cmp(b),
            (Key::Map(a), Key::Map(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

/// Quantities before times before other texts, so that the order is one whatever stands beside what.
fn class(time: &Option<Timestamp>, amount: &Option<(i64, i64)>) -> u8 {
    match (time, amount) {
        (_, Some(_)) => 0,
        (Some(_), None) => 1,
        (None, None) => 2,
    }
}

/// Texts piece by piece, where digits are a number.
fn counted(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    while !left.is_empty() && !right.is_empty() {
        let (a_piece, a_rest) = piece(left);
        let (b_piece, b_rest) = piece(right);
        let is_number = |piece: &str| piece.starts_with(|c: char| c.is_ascii_digit());
        let order = match is_number(a_piece) && is_number(b_piece) {
            true => digits(a_piece, b_piece),
            false => a_piece.cmp(b_piece),
        };
        if order.is_ne() {
            return order;
        }
        (left, right) = (a_rest, b_rest);
    }
    left.len().cmp(&right.len()).then_with(|| a.cmp(b))
}

/// The digits at the beginning, or what comes before some.
fn piece(text: &str) -> (&str, &str) {
    let is_digit = |c: char| c.is_ascii_digit();
    let begins = text.starts_with(is_digit);
    let end = text.find(|c| is_digit(c) != begins).unwrap_or(text.len());
    text.split_at(end)
}

/// Numbers of any length.
fn digits(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_has_a_worth_is_sorted_by_it_and_names_as_people_count() {
        let table: &[(&[&str], &[&str])] = &[
            (&["web-10", "web-9", "db", "web-9a"], &["db", "web-9", "web-9a", "web-10"]),
            (&["1Gi", "200Mi", "5k", "1500m", "2"], &["1500m", "2", "5k", "200Mi", "1Gi"]),
            (
                &["2026-01-10T00:00:00Z", "2026-01-09T23:30:00-01:00", "2026-01-09T10:00:00.5Z"],
                &["2026-01-09T10:00:00.5Z", "2026-01-10T00:00:00Z", "2026-01-09T23:30:00-01:00"],
            ),
            (&["v1.10.0", "v1.9.12", "v1.9.2"], &["v1.9.2", "v1.9.12", "v1.10.0"]),
        ];
        for (given, wanted) in table {
            assert_eq!(sorted(given.iter().map(|text| json!(text))), *wanted);
        }
        assert_eq!(sorted([json!(10), json!(9), json!(2.5)].into_iter()), ["2.5", "9", "10"]);
        assert_eq!(sorted([json!(true), json!(false)].into_iter()), ["false", "true"]);
    }

    #[test]
    fn who_lacks_the_field_comes_first_and_equals_stay_as_they_were() {
        let path = Path::relaxed("{.n}").expect("a path");
        let mut objects =
            vec![json!({"n": 1, "id": "a"}), json!({"id": "b"}), json!({"n": 1, "id": "c"})];
        assert_eq!(sort(&mut objects, &path), Ok(true));
        let ids: Vec<&str> = objects.iter().filter_map(|object| object["id"].as_str()).collect();
        assert_eq!(ids, ["b", "a", "c"]);
        let other = Path::relaxed(".m").expect("a path");
        assert_eq!(sort(&mut objects, &other), Ok(false));
    }

    fn sorted(values: impl Iterator<Item = Value>) -> Vec<String> {
        let path = Path::relaxed(".n").expect("a path");
        let mut objects: Vec<Value> = values.map(|value| json!({"n": value})).collect();
        assert_eq!(sort(&mut objects, &path), Ok(true));
        let shown = |object: &Value| crate::output::jsonpath::shown(&object["n"]);
        objects.iter().map(shown).collect()
    }
}
