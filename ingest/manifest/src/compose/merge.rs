//! Merging: a service over the one that it extends, a file over another.
//!
//! Maps merge by key, lists join (what is there already stays once), commands are replaced, and
//! lists of `NAME=value` merge as the maps that they are. Of two volumes for one place the upper stays.

use serde_json::{Map, Value};

use super::tree::{OVERRIDE, RESET};

/// Lists that are replaced, not joined.
const REPLACED: &[&str] = &["command", "entrypoint", "test"];
/// Maps that may be written as lists of `NAME=value`.
const PAIRS: &[&str] =
    &["environment", "labels", "annotations", "sysctls", "args", "extra_hosts", "build_args"];
/// Maps that may be written as lists of their keys.
const KEYS: &[&str] = &["depends_on", "networks"];
/// The list whose items are told apart by where in the container they stand.
const PLACED: &str = "volumes";

/// `above` over `below`.
pub(crate) fn merge(below: &Value, above: &Value, name: &str) -> Value {
    if let Some(value) = above.get(OVERRIDE) {
        return value.clone();
    }
    if above.get(RESET).is_some() {
        return Value::Null;
    }
    if REPLACED.contains(&name) {
        return if above.is_null() { below.clone() } else { above.clone() };
    }
    let as_map = |value: &Value| {
        if PAIRS.contains(&name) {
            pairs(value)
        } else if KEYS.contains(&name) {
            keys(value)
        } else {
            None
        }
    };
    let (below_map, above_map) = (as_map(below), as_map(above));
    match (below_map.as_ref().unwrap_or(below), above_map.as_ref().unwrap_or(above)) {
        (below, Value::Null) => below.clone(),
        (Value::Object(below), Value::Object(above)) => Value::Object(maps(below, above)),
        (Value::Array(below), Value::Array(above)) => {
            let mut joined = below.clone();
            if name == PLACED {
                let taken: Vec<&str> = above.iter().filter_map(target).collect();
                joined.retain(|item| target(item).is_none_or(|target| !taken.contains(&target)));
            }
            let new: Vec<Value> =
                above.iter().filter(|item| !joined.contains(item)).cloned().collect();
            joined.extend(new);
            Value::Array(joined)
        }
        (_, above) => above.clone(),
    }
}

/// Where in the container a volume stands: `target`, or the second part of the short form; a volume
/// without a name has only this one.
fn target(volume: &Value) -> Option<&str> {
    let Some(text) = volume.as_str() else { return volume.get("target")?.as_str() };
    let mut parts = text.split(':');
    let first = parts.next();
    parts.next().or(first)
}

/// A tree without markers: nothing is below it.
pub(crate) fn unmarked(value: Value) -> Value {
    match value {
        Value::Object(mut entries) => {
            if let Some(value) = entries.remove(OVERRIDE) {
                return unmarked(value);
            }
            let kept = entries.into_iter().filter(|(_, value)| value.get(RESET).is_none());
            Value::Object(kept.map(|(name, value)| (name, unmarked(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(unmarked).collect()),
        other => other,
    }
}

fn maps(below: &Map<String, Value>, above: &Map<String, Value>) -> Map<String, Value> {
    let mut merged = below.clone();
    for (name, value) in above {
        if value.get(RESET).is_some() {
            merged.remove(name);
            continue;
        }
        let value = match below.get(name) {
            Some(below) => merge(below, value, name),
            None => value.clone(),
        };
        merged.insert(name.clone(), value);
    }
    merged
}

/// A list of `NAME=value` as a map; a name alone has no value.
pub(crate) fn pairs(value: &Value) -> Option<Value> {
    let items = value.as_array()?;
    let mut entries = Map::new();
    for item in items {
        let text = super::units::scalar_text(item)?;
        match text.split_once('=') {
            Some((name, value)) => entries.insert(name.to_owned(), Value::String(value.to_owned())),
            None => entries.insert(text, Value::Null),
        };
    }
    Some(Value::Object(entries))
}

fn keys(value: &Value) -> Option<Value> {
    let items = value.as_array()?;
    let entry = |item: &Value| Some((item.as_str()?.to_owned(), Value::Null));
    items.iter().map(entry).collect::<Option<Map<_, _>>>().map(Value::Object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_service_merges_over_the_one_that_it_extends() {
        let below = json!({"command": ["a", "b"], "environment": ["A=1", "B=2"], "ports": ["80"],
            "depends_on": ["db"], "tty": true, "deploy": {"replicas": 2, "mode": "global"}});
        let above = json!({"command": ["c"], "environment": {"B": "3"}, "ports": ["80", "81"],
            "tty": {RESET: true}, "deploy": {"replicas": 3},
            "depends_on": {"cache": {"condition": "service_started"}}});
        let expected = json!({"command": ["c"], "environment": {"A": "1", "B": "3"},
            "ports": ["80", "81"], "deploy": {"replicas": 3, "mode": "global"},
            "depends_on": {"db": null, "cache": {"condition": "service_started"}}});
        assert_eq!(merge(&below, &above, ""), expected);
    }

    #[test]
    fn of_two_volumes_for_one_place_the_upper_stays() {
        let below =
            json!({"volumes": ["./a:/a", "./b:/b:ro", "/c", {"type": "tmpfs", "target": "/d"}]});
        let above = json!({"volumes": [{"type": "bind", "source": "./z", "target": "/b"}, "/y:/d",
            "./x:/c", "./a:/a"]});
        let expected = json!({"volumes": [{"type": "bind", "source": "./z", "target": "/b"}, "/y:/d",
            "./x:/c", "./a:/a"]});
        assert_eq!(merge(&below, &above, ""), expected);
    }
}
