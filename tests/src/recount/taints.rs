//! Nobody stays on a node for longer than it bears the taints there.

use setpoint_schemas::{Taint, TaintEffect, Toleration};

use super::labels::tolerates;
use super::world::{NodeSeen, PodSeen, World};

/// Whoever does not bear a taint of effect `NoExecute` is gone with the epoch that brought it, and whoever
/// bears it for some seconds with the first complete one after them.
pub(super) fn nobody_outstays(world: &World) -> Result<(), String> {
    for pod in world.pods.values().filter(|pod| pod.is_live()) {
        let Some(node) = world.nodes.get(&pod.placement.node) else { continue };
        for taint in &node.taints {
            if let Some(why) = outstays(world, pod, node, taint) {
                return Err(format!(
                    "{} is on {} and {why}",
                    pod.placement.name, pod.placement.node
                ));
            }
        }
    }
    Ok(())
}

fn outstays(world: &World, pod: &PodSeen, node: &NodeSeen, taint: &Taint) -> Option<String> {
    if taint.effect != TaintEffect::NoExecute {
        return None;
    }
    let bears = |toleration: &&Toleration| tolerates(std::slice::from_ref(*toleration), taint);
    let Some(toleration) = pod.spec.tolerations.iter().find(bears) else {
        return Some(format!("does not bear {}", taint.key));
    };
    let since_ms = node.tainted_ms.get(&taint.key).copied().unwrap_or(0);
    let until_ms = since_ms.max(pod.placement.placed_ms) + toleration.toleration_seconds? * 1_000;
    let is_over = world.is_complete && until_ms <= world.now_ms;
    is_over.then(|| format!("bore {} until {until_ms}, and it is {}", taint.key, world.now_ms))
}
