//! People who let failed updates go back, and who make updates that fail.

use serde_json::{Value, json};

use crate::draw::Draw;
use crate::plant::BAD_IMAGE;

/// Lets a Deployment's failed updates go back: by its deadline, and mostly by how its pods begin as well.
pub(super) fn watch(draw: &mut Draw, workload: &mut Value) {
    if draw.chance(300) {
        let image = format!("{BAD_IMAGE}{}", draw.below(3));
        workload["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image);
    }
    workload["spec"]["progressDeadlineSeconds"] = json!(draw.between(4, 20));
    if draw.chance(150) {
        return;
    }
    let annotations = &mut workload["metadata"]["annotations"];
    annotations["setpoint.dev/update-failure-action"] = json!("rollback");
    if draw.chance(600) {
        let monitor_ms = draw.between(1, 6_000).to_string();
        annotations["setpoint.dev/update-monitor-ms"] = json!(monitor_ms);
        let ratio: &str = draw.pick::<&str>(&["0", "0.3", "0.5"]);
        annotations["setpoint.dev/update-max-failure-ratio"] = json!(ratio);
    }
}
