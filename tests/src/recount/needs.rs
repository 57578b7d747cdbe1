//! What workloads lack, and whether they could have it.

use setpoint_schemas::{DeploymentStrategy, IntOrPercent, StrategyKind};

use super::bounded;
use super::claims::{awaits_its_claims, claims_in, is_home_of_one};
use super::fits::{ALL, Asking, refusal};
use super::world::{NodeSeen, PodSeen, Wanted, World};
use crate::manifests::{is_made_from, without_identity};

/// The longest pause before a pod that ended is replaced, and a little more.
const ENDED_PAUSE_MS: i64 = 310_000;

/// No workload lacks a pod that a node could take, and what lacks one for want of a node waits.
pub(super) fn nothing_lacks_that_could_be_had(world: &World) -> Result<(), String> {
    for (workload, wanted) in &world.workloads {
        // A Job waits for its own backoff; whether it comes to its end is held when all is at rest.
        if paused_for_ended(world, workload) || wanted.kind == "Job" {
            continue;
        }
        if wanted.kind == "DaemonSet" {
            every_node_has_its_daemon(world, workload, wanted)?;
            continue;
        }
        // Its pods wait for each other and for the ends of those before them.
        if wanted.kind == "StatefulSet" {
            continue;
        }
        // Whether who waits for others still has to, the engine looks when they move.
        if wanted.waits {
            continue;
        }
        let lacks = lacking(world, workload, wanted);
        let waits = world.waiting.values().any(|waiting| waiting == workload);
        if lacks <= 0 {
            if waits && !wanted.in_batches {
                return Err(format!("{workload} needs no pod and one waits"));
            }
            continue;
        }
        if bounded::forbids(world, wanted) || awaits_its_claims(world, wanted) {
            continue;
        }
        let takes = world.nodes.values().find(|node| takes(world, wanted, node));
        if let Some(node) = takes {
            let at = &node.record.node;
            return Err(format!("{workload} lacks {lacks} pods and {at} could take one"));
        }
        if !waits {
            return Err(format!("{workload} lacks {lacks} pods, no node fits and none waits"));
        }
    }
    Ok(())
}

/// A DaemonSet has a pod on each node that could take one.
fn every_node_has_its_daemon(world: &World, workload: &str, wanted: &Wanted) -> Result<(), String> {
    for node in world.nodes.values() {
        let here = |pod: &PodSeen| !pod.stopping && pod.placement.node == node.record.node;
        let has = world.pods_of(workload).any(here);
        if !has && takes(world, wanted, node) && !bounded::forbids(world, wanted) {
            return Err(format!("{workload} has no pod on {}", node.record.node));
        }
    }
    Ok(())
}

/// Whether a node could take one more pod of a workload.
pub(super) fn takes(world: &World, wanted: &Wanted, node: &NodeSeen) -> bool {
    let template = &wanted.spec.template;
    let spec = bounded::dressed(world, &wanted.namespace, &template.spec);
    let pod = Asking {
        namespace: &wanted.namespace,
        labels: &template.metadata.labels,
        spec: &spec,
        only: (wanted.kind == "DaemonSet").then_some(&node.record.node),
    };
    refusal(ALL, world, pod, node).is_none() && is_home_of_one(world, wanted, node)
}

fn paused_for_ended(world: &World, workload: &str) -> bool {
    world.ended_ms.get(workload).is_some_and(|at| world.now_ms < at + ENDED_PAUSE_MS)
}

/// Whether a pod was made from the present template.
pub(super) fn is_current(pod: &PodSeen, wanted: &Wanted) -> bool {
    if wanted.kind == "Job" {
        return true;
    }
    let labels = &wanted.spec.template.metadata.labels;
    let same_labels = labels.iter().all(|(k, v)| pod.placement.pattern.labels.get(k) == Some(v));
    let spec = &pod.placement.pattern.spec;
    if wanted.kind == "StatefulSet" {
        return same_labels && is_made_from(&without_identity(spec), &wanted.spec_text);
    }
    same_labels && is_made_from(spec, &wanted.spec_text)
}

/// How many pods are to be started now.
fn lacking(world: &World, workload: &str, wanted: &Wanted) -> i64 {
    let desired = desired(wanted);
    let count = |which: &dyn Fn(&PodSeen) -> bool| {
        // Who leaves has another in its place.
        let stays = |pod: &&PodSeen| pod.placement.leaving_ms() == 0;
        world.live(workload).filter(stays).filter(|pod| which(pod)).count() as i64
    };
    let total = count(&|_| true);
    if wanted.kind == "Pod" {
        let done = world.pods_of(workload).filter(|pod| pod.ended && !pod.stopping).count();
        return desired - total - done as i64;
    }
    if wanted.kind != "Deployment" {
        return desired - total;
    }
    let current = count(&|pod| is_current(pod, wanted));
    let old = total - current;
    // A node that is lost keeps nobody waiting, but where it has the data of those that are to start.
    let has_claims = claims_in(&wanted.spec.template.spec).next().is_some();
    let is_awaited =
        |pod: &&PodSeen| pod.stopping && (has_claims || !world.is_lost(&pod.placement.node));
    let stopping = world.pods_of(workload).filter(is_awaited).count();
    let is_recreate = strategy(wanted).kind == Some(StrategyKind::Recreate);
    let waits_for_old = old > 0 || (current == 0 && stopping > 0);
    if desired == 0 {
        return 0;
    }
    if wanted.spec.paused && old > 0 {
        return desired - total;
    }
    if is_recreate && waits_for_old {
        return 0;
    }
    if old == 0 {
        return desired - current;
    }
    // At least: an update in batches may have a pause just now.
    if wanted.in_batches {
        return 0;
    }
    (desired - current).min(desired + surge(wanted) - total)
}

pub(super) fn desired(wanted: &Wanted) -> i64 {
    wanted.spec.replicas.map_or(1, i64::from)
}

fn strategy(wanted: &Wanted) -> DeploymentStrategy {
    wanted.spec.strategy.clone().unwrap_or_default()
}

fn surge(wanted: &Wanted) -> i64 {
    let bound = strategy(wanted).rolling_update.and_then(|rolling| rolling.max_surge);
    of(bound, desired(wanted), true)
}

/// How many pods an update must leave available; `None` where it need leave none.
pub(super) fn least_available(wanted: &Wanted) -> Option<i64> {
    let strategy = strategy(wanted);
    if wanted.kind != "Deployment" || strategy.kind == Some(StrategyKind::Recreate) {
        return None;
    }
    let bound = strategy.rolling_update.and_then(|rolling| rolling.max_unavailable);
    let (surge, mut unavailable) = (surge(wanted), of(bound, desired(wanted), false));
    if (surge, unavailable) == (0, 0) {
        unavailable = 1;
    }
    Some(desired(wanted) - unavailable)
}

fn of(bound: Option<IntOrPercent>, desired: i64, up: bool) -> i64 {
    let bound = bound.unwrap_or(IntOrPercent::Percent("25%".to_owned()));
    bound.of(desired, up).unwrap_or(0)
}
