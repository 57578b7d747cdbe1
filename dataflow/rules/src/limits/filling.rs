//! What is filled in, in the text of a pod's spec: put in, read off, and put on another of the same template.

use serde_json::{Map, Value, json};

use super::{Amounts, Limit};

/// The lists of a spec's containers.
const LISTS: [&str; 2] = ["containers", "initContainers"];

/// Fills in what the containers do not say; whether that is anything.
pub(super) fn fill(limit: &Limit, spec: &mut Value) -> bool {
    let mut is_filled = false;
    for container in containers_mut(spec) {
        let resources = container.get("resources").cloned().unwrap_or_default();
        let said = |kind: &str, name: &str| !resources[kind][name].is_null();
        let missing = |amounts: &Amounts, is_said: &dyn Fn(&str) -> bool| -> Vec<(String, Value)> {
            let missing = amounts.iter().filter(|(name, _)| !is_said(name));
            missing.map(|(name, amount)| (name.clone(), json!(amount))).collect()
        };
        // A limit that stands there is the request as well.
        let is_asked = |name: &str| said("requests", name) || said("limits", name);
        let limits = missing(&limit.limit, &|name| said("limits", name));
        let requests = missing(&limit.request, &is_asked);
        for (kind, amounts) in [("limits", limits), ("requests", requests)] {
            is_filled |= !amounts.is_empty();
            for (name, amount) in amounts {
                map_at(map_at(container, "resources"), kind)[&name] = amount;
            }
        }
    }
    is_filled
}

/// Takes over what stood there before and the containers do not say, of what is filled in for those that
/// are new: it was filled in then.
pub(super) fn keep(limit: &Limit, spec: &mut Value, before: &Value) {
    for list in LISTS {
        let containers = spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
        let had = before[list].as_array().into_iter().flatten();
        for (container, had) in containers.filter(|container| container.is_object()).zip(had) {
            for (kind, given) in [("limits", &limit.limit), ("requests", &limit.request)] {
                for name in given.keys() {
                    let had = &had["resources"][kind][name];
                    if !had.is_null() && container["resources"][kind][name].is_null() {
                        map_at(map_at(container, "resources"), kind)[name] = had.clone();
                    }
                }
            }
        }
    }
}

/// What the containers of a spec have, as text: the same for two that are alike in it.
#[must_use]
pub fn worn(spec: &Value) -> String {
    let of = |list: &str| -> Value {
        let all = spec[list].as_array().into_iter().flatten();
        all.map(|container| container["resources"].clone()).collect()
    };
    json!(LISTS.map(of)).to_string()
}

/// Gives the containers of a spec what this text says that they have.
pub fn dress(spec: &mut Value, worn: &str) {
    let all: Value = serde_json::from_str(worn).unwrap_or_default();
    for (number, list) in LISTS.iter().enumerate() {
        // A list that is not there must not come to be: it would be no list.
        let containers = spec.get_mut(*list).and_then(Value::as_array_mut).into_iter().flatten();
        let worn = all[number].as_array().into_iter().flatten();
        for (container, resources) in containers.zip(worn) {
            let Some(container) = container.as_object_mut() else { continue };
            match resources {
                Value::Null => drop(container.remove("resources")),
                resources => drop(container.insert("resources".to_owned(), resources.clone())),
            }
        }
    }
}

fn containers_mut(spec: &mut Value) -> impl Iterator<Item = &mut Value> {
    let lists = spec.as_object_mut().into_iter().flat_map(Map::iter_mut);
    let lists = lists.filter(|(name, _)| LISTS.contains(&name.as_str()));
    let containers = lists.filter_map(|(_, list)| list.as_array_mut()).flatten();
    containers.filter(|container| container.is_object())
}

/// The map that stands there, an empty one where there was none.
fn map_at<'v>(object: &'v mut Value, name: &str) -> &'v mut Value {
    let there = &mut object[name];
    if !there.is_object() {
        *there = Value::Object(Map::new());
    }
    there
}
