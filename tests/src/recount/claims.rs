//! Data that stays: no pod is anywhere but where its data is, and no claim goes before its pods.

use setpoint_schemas::{ClaimStatus, GroupKind, PodSpec, ResourceKey};

use super::world::World;

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
        for name in claims_in(&pod.spec) {
            let node = &pod.placement.node;
            match world.claim(namespace, name) {
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
