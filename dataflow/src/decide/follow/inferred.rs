//! What a resource, a placement and an observation tell of a workload and its pods, for who was not
//! there when they were decided.

use serde_json::{Value, json};
use setpoint_rules::own_claims;
use setpoint_rules::revision::{Revision, Way};
use setpoint_schemas::{COMPLETION_INDEX, Placement, PodPhase, Resource};

use crate::decide::pods::standing_since;
use crate::decide::requests::{Compiled, advanced};
use crate::state::{IDENTITY_LABELS, OF_ONE_POD};
use crate::views::Standing;

/// The history that the resource carries; its last entry's text is the body's.
pub(crate) fn history_of(compiled: &Compiled, resource: &Resource) -> Vec<Revision> {
    let mut history: Vec<Revision> = serde_json::from_str(&resource.history).unwrap_or_default();
    match history.last_mut() {
        Some(last) if *last.hash == *compiled.template.pattern.revision => {
            last.template = compiled.json.to_string();
        }
        Some(last) if last.template.is_empty() => drop(history.pop()),
        _ => {}
    }
    advanced(history, &compiled.spec, &compiled.json, Way::Asked)
}

/// The restart generation of a placement. It counts restarts that people ask for.
pub(crate) fn generation_of(placement: &Placement) -> u32 {
    u32::try_from(placement.generation).unwrap_or(u32::MAX)
}

/// A template that asks for the same pods as a placement was made from.
pub(crate) fn template_of(placement: &Placement) -> Value {
    let mut labels = (*placement.pattern.labels).clone();
    labels.remove("pod-template-hash");
    labels.remove(COMPLETION_INDEX);
    let mut annotations = placement.pattern.annotations.clone();
    annotations.retain(|name, _| !OF_ONE_POD.contains(&name.as_str()));
    let mut spec: Value = serde_json::from_str(&placement.pattern.spec).unwrap_or_default();
    if placement.at_most_one {
        IDENTITY_LABELS.iter().for_each(|label| drop(labels.remove(*label)));
        let own = own_claims::mounted(&spec, placement.name.as_str());
        own_claims::unmount(&mut spec, &own);
        for own in ["hostname", "subdomain"] {
            spec.as_object_mut().map(|spec| spec.remove(own));
        }
    }
    json!({"metadata": {"labels": labels, "annotations": annotations}, "spec": spec})
}

/// The templates of the claims that the pod of a placement has for itself.
pub(crate) fn own_claims_of(placement: &Placement) -> Vec<String> {
    if !placement.at_most_one {
        return Vec::new();
    }
    let spec: Value = serde_json::from_str(&placement.pattern.spec).unwrap_or_default();
    own_claims::mounted(&spec, placement.name.as_str())
}

/// Where a pod stands by what was last observed of it: its phase, whether it is ready, and when. It is ready since it was observed, by its
/// node's clock, held between its placement and now: nobody else has kept that time.
pub(crate) fn standing_of(
    (phase, ready, observed_ms): (PodPhase, bool, i64),
    placed_ms: i64,
    min_ready_ms: i64,
    time_ms: i64,
) -> (Standing, i64) {
    let since = observed_ms.max(placed_ms).min(time_ms);
    standing_since((phase, ready), since, time_ms, min_ready_ms)
}
