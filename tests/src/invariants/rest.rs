//! When a fleet is at rest: what is desired runs where it fits, and nothing else runs.

use std::collections::BTreeSet;

use serde_json::Value;
use setpoint_schemas::{PodUid, Resource};

use super::{Auditor, desired_of};
use crate::journey::Committed;
use crate::manifests;
use crate::memory_log::MemoryLog;
use crate::plant::{Plant, PodState, SimNode};

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
    ) -> Result<(), String> {
        if self.cut != log.ends() || self.answered.len() != log.requests() {
            return Err(format!(
                "{} of {} requests are answered",
                self.answered.len(),
                log.requests()
            ));
        }
        for node in &plant.nodes {
            if self.lost.contains(&node.name) {
                return Err(format!("healthy {} is lost", node.name));
            }
            self.no_orphans(node, committed)?;
        }
        for resource in self.resources.values() {
            self.settled(resource, plant)?;
        }
        Ok(())
    }

    /// A node runs its placements and nothing else.
    fn no_orphans(&self, node: &SimNode, committed: &Committed) -> Result<(), String> {
        let placed = committed.placements.values().filter(|p| p.node == node.name);
        let placed: BTreeSet<&PodUid> = placed.map(|p| &p.uid).collect();
        let has: BTreeSet<&PodUid> = node.pods.keys().collect();
        if placed == has {
            return Ok(());
        }
        Err(format!("{} is to run {placed:?} and has {has:?}", node.name))
    }

    fn settled(&self, resource: &Resource, plant: &Plant) -> Result<(), String> {
        let body: Value = serde_json::from_str(&resource.body).unwrap_or_default();
        let (wanted, template) = match resource.kind.as_str() {
            "Deployment" => (desired_of(&body), &body["spec"]["template"]["spec"]),
            "Pod" => (1, &body["spec"]),
            "DaemonSet" => {
                return self.daemon_settled(resource, &body["spec"]["template"]["spec"], plant);
            }
            _ => return Ok(()),
        };
        let key = resource.key().to_string();
        let current = spec_text(template);
        let running = plant
            .nodes
            .iter()
            .map(|node| self.running(node, &key, &current, &resource.kind))
            .sum::<i64>();
        let live = self.live.values().filter(|live| live.workload == key).count() as i64;
        if running == wanted && live == wanted {
            return Ok(());
        }
        let cpu = manifests::cpu_of(&current);
        let fits = plant.nodes.iter().find(|node| self.fits(node, &key, cpu, template));
        match fits {
            None if !self.waiting.is_empty() => Ok(()),
            None => Err(format!(
                "{key} runs {running} of {wanted} pods ({live} placed), none fits and none waits"
            )),
            Some(node) => Err(format!(
                "{key} runs {running} of {wanted} pods ({live} placed) and one fits {}",
                node.name
            )),
        }
    }

    /// A DaemonSet runs on every node that may be used and has room.
    fn daemon_settled(
        &self,
        resource: &Resource,
        template: &Value,
        plant: &Plant,
    ) -> Result<(), String> {
        let key = resource.key().to_string();
        let current = spec_text(template);
        let cpu = manifests::cpu_of(&current);
        for node in &plant.nodes {
            let runs = self.running(node, &key, &current, &resource.kind);
            let here =
                self.live.values().filter(|l| l.workload == key && l.node == node.name).count();
            if here > 1 || (runs != 1 && self.fits(node, &key, cpu, template)) {
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
            state && &*pod.placement.workload == workload && *pod.placement.spec == *current
        };
        node.pods.values().filter(is_so).count() as i64
    }

    /// Whether one more pod of this workload would find room.
    fn fits(&self, node: &SimNode, workload: &str, cpu: i64, template: &Value) -> bool {
        let is_apart = template.get("affinity").is_some();
        let here = || self.live.values().filter(|l| l.workload == workload && l.node == node.name);
        let keeps_apart = here().any(|live| is_apart || live.is_apart);
        let name = node.name.as_str();
        let body =
            self.resources.values().find(|r| r.kind == "Node" && r.name == name).map(|r| &r.body);
        let object: Value = body.and_then(|b| serde_json::from_str(b).ok()).unwrap_or_default();
        let is_cordoned = object["spec"]["unschedulable"] == Value::Bool(true);
        !is_cordoned && !keeps_apart && self.used(&node.name) + cpu <= node.cpu_milli
    }
}

fn spec_text(template: &Value) -> String {
    template.to_string()
}
