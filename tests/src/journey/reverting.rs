//! People who let failed updates go back, and who make updates that fail.

use serde_json::{Value, json};

use crate::draw::Draw;
use crate::plant::BAD_IMAGE;

/// The same of an object in JSON.
pub(super) fn watched(draw: &mut Draw, body: &str) -> String {
    let mut workload: Value = serde_json::from_str(body).unwrap_or_default();
    watch(draw, &mut workload);
    workload.to_string()
}

/// Lets a workload's failed updates go back: by its deadline, and mostly by how its pods begin as well.
pub(super) fn watch(draw: &mut Draw, workload: &mut Value) {
    if draw.chance(300) {
        let image = format!("{BAD_IMAGE}{}", draw.below(3));
        workload["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image);
    }
    let deadline_s = draw.between(4, 20);
    match workload["kind"] == "Deployment" {
        true => workload["spec"]["progressDeadlineSeconds"] = json!(deadline_s),
        false => {
            let deadline_ms = json!((deadline_s * 1_000).to_string());
            workload["metadata"]["annotations"]["setpoint.dev/update-deadline-ms"] = deadline_ms;
        }
    }
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
