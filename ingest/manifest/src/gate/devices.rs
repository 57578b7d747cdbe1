//! What containers ask of devices: whole ones or a share of one, over the whole pod.

use serde_json::json;
use setpoint_schemas::{GPU, GPU_MILLI, PodSpec};

use super::cursor::{Checker, Cursor};

pub(crate) fn check(checker: &mut Checker, spec: &Cursor<'_>) {
    for init in spec.field("initContainers").items() {
        if asks(&init) {
            let why = "an init container has no devices: give them to a container";
            checker.refuse(&init.field("resources"), why);
        }
    }
    let containers = spec.field("containers");
    let before = checker.problems.len();
    for container in containers.items() {
        if let Some(why) = refusal(std::slice::from_ref(&container)) {
            checker.refuse(&container.field("resources"), why);
        }
    }
    if checker.problems.len() > before {
        return;
    }
    if let Some(why) = refusal(&containers.items()) {
        checker.refuse(&containers, why);
    }
}

/// Whether a container asks for devices, in whatever amount.
fn asks(container: &Cursor<'_>) -> bool {
    let resources = container.field("resources");
    let of = |field: &str| {
        [GPU, GPU_MILLI].iter().any(|name| resources.field(field).get(name).is_some())
    };
    of("requests") || of("limits")
}

/// Why no node could grant what these containers ask for. What is no amount at all is told
/// elsewhere.
fn refusal(containers: &[Cursor<'_>]) -> Option<String> {
    let part = |container: &Cursor<'_>| {
        json!({
            "name": container.field("name").text(),
            "resources": container.field("resources").value,
        })
    };
    let parts: Vec<_> = containers.iter().map(part).collect();
    let spec: PodSpec = serde_json::from_value(json!({ "containers": parts })).ok()?;
    spec.device_ask().err().map(|error| error.to_string())
}
