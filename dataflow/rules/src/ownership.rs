//! Apply with field owners, as server-side apply has them, so that `scale` and `apply` do not
//! fight: a manager owns the fields that it set; what it no longer sets goes unless another
//! manager owns it too; a field that another manager owns with another value is a conflict.
//!
//! Two writes say how a workload runs now, and leave to an applier what it applied: a `scale` is
//! noted beside the number's owner, who takes it back by stating another number; an undo changes
//! values and not owners. Decision record 0015.
//!
//! A list is one field here, owned whole, except that nothing is lost by it: the manifest that is
//! applied carries the whole list. Kubernetes owns list elements singly; that is finer than what
//! our managed kinds need so far.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// Manager to the JSON pointers of the fields that it owns.
pub type Managers = BTreeMap<String, BTreeSet<String>>;

/// The outcome of an apply.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// The object as it is now.
    pub object: Value,
    /// Who owns what now.
    pub managers: Managers,
    /// What was set by scale, and is again as its applier states it.
    pub taken_back: Vec<TakenBack>,
}

/// A field that was scaled and that its applier took back.
#[derive(Debug, Clone, PartialEq)]
pub struct TakenBack {
    /// The field, as a JSON pointer.
    pub field: String,
    /// What it was scaled to.
    pub was: Value,
    /// What it is now.
    pub now: Value,
}

/// A field that another manager owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The field, as a JSON pointer.
    pub field: String,
    /// Who owns it.
    pub manager: String,
}

/// Applies `wanted` by `manager` onto `present`.
///
/// # Errors
/// The conflicts, unless `force`.
pub fn apply(
    present: &Value,
    managers: &Managers,
    wanted: &Value,
    manager: &str,
    force: bool,
) -> Result<Applied, Vec<Conflict>> {
    let fields = leaves(wanted);
    let (scaled, conflicts): (Vec<_>, Vec<_>) =
        conflicts(present, managers, &fields, manager).into_iter().partition(|conflict| {
            is_scaler(&conflict.manager) && owns(managers, manager, &conflict.field)
        });
    if !force && !conflicts.is_empty() {
        return Err(conflicts);
    }
    let mut object = present.clone();
    let mut managers = managers.clone();
    let taken_back = scaled.iter().map(|conflict| TakenBack {
        field: conflict.field.clone(),
        was: present.pointer(&conflict.field).cloned().unwrap_or_default(),
        now: fields.get(&conflict.field).cloned().unwrap_or_default(),
    });
    let taken_back = taken_back.collect();
    for conflict in conflicts.iter().chain(&scaled) {
        if let Some(owned) = managers.get_mut(&conflict.manager) {
            owned.remove(&conflict.field);
        }
    }
    let before = managers.insert(manager.to_owned(), fields.keys().cloned().collect());
    for gone in before.unwrap_or_default() {
        let kept = managers.values().any(|owned| owned.iter().any(|o| within(o, &gone)));
        if !kept {
            remove(&mut object, &gone);
        }
    }
    for (field, value) in &fields {
        set(&mut object, field, value);
    }
    managers.retain(|_, owned| !owned.is_empty());
    Ok(Applied { object, managers, taken_back })
}

/// After another kind of write: the manager owns each field that the write changed, others lose
/// those fields and the ones that are gone.
#[must_use]
pub fn own(before: &Value, after: &Value, mut managers: Managers, manager: &str) -> Managers {
    let (old, new) = (leaves(before), leaves(after));
    let changed: BTreeSet<String> = new
        .iter()
        .filter(|(field, value)| old.get(*field) != Some(value))
        .map(|(field, _)| field.clone())
        .collect();
    for owned in managers.values_mut() {
        owned.retain(|field| new.contains_key(field) && !changed.contains(field));
    }
    managers.entry(manager.to_owned()).or_default().extend(changed);
    managers.retain(|_, owned| !owned.is_empty());
    managers
}

/// After a scale: the scaler owns what changed, beside whom it belonged to until now. An earlier
/// scaler loses it.
#[must_use]
pub fn scaled(before: &Value, after: &Value, managers: Managers, manager: &str) -> Managers {
    let mut now = own(before, after, managers.clone(), &format!("{manager}{SCALER}"));
    let present = leaves(after);
    for (applier, owned) in managers.into_iter().filter(|(name, _)| !is_scaler(name)) {
        let kept = owned.into_iter().filter(|field| present.contains_key(field));
        now.entry(applier).or_default().extend(kept);
    }
    now.retain(|_, owned| !owned.is_empty());
    now
}

/// After an undo: each field stays with its owner. What comes back and belongs to nobody goes to the
/// owner of the template's containers, or to `manager` where they have none.
#[must_use]
pub fn restored(after: &Value, mut managers: Managers, manager: &str) -> Managers {
    let present = leaves(after);
    let heir = managers.iter().find(|(_, owned)| owned.contains(CONTAINERS));
    let heir = heir.map_or(manager, |(name, _)| name).to_owned();
    for owned in managers.values_mut() {
        owned.retain(|field| present.contains_key(field));
    }
    let in_template = present.into_keys().filter(|field| within(field, TEMPLATE));
    let back = in_template.filter(|field| !managers.values().any(|owned| owned.contains(field)));
    let back: BTreeSet<String> = back.collect();
    managers.entry(heir).or_default().extend(back);
    managers.retain(|_, owned| !owned.is_empty());
    managers
}

/// What a scaler's name ends with, so that it is told from an applier of the same name.
pub const SCALER: &str = "/scale";
/// What an undo brings back.
const TEMPLATE: &str = "/spec/template";
/// The field that every template has, so its owner is the template's.
const CONTAINERS: &str = "/spec/template/spec/containers";

fn is_scaler(manager: &str) -> bool {
    manager.ends_with(SCALER)
}

fn owns(managers: &Managers, manager: &str, field: &str) -> bool {
    managers.get(manager).is_some_and(|owned| owned.contains(field))
}

/// The bytes of the paths of all fields of an object, counted without making them.
#[must_use]
pub fn paths_bytes(object: &Value) -> usize {
    fn counted(value: &Value, at: usize) -> usize {
        let Value::Object(map) = value else { return at };
        let below = |(key, value): (&String, &Value)| counted(value, at + 1 + key.len());
        map.iter().map(below).fold(0, usize::saturating_add).max(at)
    }
    counted(object, 0)
}

fn conflicts(
    present: &Value,
    managers: &Managers,
    fields: &BTreeMap<String, Value>,
    manager: &str,
) -> Vec<Conflict> {
    let mut conflicts = Vec::new();
    for (other, owned) in managers.iter().filter(|(other, _)| *other != manager) {
        for (field, value) in fields {
            if owned.contains(field) && present.pointer(field) != Some(value) {
                conflicts.push(Conflict { field: field.clone(), manager: other.clone() });
            }
        }
    }
    conflicts
}

fn within(field: &str, parent: &str) -> bool {
    field == parent || field.strip_prefix(parent).is_some_and(|rest| rest.starts_with('/'))
}

/// The fields of an object by JSON pointer: every value that is not a filled object. What names
/// the object belongs to nobody.
fn leaves(object: &Value) -> BTreeMap<String, Value> {
    let mut fields = BTreeMap::new();
    collect(object, String::new(), &mut fields);
    for identity in ["/apiVersion", "/kind", "/metadata/name", "/metadata/namespace"] {
        fields.remove(identity);
    }
    fields
}

fn collect(value: &Value, at: String, fields: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                collect(value, format!("{at}/{}", escape(key)), fields);
            }
        }
        _ => {
            fields.insert(at, value.clone());
        }
    }
}

fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn segments(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|s| s.replace("~1", "/").replace("~0", "~")).collect()
}

fn set(object: &mut Value, pointer: &str, value: &Value) {
    let mut at = object;
    for segment in segments(pointer) {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        let Some(map) = at.as_object_mut() else { return };
        at = map.entry(segment).or_insert(Value::Null);
    }
    // An empty object is set only where there is nothing: it owns no field of what stands there.
    let keeps = value.as_object().is_some_and(Map::is_empty) && at.is_object();
    if !keeps {
        *at = value.clone();
    }
}

/// Removes the field and the objects that it leaves empty.
fn remove(object: &mut Value, pointer: &str) {
    fn walk(value: &mut Value, path: &[String]) {
        let (Some(map), Some((first, rest))) = (value.as_object_mut(), path.split_first()) else {
            return;
        };
        if rest.is_empty() {
            map.remove(first);
            return;
        }
        if let Some(child) = map.get_mut(first) {
            walk(child, rest);
            if child.as_object().is_some_and(Map::is_empty) {
                map.remove(first);
            }
        }
    }
    walk(object, &segments(pointer));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn first(wanted: &Value) -> Applied {
        apply(&json!({}), &Managers::new(), wanted, "apply", false).expect("nothing to conflict")
    }

    #[test]
    fn a_field_left_out_goes_and_a_foreign_field_stays() {
        let one = first(&json!({"spec": {"a": 1, "b": 2}}));
        let mut scaled = one.object.clone();
        scaled["spec"]["c"] = json!(3);
        let managers = own(&one.object, &scaled, one.managers, "scale");
        let two =
            apply(&scaled, &managers, &json!({"spec": {"a": 1}}), "apply", false).expect("ok");
        assert_eq!(two.object, json!({"spec": {"a": 1, "c": 3}}));
    }

    #[test]
    fn apply_without_replicas_does_not_fight_scale_and_with_other_replicas_it_says_so() {
        let one = first(&json!({"spec": {"replicas": 3}}));
        let scaled = json!({"spec": {"replicas": 5}});
        let managers = own(&one.object, &scaled, one.managers, "scale");
        let other = apply(&scaled, &managers, &json!({"spec": {"replicas": 3}}), "apply", false);
        let conflict = Conflict { field: "/spec/replicas".into(), manager: "scale".into() };
        assert_eq!(other, Err(vec![conflict]));
        let without = apply(&scaled, &managers, &json!({"spec": {}}), "apply", false).expect("ok");
        assert_eq!(without.object, scaled);
        let forced = apply(&scaled, &managers, &json!({"spec": {"replicas": 3}}), "apply", true);
        assert_eq!(forced.expect("forced").object, json!({"spec": {"replicas": 3}}));
    }

    #[test]
    fn who_applied_replicas_takes_them_back_from_a_scale_and_is_told() {
        let one = first(&json!({"spec": {"replicas": 3}}));
        let now = json!({"spec": {"replicas": 5}});
        let managers = scaled(&one.object, &now, one.managers, "kubectl");
        let again = json!({"spec": {"replicas": 3}});
        let back = apply(&now, &managers, &again, "apply", false).expect("it was its own");
        assert_eq!(back.object, again);
        assert_eq!(
            back.taken_back,
            [TakenBack { field: "/spec/replicas".into(), was: json!(5), now: json!(3) }]
        );
        assert_eq!(back.managers.keys().collect::<Vec<_>>(), ["apply"]);
        let kept = apply(&now, &managers, &json!({"spec": {}}), "apply", false).expect("left out");
        assert_eq!(kept.object, now);
        let stranger = apply(&now, &managers, &again, "other", false);
        assert_eq!(stranger.expect_err("not its own").len(), 2, "the applier and the scaler");
    }

    #[test]
    fn an_undo_changes_values_and_not_owners() {
        let template = |image: &str| json!({"spec": {"replicas": 1, "template": {"spec": {"containers": [image]}}}});
        let one = first(&template("v1"));
        let two = apply(&one.object, &one.managers, &template("v2"), "apply", false).expect("ok");
        let mut undone = template("v1");
        undone["spec"]["template"]["spec"]["hostname"] = json!("h");
        let managers = restored(&undone, two.managers.clone(), "setpoint");
        let again = apply(&undone, &managers, &template("v2"), "apply", false).expect("its own");
        assert_eq!(again, two, "and what the undo brought back goes, as it went before");
    }

    #[test]
    fn applying_twice_changes_nothing() {
        let wanted = json!({"metadata": {"labels": {"a/b": "c"}}, "spec": {"x": [], "y": {}}});
        let one = first(&wanted);
        let two = apply(&one.object, &one.managers, &wanted, "apply", false).expect("ok");
        assert_eq!(one, two);
        assert_eq!(one.object, wanted);
    }
}
