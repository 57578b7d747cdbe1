//! What is broken behind the engine's back, and mended.

use std::collections::{BTreeMap, BTreeSet};

use futures::FutureExt;
use nix::sys::signal::Signal;
use setpoint_actuator_process::outside;

use super::Seen;
use crate::demo::look::{self, Fleet, Pod};
use crate::demo::stage::{AGENTS, Stage};
use crate::failure::Failure;

pub(super) fn process(stage: &mut Stage) -> Seen<'_> {
    async move {
        let before = stage.until("every pod runs", 10, look::settled).await?;
        let victim = before.pods.iter().find(|pod| pod.is_web());
        let victim = victim.ok_or_else(|| Failure::new("there is no pod of web"))?.clone();
        let old = before.process(&victim.uid).unwrap_or_default();
        outside::signal(old, Signal::SIGKILL);
        let replaced = async |stage: &Stage| {
            let now = look::settled(stage).await?;
            let still = now.processes.values().any(|pids| pids.contains(&old));
            if still { Err("the killed process still runs".to_owned()) } else { Ok(now) }
        };
        let now = stage.until("the process is replaced", 25, replaced).await?;
        Ok(match now.pods.iter().find(|pod| pod.uid == victim.uid) {
            Some(pod) => format!(
                "process {old} of pod {} was killed; process {} runs in its place (restart {})",
                pod.name,
                now.process(&pod.uid).unwrap_or_default(),
                pod.restarts
            ),
            None => {
                format!("process {old} of pod {} was killed; another pod replaced it", victim.name)
            }
        })
    }
    .boxed_local()
}

pub(super) fn agent(stage: &mut Stage) -> Seen<'_> {
    async move {
        let before = stage.until("every pod runs", 10, look::settled).await?;
        let index = victim(&before);
        let node = Stage::node(index);
        let gone: Vec<&Pod> = before.pods.iter().filter(|pod| pod.node == node).collect();
        stage.kill_agent(index).await;
        stage.lost = Some(index);
        let moved = async |stage: &Stage| {
            let now = look::settled(stage).await?;
            let left = now.pods.iter().filter(|pod| pod.node == node).count();
            let ready = look::nodes(stage).await?.get(&node).copied().unwrap_or(false);
            match (left, ready) {
                (0, false) => Ok(now),
                (0, true) => Err(format!("{node} is still taken for ready")),
                (left, _) => Err(format!("{left} pods are still on {node}")),
            }
        };
        let now = stage.until("the pods of the lost node move", 25, moved).await?;
        let known: BTreeSet<&str> = before.pods.iter().map(|pod| pod.uid.as_str()).collect();
        let stayed = before.pods.iter().filter(|pod| pod.node != node);
        if let Some(pod) = stayed.into_iter().find(|pod| !now.pods.contains(&same(&now, pod))) {
            return Err(Failure::new(format!("pod {} moved without need", pod.name)));
        }
        let fresh: Vec<&Pod> =
            now.pods.iter().filter(|p| !known.contains(p.uid.as_str())).collect();
        if fresh.len() != gone.len() {
            let why = format!("{} pods were lost and {} made", gone.len(), fresh.len());
            return Err(Failure::new("not every lost pod was replaced once").because(why));
        }
        // One that the next steps leave alone, so that it can be explained later.
        let kept = fresh.iter().find(|pod| !pod.is_web()).or(fresh.first());
        stage.moved = kept.map(|pod| (pod.namespace.clone(), pod.name.clone()));
        Ok(format!("{node} is lost; its {} pods run elsewhere: {}", gone.len(), now.spread()))
    }
    .boxed_local()
}

/// The node with the most pods that are not of web: those are what is explained later.
fn victim(fleet: &Fleet) -> usize {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for pod in fleet.pods.iter().filter(|pod| !pod.is_web()) {
        *counts.entry(&pod.node).or_default() += 1;
    }
    let count = |index: &usize| counts.get(Stage::node(*index).as_str()).copied().unwrap_or(0);
    (0..AGENTS).max_by_key(count).unwrap_or(0)
}

/// The pod as it is now; an empty one when it is gone.
fn same(now: &Fleet, pod: &Pod) -> Pod {
    let found = now.pods.iter().find(|p| p.uid == pod.uid && p.node == pod.node);
    found.cloned().unwrap_or_else(|| Pod { uid: String::new(), ..pod.clone() })
}
