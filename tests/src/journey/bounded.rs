//! People who bound a namespace: quotas and LimitRanges that come, change and go.

use serde_json::{Value, json};
use setpoint_schemas::{RequestItem, Verb};

use crate::draw::Draw;
use crate::manifests::{FILLED_CPU, item, limit_range, namespace, quota};

/// The namespace that is bounded.
pub(super) const BOUNDED: &str = "team";

/// Makes or takes away a bound of the namespace, which may have to be made before.
pub(super) fn bound(draw: &mut Draw) -> Vec<RequestItem> {
    let mut object = if draw.chance(500) { a_quota(draw) } else { a_limit_range(draw) };
    object["metadata"]["namespace"] = json!(BOUNDED);
    let verb = *draw.pick(&[Verb::Apply, Verb::Apply, Verb::Apply, Verb::Delete]);
    vec![item(Verb::Apply, &namespace(BOUNDED)), item(verb, &object)]
}

fn a_quota(draw: &mut Draw) -> Value {
    let pods = draw.between(0, 8).to_string();
    let cpu: &str = draw.pick::<&str>(&["500m", "1", "2", "5"]);
    let mut hard = json!({"pods": pods, "requests.cpu": cpu});
    if draw.chance(300) {
        hard["limits.cpu"] = json!("4");
    }
    quota(&hard)
}

/// Always with default limits, by which pods are known that were made with it, and with requests that nobody
/// asks for himself.
fn a_limit_range(draw: &mut Draw) -> Value {
    let mut limit = json!({"type": "Container", "defaultRequest": {"cpu": FILLED_CPU}});
    match draw.below(3) {
        0 => limit["default"] = json!({"cpu": "950m"}),
        1 => limit["default"] = json!({"cpu": "600m"}),
        _ => {
            limit["default"] = json!({"cpu": "600m"});
            limit["max"] = json!({"cpu": "800m"});
        }
    }
    limit_range(draw.pick::<&str>(&["limits", "more-limits"]), &json!([limit]))
}

/// Some say nothing of the cpu that they need.
pub(super) fn say_less(draw: &mut Draw, spec: &mut Value) {
    if draw.chance(300) {
        spec["containers"][0]["resources"] = json!({"requests": {"memory": "16Mi"}});
    }
}
