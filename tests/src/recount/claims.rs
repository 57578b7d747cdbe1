//! Data that stays: no pod is anywhere but where its data is, no claim goes before its pods, and no volume
//! is two claims'.

use std::collections::BTreeMap;

use serde_json::Value;
use setpoint_schemas::{
    ClaimStatus, GroupKind, PersistentVolumeSpec, PodManagement, PodSpec, Quantity, Resource,
    ResourceKey, VolumeStatus,
};

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

    /// Whether a claim is only for volumes that somebody writes.
    pub(super) fn is_classless(&self, namespace: &str, name: &str) -> bool {
        let kind = GroupKind::new("", "PersistentVolumeClaim");
        let claim = self.resources.get(&ResourceKey::new(kind, namespace, name));
        claim.is_some_and(|claim| spec_of(claim)["storageClassName"] == "")
    }

    fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Resource> {
        let is_one = move |key: &ResourceKey| &*key.kind.kind == kind && key.kind.group.is_empty();
        self.resources.iter().filter(move |(key, _)| is_one(key)).map(|(_, resource)| &**resource)
    }
}

fn spec_of(resource: &Resource) -> Value {
    let body: Value = serde_json::from_str(&resource.body).unwrap_or_default();
    body["spec"].clone()
}

/// Every claim with a volume is the one that the volume names, and lives where that is; and no claim waits for
/// what a free volume would give it.
pub(super) fn volumes_are_one_claims(world: &World) -> Result<(), String> {
    let read = |volume: &Resource| -> PersistentVolumeSpec {
        serde_json::from_value(spec_of(volume)).unwrap_or_default()
    };
    let leaves = |volume: &Resource| volume.deleted_ms.is_some();
    let volumes: BTreeMap<&str, (PersistentVolumeSpec, VolumeStatus, bool)> = world
        .of_kind("PersistentVolume")
        .map(|one| (one.name.as_str(), (read(one), VolumeStatus::read(&one.status), leaves(one))))
        .collect();
    for claim in world.of_kind("PersistentVolumeClaim") {
        let (name, status) = (&claim.name, ClaimStatus::read(&claim.status));
        if status.volume_name.is_empty() {
            if status.is_leaving() || status.made_with.is_some() {
                continue;
            }
            let mut free = volumes
                .iter()
                .filter(|(_, (spec, _, is_leaving))| spec.claim_ref.is_none() && !is_leaving);
            if let Some((volume, _)) = free.find(|(_, (spec, ..))| would_do(spec, claim)) {
                return Err(format!("the claim {name} waits, and the volume {volume} would do"));
            }
            continue;
        }
        let volume = volumes.get(status.volume_name.as_str());
        let Some((spec, told, _)) = volume else {
            return Err(format!("the volume {} of the claim {name} is gone", status.volume_name));
        };
        let is_its = spec.claim_ref.as_ref().is_some_and(|kept| {
            kept.uid == claim.uid && kept.name == *name && kept.namespace == claim.namespace
        });
        if !is_its || told.phase != "Bound" {
            return Err(format!("the claim {name} has {}, which is {told:?}", status.volume_name));
        }
        let named = spec.node_affinity.as_ref().and_then(|affinity| affinity.node());
        let lives = named.unwrap_or(&told.lives_on);
        if status.node != lives {
            return Err(format!("the claim {name} is on {}, its volume on {lives}", status.node));
        }
    }
    Ok(())
}

/// Whether a volume is of a claim's class, and is enough for it.
fn would_do(spec: &PersistentVolumeSpec, claim: &Resource) -> bool {
    let asked = spec_of(claim);
    let storage = asked["resources"]["requests"]["storage"].as_str().unwrap_or_default();
    let storage = Quantity::parse(storage).map_or(0, |storage| storage.units());
    let mut modes = asked["accessModes"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let has = |mode: &str| spec.access_modes.iter().any(|known| known == mode);
    spec.storage_class_name.as_deref().unwrap_or_default()
        == asked["storageClassName"].as_str().unwrap_or_default()
        && spec.capacity.get("storage").map_or(0, Quantity::units) >= storage
        && modes.all(has)
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
