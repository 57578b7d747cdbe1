//! What others added to an object whose owners nobody wrote down: the way of `kubectl apply`, which
//! compares what is wanted, what is there, and what was applied last.

use serde_json::Value;

use super::lists;
use super::place::Place;

/// What is wanted, and with it what stands in `live`'s lists of named elements and was not in `last`: others
/// put it there, and it stays. Maps are left as they are: what they lack takes nothing away.
#[must_use]
pub fn with_what_others_added(wanted: &Value, live: &Value, last: &Value) -> Value {
    completed(&Place::of(wanted), Three { wanted, live, last }, false)
}

#[derive(Clone, Copy)]
struct Three<'v> {
    wanted: &'v Value,
    live: &'v Value,
    last: &'v Value,
}

fn completed(place: &Place, of: Three<'_>, in_list: bool) -> Value {
    match (of.wanted, of.live) {
        (Value::Object(wanted), Value::Object(live)) => {
            let mut found = wanted.clone();
            for (name, value) in &mut found {
                let three =
                    Three { wanted: &wanted[name], live: &of.live[name], last: &of.last[name] };
                *value = completed(&place.field(name), three, in_list);
            }
            let others = live.iter().filter(|(name, _)| of.last.get(name).is_none() && in_list);
            for (name, value) in others {
                found.entry(name.clone()).or_insert_with(|| value.clone());
            }
            Value::Object(found)
        }
        (Value::Array(wanted), Value::Array(live)) => {
            let last = of.last.as_array().map_or(&[][..], Vec::as_slice);
            Value::Array(list_completed(place, wanted, live, last))
        }
        _ => of.wanted.clone(),
    }
}

fn list_completed(place: &Place, wanted: &[Value], live: &[Value], last: &[Value]) -> Vec<Value> {
    let all = (lists::names(place, wanted), lists::names(place, live), lists::names(place, last));
    let (Some(wanted_names), Some(live_names), Some(last_names)) = all else {
        return wanted.to_vec();
    };
    let element = place.element();
    let of = |names: &[Vec<String>], list: &[Value], name: &Vec<String>| {
        names.iter().position(|known| known == name).map(|at| list[at].clone()).unwrap_or_default()
    };
    let mut found = Vec::new();
    for (name, wanted) in wanted_names.iter().zip(wanted) {
        let (live, last) = (of(&live_names, live, name), of(&last_names, last, name));
        found.push(completed(&element, Three { wanted, live: &live, last: &last }, true));
    }
    for (name, value) in live_names.iter().zip(live) {
        if !wanted_names.contains(name) && !last_names.contains(name) {
            found.push(value.clone());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_others_added_stays_and_what_was_applied_before_and_is_left_out_goes() {
        let pod = |env: Value| json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "a", "env": env}]}});
        let named =
            |names: &[&str]| names.iter().map(|name| json!({"name": name})).collect::<Value>();
        let live = pod(named(&["theirs", "old", "mine"]));
        let last = pod(named(&["old", "mine"]));
        let found = with_what_others_added(&pod(named(&["mine", "new"])), &live, &last);
        assert_eq!(found, pod(named(&["mine", "new", "theirs"])));
    }
}
