//! People who rank their pods: priorities, pods that never preempt, and budgets.

use serde_json::{Value, json};
use setpoint_schemas::{RequestItem, Verb};

use crate::draw::Draw;
use crate::manifests::{budget, item};

/// Few, so that they meet.
const PRIORITIES: [i64; 5] = [-5, 0, 0, 10, 100];
/// Applications that have budgets now and then.
const APPS: [&str; 3] = ["web", "api", "db"];

/// Gives a pod spec a priority, and large requests, so that rooms are few.
pub(super) fn rank(draw: &mut Draw, spec: &mut Value) {
    spec["priority"] = json!(*draw.pick(&PRIORITIES));
    if draw.chance(100) {
        spec["preemptionPolicy"] = json!("Never");
    }
    let cpu = format!("{}m", *draw.pick(&[300, 500, 900, 1_400]));
    spec["containers"][0]["resources"]["requests"]["cpu"] = json!(cpu);
}

/// Makes or deletes a budget.
pub(super) fn keep(draw: &mut Draw) -> RequestItem {
    let budget = budget(draw.pick::<&str>(&APPS), draw.between(0, 4));
    let verb = *draw.pick(&[Verb::Apply, Verb::Apply, Verb::Apply, Verb::Delete]);
    item(verb, &budget)
}
