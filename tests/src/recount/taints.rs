//! Nobody stays on a node for longer than it bears the taints there, and nobody leaves sooner.

use std::collections::BTreeMap;

use setpoint_dataflow::Outcome;
use setpoint_schemas::{Action, NodeName, PodUid, Taint, TaintEffect, Toleration};

use super::labels::tolerates;
use super::marks::taints_in;
use super::world::{NodeSeen, PodSeen, World};

/// The taints that nodes had at any time of an epoch, each with since when.
pub(super) type Borne = BTreeMap<NodeName, Vec<(Taint, i64)>>;

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

/// What nodes bear before an epoch.
pub(super) fn borne(world: &World) -> Borne {
    let since = |node: &NodeSeen, taint: &Taint| node.tainted_ms.get(&taint.key).copied();
    let of = |node: &NodeSeen| {
        let taints = node.taints.iter();
        taints.map(|taint| (taint.clone(), since(node, taint).unwrap_or(0))).collect()
    };
    let tainted = world.nodes.iter().filter(|(_, node)| !node.taints.is_empty());
    tainted.map(|(name, node)| (name.clone(), of(node))).collect()
}

/// Who leaves for a taint had one on its node that it did not bear, or no longer; a node may have got it and
/// lost it again within the epoch.
pub(super) fn nobody_leaves_in_vain(
    world: &World,
    mut borne: Borne,
    outcome: &Outcome,
) -> Result<(), String> {
    for (key, node) in &outcome.resources {
        let name = NodeName::parse(&key.name).ok().filter(|_| &*key.kind.kind == "Node");
        let (Some(name), Some(node)) = (name, node) else { continue };
        borne.entry(name).or_default().extend(taints_in(node));
    }
    let ledger = outcome.ledger();
    let left = ledger.iter().filter(|d| d.action == Action::Stop && d.rule == "taint");
    for uid in left.filter_map(|decision| PodUid::parse(&decision.pod).ok()) {
        // With a node that goes in the same epoch its pods are gone already.
        let Some(pod) = world.pods.get(&uid) else { continue };
        let taints = borne.get(&pod.placement.node).map_or(&[][..], Vec::as_slice);
        let had_to = |(taint, since_ms): &(Taint, i64)| {
            until_ms(pod, taint, *since_ms).is_some_and(|until_ms| until_ms <= world.now_ms)
        };
        if !taints.iter().any(had_to) {
            let (name, node) = (&pod.placement.name, &pod.placement.node);
            return Err(format!("{name} leaves {node} for a taint, and bears {taints:?}"));
        }
    }
    Ok(())
}

fn outstays(world: &World, pod: &PodSeen, node: &NodeSeen, taint: &Taint) -> Option<String> {
    let since_ms = node.tainted_ms.get(&taint.key).copied().unwrap_or(0);
    let until_ms = until_ms(pod, taint, since_ms)?;
    if until_ms == NEVER_MS {
        return Some(format!("does not bear {}", taint.key));
    }
    let is_over = world.is_complete && until_ms <= world.now_ms;
    is_over.then(|| format!("bore {} until {until_ms}, and it is {}", taint.key, world.now_ms))
}

/// Before all times.
const NEVER_MS: i64 = i64::MIN;

/// Until when a pod bears a taint of its node, which has it since then; `None`: for ever.
fn until_ms(pod: &PodSeen, taint: &Taint, since_ms: i64) -> Option<i64> {
    if taint.effect != TaintEffect::NoExecute {
        return None;
    }
    let bears = |toleration: &&Toleration| tolerates(std::slice::from_ref(*toleration), taint);
    let Some(toleration) = pod.spec.tolerations.iter().find(bears) else { return Some(NEVER_MS) };
    Some(since_ms.max(pod.placement.placed_ms) + toleration.toleration_seconds? * 1_000)
}
