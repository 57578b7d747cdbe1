//! People who have pods evicted, as a drain does, and who say how long another is waited for.

use serde_json::{Value, json};
use setpoint_schemas::{RequestItem, Verb};

use crate::committed::Committed;
use crate::draw::Draw;
use crate::manifests::item;

/// No longer than a fleet takes to come to rest; 0 is not at all.
const PATIENCE_MS: [i64; 4] = [0, 3_000, 20_000, 60_000];

/// Says how long an eviction of a workload's pods waits for another.
pub(super) fn wait(draw: &mut Draw, workload: &mut Value) {
    let patience_ms = draw.pick(&PATIENCE_MS).to_string();
    workload["metadata"]["annotations"]["setpoint.dev/eviction-surge-ms"] = json!(patience_ms);
}

/// Asks for the eviction of some pod.
pub(super) fn evict(draw: &mut Draw, committed: &Committed) -> RequestItem {
    let placed: Vec<_> = committed.placements.values().collect();
    let (place, name) = match placed.is_empty() {
        true => ("default".to_owned(), "nobody".to_owned()),
        false => {
            let chosen = draw.pick(&placed);
            (chosen.pattern.namespace.to_string(), chosen.name.to_string())
        }
    };
    let metadata = json!({"name": name, "namespace": place});
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata});
    RequestItem { subresource: "eviction".to_owned(), ..item(Verb::Delete, &pod) }
}
