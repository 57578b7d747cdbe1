//! Whether two objects of one kind say the same, however each of them is written.
//!
//! The same are a field that is absent and its default, an amount and the same amount (`1000m` and `1`),
//! a list by names in any order, no value and nothing. What a default or an order means is known only
//! of Kubernetes' own kinds; of all others nothing is taken to be the same but nothing and no value.
//! Guarantee: what is taken to be the same, Kubernetes' server reads as the same.
//! Absent: who owns which field, which is the caller's question.

mod defaults;
mod lists;
mod others;
mod place;

use serde_json::{Map, Number, Value};
use setpoint_schemas::Quantity;

pub use others::with_what_others_added;
use place::Place;

/// `after` in the words of `before`: where both say the same it is written as `before` writes it, so that
/// the two are equal exactly when they say the same, and differ as texts only where they do not.
#[must_use]
pub fn in_words_of(after: &Value, before: &Value) -> Value {
    worded(&Place::of(after), before, after)
}

fn worded(place: &Place, before: &Value, after: &Value) -> Value {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            Value::Object(map_worded(place, before, after))
        }
        (Value::Array(before), Value::Array(after)) => {
            Value::Array(lists::worded(place, before, after))
        }
        _ if is_same(place, before, after) => before.clone(),
        _ => after.clone(),
    }
}

fn map_worded(
    place: &Place,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
) -> Map<String, Value> {
    let mut found = Map::new();
    for (name, old) in before {
        let kept = match after.get(name).filter(|new| !new.is_null()) {
            Some(new) if old.is_null() => {
                defaults::says_nothing(place, name, new, after).then_some(Value::Null)
            }
            Some(new) => Some(worded(&place.field(name), old, new)),
            None => defaults::says_nothing(place, name, old, before).then(|| old.clone()),
        };
        found.extend(kept.map(|value| (name.clone(), value)));
    }
    for (name, new) in after {
        let is_old = before.get(name).is_some_and(|old| !old.is_null());
        if !is_old && defaults::says_nothing(place, name, new, after) {
            continue;
        }
        found.entry(name.clone()).or_insert_with(|| new.clone());
    }
    found
}

/// Scalars: the same value, the same number, or the same amount.
fn is_same(place: &Place, before: &Value, after: &Value) -> bool {
    match (before, after) {
        (Value::Number(one), Value::Number(other)) if same_number(one, other) => true,
        _ if before == after => true,
        _ => place.is_amount() && amount(before).is_some_and(|one| Some(one) == amount(after)),
    }
}

fn same_number(one: &Number, other: &Number) -> bool {
    one == other || (one.is_f64() != other.is_f64() && one.as_f64() == other.as_f64())
}

/// In thousandths and in whole units: an amount is told by one of them, whatever it is of.
fn amount(value: &Value) -> Option<(i64, i64)> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let quantity = Quantity::parse(&text).ok()?;
    Some((quantity.milli(), quantity.units()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment(container: Value) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "spec": {"template": {"spec": {"containers": [container]}}}})
    }

    fn says_the_same(before: &Value, after: &Value) -> bool {
        &in_words_of(after, before) == before
    }

    #[test]
    fn what_is_written_otherwise_and_means_the_same_is_the_same_both_ways() {
        let limits = |cpu: Value, memory: Value| json!({"name": "a", "image": "a:1", "resources": {"limits": {"cpu": cpu, "memory": memory}}});
        let named = |names: &[&str]| {
            let env: Vec<Value> =
                names.iter().map(|name| json!({"name": name, "value": "1"})).collect();
            json!({"name": "a", "image": "a:1", "env": env})
        };
        let plain = json!({"name": "a", "image": "a:1"});
        let with = |field: &str, value: Value| {
            let mut container = plain.clone();
            container[field] = value;
            container
        };
        let ports = |ports: Value| with("ports", ports);
        let cases = [
            ("amounts", limits(json!("1000m"), json!("1Gi")), limits(json!(1), json!("1024Mi"))),
            ("a default", with("imagePullPolicy", json!("IfNotPresent")), plain.clone()),
            ("no value", with("command", Value::Null), plain.clone()),
            ("an empty list", with("args", json!([])), plain.clone()),
            ("an empty map", with("resources", json!({})), plain.clone()),
            ("the order of names", named(&["A", "B"]), named(&["B", "A"])),
            (
                "a port's protocol",
                ports(json!([{"containerPort": 80, "protocol": "TCP"}])),
                ports(json!([{"containerPort": 80}])),
            ),
            (
                "a port of two protocols in another order",
                ports(json!([{"containerPort": 53}, {"containerPort": 53, "protocol": "UDP"}])),
                ports(json!([{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53}])),
            ),
            (
                "a probe's times",
                with(
                    "livenessProbe",
                    json!({"httpGet": {"port": 1, "scheme": "HTTP"}, "periodSeconds": 10,
                    "timeoutSeconds": 1, "successThreshold": 1, "failureThreshold": 3}),
                ),
                with("livenessProbe", json!({"httpGet": {"port": 1}})),
            ),
        ];
        for (name, one, other) in cases {
            let (one, other) = (deployment(one), deployment(other));
            assert!(says_the_same(&one, &other), "{name}: {}", in_words_of(&other, &one));
            assert!(says_the_same(&other, &one), "{name}: {}", in_words_of(&one, &other));
        }
    }

    #[test]
    fn what_means_something_else_is_not_the_same() {
        let plain = json!({"name": "a", "image": "a:1"});
        let with = |field: &str, value: Value| {
            let mut container = plain.clone();
            container[field] = value;
            container
        };
        let cases = [
            (
                "another policy than the default",
                with("imagePullPolicy", json!("Always")),
                plain.clone(),
            ),
            ("another tag", with("image", json!("a")), plain.clone()),
            (
                "an order in which one variable reads the other",
                with("env", json!([{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)"}])),
                with("env", json!([{"name": "B", "value": "$(A)"}, {"name": "A", "value": "1"}])),
            ),
            (
                "a text that is no amount",
                with("workingDir", json!("1000m")),
                with("workingDir", json!("1")),
            ),
            (
                "one variable more",
                with("env", json!([{"name": "A", "value": "1"}])),
                with("env", json!([{"name": "A", "value": "1"}, {"name": "B", "value": "1"}])),
            ),
            (
                "words in another order",
                with("args", json!(["a", "b"])),
                with("args", json!(["b", "a"])),
            ),
        ];
        for (name, one, other) in cases {
            let (one, other) = (deployment(one), deployment(other));
            assert!(!says_the_same(&one, &other), "{name}");
            assert!(!says_the_same(&other, &one), "{name}");
        }
    }

    #[test]
    fn only_what_differs_is_written_as_the_new_one_has_it() {
        let before =
            deployment(json!({"name": "a", "image": "a:1", "terminationMessagePolicy": "File",
            "resources": {"limits": {"cpu": "1000m", "memory": "1Gi"}}}));
        let after = deployment(json!({"name": "a", "image": "a:1",
            "resources": {"limits": {"cpu": "1", "memory": "2Gi"}}}));
        let worded = in_words_of(&after, &before);
        let container = &worded["spec"]["template"]["spec"]["containers"][0];
        let limits = json!({"cpu": "1000m", "memory": "2Gi"});
        assert_eq!(container["resources"]["limits"], limits);
        assert_eq!(container["terminationMessagePolicy"], "File");
    }

    #[test]
    fn of_a_kind_that_is_not_kubernetes_nothing_is_known() {
        let object = |ports: Value| json!({"apiVersion": "example.com/v1", "kind": "Toy", "spec": {"ports": ports}});
        let (one, other) =
            (object(json!([{"port": 1}])), object(json!([{"port": 1, "protocol": "TCP"}])));
        assert!(!says_the_same(&one, &other));
        let nothing = json!({"apiVersion": "example.com/v1", "kind": "Toy", "spec": {"ports": [{"port": 1}], "x": null}});
        assert!(says_the_same(&one, &nothing));
    }
}
