//! Names of containers, and our labels.

use std::collections::HashMap;

use setpoint_actuators::{PodToRun, labels};
use setpoint_schemas::{FleetId, PodUid};
use xxhash_rust::xxh3::xxh3_64;

/// The container's place in the spec, from 0, in decimal.
pub(crate) const INDEX: &str = "setpoint.dev/container-index";
/// Present on the container that only holds the pod's network.
pub(crate) const SANDBOX: &str = "setpoint.dev/sandbox";
/// The label's value where some containers of the pod come before others.
pub(crate) const ORDERED: &str = "ordered";

/// Longest part of a name that is taken over, so that the whole stays readable.
const PART_CHARS_MAX: usize = 63;

/// The name of a container: `setpoint_<container>_<pod>_<namespace>_<hash of fleet and uid>`. Only
/// for people; containers are found by their labels.
pub(crate) fn container_name(fleet: &FleetId, pod: &PodToRun, container: &str) -> String {
    let placement = &pod.placement;
    let short = xxh3_64(format!("{fleet}/{}", placement.uid).as_bytes()) & 0xffff_ffff;
    let (name, namespace) =
        (part(placement.name.as_str()), part(placement.pattern.namespace.as_str()));
    format!("setpoint_{}_{name}_{namespace}_{short:08x}", part(container))
}

/// The labels that say which pod a container is of.
pub(crate) fn pod_labels(fleet: &FleetId, pod: &PodToRun) -> HashMap<String, String> {
    let placement = &pod.placement;
    let own = [
        (labels::FLEET, fleet.to_string()),
        (labels::POD_UID, placement.uid.to_string()),
        (labels::GENERATION, placement.generation.to_string()),
        (labels::TERM, placement.term.to_string()),
        (labels::NAMESPACE, placement.pattern.namespace.to_string()),
        (labels::NAME, placement.name.to_string()),
    ];
    let theirs = placement.pattern.labels.iter().map(|(key, value)| (key.clone(), value.clone()));
    theirs.chain(own.map(|(key, value)| (key.to_owned(), value))).collect()
}

/// A filter for the engine's lists and events: what is of this fleet, and of this pod if one.
pub(crate) fn filter(fleet: &FleetId, uid: Option<&PodUid>) -> HashMap<String, Vec<String>> {
    let mut wanted = vec![format!("{}={fleet}", labels::FLEET)];
    wanted.extend(uid.map(|uid| format!("{}={uid}", labels::POD_UID)));
    HashMap::from([("label".to_owned(), wanted)])
}

/// A number of one of our labels; 0 when it is absent or none.
pub(crate) fn number(labels: &HashMap<String, String>, key: &str) -> i64 {
    labels.get(key).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Docker's names have fewer characters than ours.
fn part(text: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "-.".contains(c) { c } else { '-' };
    text.chars().take(PART_CHARS_MAX).map(allowed).collect()
}
