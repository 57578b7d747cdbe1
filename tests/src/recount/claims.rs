//! Data that stays: no pod is anywhere but where its data is, and no claim goes before its pods.

use setpoint_schemas::{ClaimStatus, GroupKind, PodManagement, PodSpec, ResourceKey};

use super::bounded_claims;
use super::world::{NodeSeen, Wanted, World};

/// The claims that a spec names.
pub(super) fn claims_in(spec: &PodSpec) -> impl Iterator<Item = &str> {
    let claims = spec.volumes.iter().filter_map(|v| v.persistent_volume_claim.as_ref());
    claims.map(|claim| claim.claim_name.as_str())
}

impl World {
    /// The status of a claim that is there.
    pub(super) fn claim(&self, namespace: &str, name: &str) -> Option<ClaimStatus> {
        let kind = GroupKind::new("", "PersistentVolumeClaim");
        let claim = self.resources.get(&ResourceKey::new(kind, namespace, name))?;
        Some(ClaimStatus::read(&claim.status))
    }
}

/// Every pod that is placed has its claims, and its data is where it is.
pub(super) fn data_is_where_pods_are(world: &World) -> Result<(), String> {
    for (uid, pod) in world.pods.iter().filter(|(_, pod)| !pod.stopping && pod.is_here()) {
        let namespace = pod.placement.pattern.namespace.as_str();
        let own = pod.spec.volumes.iter().filter(|volume| volume.ephemeral.is_some());
        let own = own.filter_map(|volume| volume.claim_of(pod.placement.name.as_str()));
        for name in claims_in(&pod.spec).map(str::to_owned).chain(own) {
            let node = &pod.placement.node;
            match world.claim(namespace, &name) {
                Some(claim) if claim.node == node.as_str() => {}
                Some(claim) => {
                    let lives = claim.node;
                    return Err(format!("{uid} is on {node}, and its claim {name} on {lives:?}"));
                }
                None => return Err(format!("{uid} is placed, and its claim {name} is gone")),
            }
        }
    }
    Ok(())
}

/// Whether a bare pod waits until nothing is left of the one before it: the claims that were made with that have
/// its name. That they do not outlast it is asked elsewhere.
pub(super) fn awaits_its_claims(world: &World, wanted: &Wanted) -> bool {
    let made = wanted.spec.template.spec.volumes.iter().filter(|v| v.ephemeral.is_some());
    let mut names = made.filter_map(|volume| volume.claim_of(&wanted.name));
    wanted.kind == "Pod" && names.any(|name| world.claim(&wanted.namespace, &name).is_some())
}

/// Whether a pod that is to come next may come to this node by its data: that is there, or nowhere yet, and what
/// it lacks may be made. Where each pod has claims of its own.
pub(super) fn is_home_of_one(world: &World, wanted: &Wanted, node: &NodeSeen) -> bool {
    let templates = &wanted.spec.volume_claim_templates;
    if wanted.kind != "StatefulSet" || templates.is_empty() {
        return true;
    }
    let is_at_home = |name: &String| {
        templates.iter().all(|template| {
            let claim = format!("{}-{name}", template.metadata.name);
            let lives = world.claim(&wanted.namespace, &claim).unwrap_or_default();
            !lives.is_leaving()
                && (lives.node.is_empty() || lives.node == node.record.node.as_str())
        })
    };
    let mut next = next_of(world, wanted).into_iter();
    next.any(|name| is_at_home(&name) && !bounded_claims::forbid(world, wanted, &name))
}

/// Whether a pod of a set that is to come next lacks a claim that may not be made.
pub(super) fn one_may_not_be_made(world: &World, wanted: &Wanted) -> bool {
    let mut next = next_of(world, wanted).into_iter();
    next.any(|name| bounded_claims::forbid(world, wanted, &name))
}

/// The names of the pods of a set that may come next: in order the first that is missing, otherwise all.
fn next_of(world: &World, wanted: &Wanted) -> Vec<String> {
    if wanted.kind != "StatefulSet" {
        return Vec::new();
    }
    let first = wanted.spec.ordinals.unwrap_or_default().start;
    let names =
        (0..wanted.spec.desired()).map(|n| format!("{}-{}", wanted.name, i64::from(first) + n));
    let is_there = |name: &String| {
        let of_name = world.pods.values().filter(|pod| {
            pod.placement.at_most_one
                && pod.placement.pattern.namespace.as_str() == wanted.namespace
                && pod.placement.name.as_str() == name
        });
        of_name.count() > 0
    };
    let missing = names.filter(|name| !is_there(name));
    match wanted.spec.pod_management_policy.unwrap_or_default() {
        PodManagement::OrderedReady => missing.take(1).collect(),
        PodManagement::Parallel => missing.collect(),
    }
}
