//! People who own, let go, finalize and delete: ConfigMaps that own each other, in circles too, and Deployments
//! that are owned.

use std::sync::Arc;

use serde_json::{Value, json};
use setpoint_schemas::{RequestItem, Resource, Verb};

use crate::committed::Committed;
use crate::draw::Draw;
use crate::manifests::{HOLD, item, patch};

/// Few names, so that requests meet and owners come to be circles.
const NAMES: [&str; 5] = ["red", "green", "blue", "black", "white"];
/// As the operator's.
const NAMESPACES: [&str; 2] = ["default", "team"];
/// Something about what is owned.
pub(super) fn ask(draw: &mut Draw, committed: &Committed) -> RequestItem {
    let place = *draw.pick(&NAMESPACES);
    let name = *draw.pick(&NAMES);
    match draw.below(10) {
        0..=3 => item(Verb::Apply, &config(draw, (place, name), committed)),
        4..=6 => patch(Verb::Delete, ("v1", "ConfigMap"), place, name, &options(draw)),
        7 => free(place, name),
        8 => {
            let owners = owners(draw, place, committed);
            let change = json!({"metadata": {"ownerReferences": owners}});
            patch(Verb::MergePatch, ("v1", "ConfigMap"), place, name, &change)
        }
        _ => {
            // What it says of all else is left as it is.
            let workload = *draw.pick(&["web", "api"]);
            let owners = owners(draw, place, committed);
            let change = json!({"metadata": {"ownerReferences": owners}});
            let kind = ("apps/v1", "Deployment");
            match draw.chance(500) {
                true => patch(Verb::MergePatch, kind, place, workload, &change),
                false => patch(Verb::Delete, kind, place, workload, &options(draw)),
            }
        }
    }
}

/// Takes away all that these people hold back. What is not there any more is not asked for.
pub(super) fn last_words() -> Vec<RequestItem> {
    let all = NAMESPACES.iter().flat_map(|place| NAMES.iter().map(move |name| (place, name)));
    all.map(|(place, name)| free(place, name)).collect()
}

fn config(draw: &mut Draw, (place, name): (&str, &str), committed: &Committed) -> Value {
    let mut config = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1"},
        "metadata": {"name": name, "namespace": place}});
    if draw.chance(700) {
        config["metadata"]["ownerReferences"] = owners(draw, place, committed);
    }
    if draw.chance(300) {
        config["metadata"]["finalizers"] = json!([HOLD]);
    }
    config
}

/// Up to two owners: such as are there, or nobody.
fn owners(draw: &mut Draw, place: &str, committed: &Committed) -> Value {
    let is_one = |resource: &Arc<Resource>| {
        matches!(&*resource.kind, "ConfigMap" | "Deployment") && resource.namespace == *place
    };
    let all = committed.resources.values().map(|(resource, _)| resource);
    let all: Vec<&Arc<Resource>> = all.filter(|resource| is_one(resource)).collect();
    let mut owners: Vec<Value> = Vec::new();
    for _ in 0..draw.below(3) {
        let reference = match all.is_empty() || draw.chance(100) {
            true => {
                json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "nobody", "uid": "nobody"})
            }
            false => {
                let owner = draw.pick(&all);
                json!({"apiVersion": owner.api_version, "kind": owner.kind, "name": owner.name,
                    "uid": owner.uid, "blockOwnerDeletion": draw.chance(700)})
            }
        };
        if owners.iter().all(|known| known["uid"] != reference["uid"]) {
            owners.push(reference);
        }
    }
    json!(owners)
}

fn options(draw: &mut Draw) -> Value {
    match *draw.pick(&["", "Background", "Foreground", "Foreground", "Orphan"]) {
        "" => json!({}),
        policy => json!({"propagationPolicy": policy}),
    }
}

/// Takes the finalizer away, and no other.
fn free(place: &str, name: &str) -> RequestItem {
    let change = json!({"metadata": {"$deleteFromPrimitiveList/finalizers": [HOLD]}});
    patch(Verb::StrategicMergePatch, ("v1", "ConfigMap"), place, name, &change)
}
