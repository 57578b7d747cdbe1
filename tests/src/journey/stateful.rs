//! People who have StatefulSets: they apply, scale and update them, in order and in parallel.

use serde_json::{Value, json};
use setpoint_schemas::{RequestItem, Verb};

use crate::draw::Draw;
use crate::manifests::{item, patch, stateful_set, with_own_claim};

/// Few, so that requests meet.
const SETS: [&str; 2] = ["db", "queue"];

/// Asks for something about a StatefulSet.
/// Where people have claims, each pod has one.
pub(super) fn ask(draw: &mut Draw, has_claims: bool) -> RequestItem {
    let name = *draw.pick(&SETS);
    match draw.below(8) {
        0 => item(Verb::Delete, &set(draw, name, has_claims)),
        1..=2 => {
            let body = json!({"spec": {"replicas": draw.between(0, 5)}});
            patch(Verb::MergePatch, ("apps/v1", "StatefulSet"), "default", name, &body)
        }
        _ => item(Verb::Apply, &set(draw, name, has_claims)),
    }
}

/// One of them is kept in order, the other not: that does not change.
fn set(draw: &mut Draw, name: &str, has_claims: bool) -> Value {
    let (replicas, cpu) = (draw.between(1, 4), *draw.pick(&[50, 200, 400]));
    let image = format!("{name}:{}", draw.below(3));
    let mut set = stateful_set("default", name, replicas, cpu, &image);
    if has_claims {
        set = with_own_claim(set, "data");
        if draw.chance(300) {
            set["spec"]["persistentVolumeClaimRetentionPolicy"] =
                json!({"whenScaled": "Delete", "whenDeleted": "Delete"});
        }
    }
    if name == SETS[1] {
        set["spec"]["podManagementPolicy"] = json!("Parallel");
    }
    if draw.chance(300) {
        set["spec"]["updateStrategy"] = json!({"rollingUpdate": {"maxUnavailable": 2}});
    }
    if draw.chance(200) {
        set["spec"]["minReadySeconds"] = json!(draw.between(1, 2));
    }
    set
}
