//! The object as an apply would leave it: what others own stays, what the applier owned and leaves out
//! goes, by the rule by which the leader decides.
//!
//! Who owns what stands in `managedFields`. Where there is none, nobody of ours wrote the object, and what
//! `kubectl apply` noted of its last apply stands for it: then an element that others put into a list of
//! named ones stays too.
//! Absent: refusals. Whether an apply meets a conflict is the leader's to say.

use serde_json::{Value, json};
use setpoint_ingest_manifest::with_what_others_added;
use setpoint_rules::ownership::{self, Managers, SCALER};

use crate::output::field::{list, text};

/// What client-side `kubectl apply` keeps of what it applied, as JSON.
const LAST_APPLIED: &str =
    "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration";

/// `wanted`, applied by `manager` onto what is there. Both without what the server maintains; `live` is as
/// the server has it, `present` is what of it is an applier's.
pub(super) fn applied(live: &Value, present: &Value, wanted: &Value, manager: &str) -> Value {
    let managers = managers(live);
    if !managers.is_empty() {
        return forced(present, &managers, wanted, manager);
    }
    match serde_json::from_str::<Value>(text(live, LAST_APPLIED)) {
        Ok(last) => {
            let mut mine = last.clone();
            setpoint_schemas::strip_server_fields(&mut mine);
            let mut managers = ownership::own(&Value::Null, &mine, Managers::new(), manager);
            // An empty map says nothing of what others put into it.
            for owned in managers.values_mut() {
                owned.retain(|field| mine.pointer(field) != Some(&json!({})));
            }
            let wanted = with_what_others_added(wanted, present, &last);
            forced(present, &managers, &wanted, manager)
        }
        Err(_) => forced(present, &managers, wanted, manager),
    }
}

/// As with `--force-conflicts`: what would change is shown also where it would be refused.
fn forced(present: &Value, managers: &Managers, wanted: &Value, manager: &str) -> Value {
    match ownership::apply(present, managers, wanted, manager, true) {
        Ok(applied) => applied.object,
        // Only an apply that is not forced has conflicts.
        Err(_) => wanted.clone(),
    }
}

/// Who owns what by `managedFields`, as JSON pointers; what is said of a list's elements is said of the list.
fn managers(live: &Value) -> Managers {
    let mut found = Managers::new();
    for entry in list(live, "/metadata/managedFields") {
        let scales = if text(entry, "/subresource") == "scale" { SCALER } else { "" };
        if text(entry, "/subresource") == "status" {
            continue;
        }
        let owned = found.entry(format!("{}{scales}", text(entry, "/manager"))).or_default();
        pointers(entry.get("fieldsV1").unwrap_or(&Value::Null), String::new(), owned);
    }
    found.retain(|_, owned| !owned.is_empty());
    found
}

fn pointers(fields: &Value, at: String, owned: &mut std::collections::BTreeSet<String>) {
    let entries = fields.as_object().into_iter().flatten();
    let below: Vec<_> =
        entries.filter_map(|(name, inner)| Some((name.strip_prefix("f:")?, inner))).collect();
    if below.is_empty() && !at.is_empty() {
        owned.insert(at);
        return;
    }
    for (name, inner) in below {
        pointers(inner, format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), owned);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_owns_stays_and_what_was_mine_and_is_left_out_goes() {
        let fields = |names: &[&str]| {
            let named = names.iter().map(|name| (format!("f:{name}"), json!({})));
            json!({"f:data": named.collect::<serde_json::Map<_, _>>()})
        };
        let live = json!({"data": {"a": "1", "b": "2", "c": "3"}, "metadata": {"managedFields": [
            {"manager": "me", "fieldsV1": fields(&["a", "b"])},
            {"manager": "other", "fieldsV1": fields(&["c"])}]}});
        let present = json!({"data": {"a": "1", "b": "2", "c": "3"}});
        let wanted = json!({"data": {"a": "1"}});
        assert_eq!(applied(&live, &present, &wanted, "me"), json!({"data": {"a": "1", "c": "3"}}));
    }

    #[test]
    fn elements_of_a_list_are_their_lists_and_a_scale_is_told_from_an_apply() {
        let live = json!({"metadata": {"managedFields": [
            {"manager": "x", "fieldsV1": {"f:spec": {"f:containers": {"k:{\"name\":\"a\"}": {"f:image": {}}}}}},
            {"manager": "x", "subresource": "scale", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
            {"manager": "y", "subresource": "status", "fieldsV1": {"f:status": {}}}]}});
        let managers = managers(&live);
        assert_eq!(managers.keys().collect::<Vec<_>>(), ["x", "x/scale"]);
        assert!(managers["x"].contains("/spec/containers"));
    }
}
