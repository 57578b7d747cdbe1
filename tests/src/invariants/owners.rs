//! What is owned: it goes with its last owner and not before, and nothing is stuck.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use setpoint_dataflow::Outcome;
use setpoint_schemas::{ClaimStatus, GroupKind, Placement, PodUid, Resource, ResourceKey};

use crate::manifests::HOLD;

type Resources = BTreeMap<ResourceKey, Arc<Resource>>;
type Placements = BTreeMap<PodUid, Arc<Placement>>;

/// What this epoch collected, each as it was last.
pub(super) fn as_they_went(before: &Resources, outcome: &Outcome) -> Vec<Arc<Resource>> {
    let ledger = outcome.ledger();
    let collected = ledger.iter().filter(|decision| decision.rule == "garbage");
    let last = |key: &ResourceKey| {
        let mut told = outcome.resources.iter().rev().filter(|(told, _)| told == key);
        let here = told.find_map(|(_, resource)| resource.clone());
        here.or_else(|| before.get(key).cloned())
    };
    collected.filter_map(|d| last(&ResourceKey::parse(&d.resource).ok()?)).collect()
}

/// Nothing was collected that has an owner which stays.
pub(super) fn nobody_goes_whose_owner_lives(
    collected: &[Arc<Resource>],
    resources: &Resources,
) -> Result<(), String> {
    for resource in collected {
        for (kind, name, uid) in owners_of(resource) {
            let owner = found(resources, &resource.namespace, &kind, &name);
            if owner.is_some_and(|owner| owner.uid == uid && owner.deleted_ms.is_none()) {
                let key = resource.key();
                return Err(format!("{key} was collected, and its owner {kind} {name} lives"));
            }
        }
    }
    Ok(())
}

/// When all is at rest: all owners are there, and what is being deleted is held by somebody. No claim that was
/// made with a pod is there without it.
pub(super) fn nothing_is_left(
    resources: &Resources,
    placements: &Placements,
) -> Result<(), String> {
    for (key, resource) in resources {
        let is_claim = &*key.kind.kind == "PersistentVolumeClaim";
        let claim = ClaimStatus::read(if is_claim { &resource.status } else { "{}" });
        if let Some(pod) = claim.made_with
            && !placements.keys().any(|uid| uid.to_string() == pod.uid)
        {
            return Err(format!("{key} was made with {}, of which nothing is left", pod.name));
        }
        for (kind, name, uid) in owners_of(resource) {
            let owner = found(resources, &resource.namespace, &kind, &name);
            if owner.is_none_or(|owner| owner.uid != uid) {
                return Err(format!("{key} is owned by {kind} {name} {uid}, which is not there"));
            }
        }
        let is_held = resource.body.contains(HOLD) || (is_claim && is_used(key, placements));
        if resource.deleted_ms.is_some() && !is_held {
            return Err(format!("{key} is deleted, held by nobody, and stays"));
        }
    }
    Ok(())
}

/// Whether some pod has a claim: by its name in the pod's spec, or as one that begins or ends with the pod's name.
fn is_used(claim: &ResourceKey, placements: &Placements) -> bool {
    let name = format!("{:?}", claim.name);
    placements.values().any(|placement| {
        let pod = placement.name.as_str();
        let own = [format!("{pod}-"), format!("-{pod}")];
        placement.pattern.namespace.as_str() == &*claim.namespace
            && (placement.pattern.spec.contains(&name)
                || claim.name.starts_with(&own[0])
                || claim.name.ends_with(&own[1]))
    })
}

fn owners_of(resource: &Resource) -> Vec<(GroupKind, String, String)> {
    let body: Value = serde_json::from_str(&resource.body).unwrap_or_default();
    let all = body["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let owner = |said: &Value| {
        let kind = GroupKind::of_api_version(&text(&said["apiVersion"]), &text(&said["kind"]));
        (kind, text(&said["name"]), text(&said["uid"]))
    };
    all.map(owner).collect()
}

fn found<'r>(
    resources: &'r Resources,
    namespace: &str,
    kind: &GroupKind,
    name: &str,
) -> Option<&'r Arc<Resource>> {
    let at = |place: &str| resources.get(&ResourceKey::new(kind.clone(), place, name));
    at(namespace).or_else(|| at(""))
}
