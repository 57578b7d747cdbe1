//! When a fleet is at rest: what is desired runs where it fits, and nothing else runs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use setpoint_schemas::{NodeName, PodUid, Resource, ResourceKey};

use super::work::job_settled;
use super::{Auditor, desired_of, owners, services};
use crate::committed::Committed;
use crate::manifests::{is_made_from, without_identity};
use crate::memory_log::MemoryLog;
use crate::plant::{Plant, PodState, SimNode};

/// Whether one more pod of a workload may go to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// It may.
    Takes,
    /// The node does not take it.
    Full,
    /// It may not be made now, wherever it would go.
    Forbidden,
}

/// Who knows that of each workload and each node.
pub type Fits<'a> = &'a dyn Fn(&ResourceKey, &NodeName) -> Fit;

impl Auditor {
    /// Whether all is as it should be, some time after the last fault.
    ///
    /// # Errors
    /// What is not, in a sentence.
    pub fn at_rest(
        &self,
        plant: &Plant,
        committed: &Committed,
        log: &MemoryLog,
        fits: Fits<'_>,
    ) -> Result<(), String> {
        if self.cut != log.ends() || self.asked != log.requests() {
            return Err(format!("{} of {} requests are answered", self.asked, log.requests()));
        }
        for (uid, workload) in &self.waiting {
            let key = ResourceKey::parse(workload).map_err(|e| e.to_string())?;
            if self.live.contains_key(uid) || !self.resources.contains_key(&key) {
                return Err(format!("pod {uid} of {workload} is said to wait"));
            }
        }
        for node in &plant.nodes {
            if self.lost.contains(&node.name) {
                return Err(format!("healthy {} is lost", node.name));
            }
            self.no_orphans(node, committed)?;
        }
        nothing_remains(plant, committed, log)?;
        owners::nothing_is_left(&self.resources, &committed.placements)?;
        services::each_has_its_own(self.resources.values().map(AsRef::as_ref))?;
        for resource in self.resources.values() {
            self.settled(resource, plant, fits)?;
        }
        Ok(())
    }

    /// A node runs its placements and nothing else.
    fn no_orphans(&self, node: &SimNode, committed: &Committed) -> Result<(), String> {
        let placed = committed.placements.values().filter(|p| p.node == node.name);
        let placed: BTreeMap<&PodUid, bool> = placed.map(|p| (&p.uid, p.is_finished())).collect();
        let has: BTreeSet<&PodUid> = node.pods.keys().collect();
        // Of one that has finished nothing need be left.
        let lacks = placed.iter().any(|(uid, finished)| !finished && !has.contains(uid));
        if !lacks && has.iter().all(|uid| placed.contains_key(uid)) {
            return Ok(());
        }
        Err(format!("{} is to run {placed:?} and has {has:?}", node.name))
    }

    fn settled(&self, resource: &Resource, plant: &Plant, fits: Fits<'_>) -> Result<(), String> {
        let body: Value = serde_json::from_str(&resource.body).unwrap_or_default();
        let is_forbidden = |key: &ResourceKey| {
            plant.nodes.iter().any(|node| fits(key, &node.name) == Fit::Forbidden)
        };
        let (wanted, template) = match resource.kind.as_str() {
            "Deployment" => (desired_of(&body), &body["spec"]["template"]["spec"]),
            "StatefulSet" => (desired_of(&body), &body["spec"]["template"]["spec"]),
            "Pod" => (1, &body["spec"]),
            "DaemonSet" => {
                let template = &body["spec"]["template"]["spec"];
                return self.daemon_settled(resource, template, plant, fits);
            }
            "Job" => {
                let key = resource.key();
                let waits = self.waiting_of(&key.to_string()) > 0 || is_forbidden(&key);
                let fits = plant.nodes.iter().any(|node| fits(&key, &node.name) == Fit::Takes);
                return if waits && !fits { Ok(()) } else { job_settled(resource) };
            }
            "Namespace" if resource.status.contains("Terminating") => {
                return Err(format!("namespace {} is empty and stays", resource.name));
            }
            _ => return Ok(()),
        };
        if self.waits_rightly(resource, &body, plant) {
            return Ok(());
        }
        let key = resource.key().to_string();
        let current = spec_text(template);
        let running = self.running_in(plant, &key, &current, &resource.kind);
        let live = self.live.values().filter(|live| live.workload == key).count() as i64;
        if running == wanted && live == wanted {
            return Ok(());
        }
        let takes = |node: &&SimNode| fits(&resource.key(), &node.name) == Fit::Takes;
        match plant.nodes.iter().find(takes) {
            // An update in batches wants no more than the present batch.
            None if resource.body.contains("update-delay") && self.waiting_of(&key) > 0 => Ok(()),
            // In order only the next one waits.
            None if resource.kind == "StatefulSet" && self.waiting_of(&key) > 0 => Ok(()),
            None if self.waiting_of(&key) >= (wanted - live).max(1) => Ok(()),
            // Who may not be made is nobody that could wait; of a Deployment its status says so.
            None if resource.status.contains("FailedCreate") => Ok(()),
            None if resource.kind == "StatefulSet" && is_forbidden(&resource.key()) => Ok(()),
            None => Err(format!(
                "{key} runs {running} of {wanted} pods ({live} placed), none fits and {} wait",
                self.waiting_of(&key)
            )),
            Some(node) => Err(format!(
                "{key} runs {running} of {wanted} pods ({live} placed) and one fits {}",
                node.name
            )),
        }
    }

    /// Whether a workload waits for another that is not there, or has not all the pods that it wants: what
    /// keeps that from having them is held of itself.
    fn waits_rightly(&self, resource: &Resource, body: &Value, plant: &Plant) -> bool {
        let text = body["metadata"]["annotations"]["setpoint.dev/depends-on"].as_str();
        let all: Value = serde_json::from_str(text.unwrap_or_default()).unwrap_or_default();
        all.as_array().into_iter().flatten().any(|one| {
            let name = one["name"].as_str().unwrap_or_default();
            let key = format!("apps/Deployment/{}/{name}", resource.namespace);
            let on = ResourceKey::parse(&key).ok().and_then(|key| self.resources.get(&key));
            let Some(on) = on else { return true };
            let body: Value = serde_json::from_str(&on.body).unwrap_or_default();
            let current = spec_text(&body["spec"]["template"]["spec"]);
            self.running_in(plant, &key, &current, &on.kind) < desired_of(&body)
        })
    }

    fn running_in(&self, plant: &Plant, workload: &str, current: &str, kind: &str) -> i64 {
        plant.nodes.iter().map(|node| self.running(node, workload, current, kind)).sum()
    }

    /// A DaemonSet runs on every node that may be used and has room.
    fn daemon_settled(
        &self,
        resource: &Resource,
        template: &Value,
        plant: &Plant,
        fits: Fits<'_>,
    ) -> Result<(), String> {
        let key = resource.key().to_string();
        let current = spec_text(template);
        for node in &plant.nodes {
            let runs = self.running(node, &key, &current, &resource.kind);
            let here =
                self.live.values().filter(|l| l.workload == key && l.node == node.name).count();
            if here > 1 || (runs != 1 && fits(&resource.key(), &node.name) == Fit::Takes) {
                return Err(format!("{key} runs {runs} pods ({here} placed) on {}", node.name));
            }
        }
        Ok(())
    }

    /// Pods of this workload and this template that run and are ready; a bare pod may have ended.
    fn running(&self, node: &SimNode, workload: &str, current: &str, kind: &str) -> i64 {
        let is_so = |pod: &&crate::plant::SimPod| {
            let state = match pod.state {
                PodState::Running(_) => true,
                PodState::Ended(_) => kind == "Pod",
                _ => false,
            };
            state
                && &*pod.placement.pattern.workload == workload
                && match pod.placement.at_most_one {
                    true => is_made_from(&without_identity(&pod.placement.pattern.spec), current),
                    false => is_made_from(&pod.placement.pattern.spec, current),
                }
        };
        node.pods.values().filter(is_so).count() as i64
    }

    fn waiting_of(&self, workload: &str) -> i64 {
        self.waiting.values().filter(|waiting| *waiting == workload).count() as i64
    }
}

/// The compacted topics are bounded by the living fleet: all that they keep in the end is of pods
/// that are placed and of nodes that are there.
fn nothing_remains(plant: &Plant, committed: &Committed, log: &MemoryLog) -> Result<(), String> {
    for (uid, node) in log.observed_for_ever() {
        if committed.placements.get(&uid).is_none_or(|placement| placement.node != node) {
            return Err(format!("the observation of pod {uid} on {node} remains on the log"));
        }
    }
    let is_there = |name: &NodeName| plant.nodes.iter().any(|node| node.name == *name);
    match log.registered_for_ever().into_iter().find(|name| !is_there(name)) {
        Some(name) => Err(format!("the record of {name} remains on the log")),
        None => Ok(()),
    }
}

fn spec_text(template: &Value) -> String {
    template.to_string()
}
