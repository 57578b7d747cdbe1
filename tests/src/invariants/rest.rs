//! When a fleet is at rest: what is desired runs where it fits, and nothing else runs.

use std::collections::BTreeSet;

use serde_json::Value;
use setpoint_schemas::{NodeName, PodUid, Resource, ResourceKey};

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
            "Namespace" if resource.status.contains("Terminating") => {
                return Err(format!("namespace {} is empty and stays", resource.name));
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
            // An update in batches wants no more than the present batch.
            None if resource.body.contains("update-delay") && self.waiting_of(&key) > 0 => Ok(()),
            None if self.waiting_of(&key) >= (wanted - live).max(1) => Ok(()),
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

    fn waiting_of(&self, workload: &str) -> i64 {
        self.waiting.values().filter(|waiting| *waiting == workload).count() as i64
    }

    /// Whether one more pod of this workload would find room.
    fn fits(&self, node: &SimNode, workload: &str, cpu: i64, template: &Value) -> bool {
        let affinity = &template["affinity"];
        let is_apart = affinity["podAntiAffinity"].is_object();
        let here = || self.live.values().filter(|l| l.workload == workload && l.node == node.name);
        let keeps_apart = here().any(|live| is_apart || live.is_apart);
        let is_willing = self.has_company(node, workload, &affinity["podAffinity"])
            && self.is_even(node, workload, &template["topologySpreadConstraints"]);
        let name = node.name.as_str();
        let body =
            self.resources.values().find(|r| r.kind == "Node" && r.name == name).map(|r| &r.body);
        let object: Value = body.and_then(|b| serde_json::from_str(b).ok()).unwrap_or_default();
        let is_cordoned = object["spec"]["unschedulable"] == Value::Bool(true);
        !is_cordoned && !keeps_apart && is_willing && self.used(&node.name) + cpu <= node.cpu_milli
    }
}

impl Auditor {
    /// Whether a pod that wants company finds it on the node. The first of those that want each
    /// other's company goes anywhere.
    fn has_company(&self, node: &SimNode, workload: &str, affinity: &Value) -> bool {
        let term = &affinity["requiredDuringSchedulingIgnoredDuringExecution"][0];
        let Some(app) = term["labelSelector"]["matchLabels"]["app"].as_str() else { return true };
        let Ok(own) = ResourceKey::parse(workload) else { return false };
        let is_company = |live: &&super::Live| {
            let key = ResourceKey::parse(&live.workload).ok();
            key.is_some_and(|key| {
                &*key.kind.kind != "Pod" && key.namespace == own.namespace && &*key.name == app
            })
        };
        let company: Vec<_> = self.live.values().filter(is_company).collect();
        company.iter().any(|live| live.node == node.name)
            || (company.is_empty() && &*own.name == app)
    }

    /// Whether one more on this node is at most one more than on any other. Every node counts, also
    /// one that takes none.
    fn is_even(&self, node: &SimNode, workload: &str, constraints: &Value) -> bool {
        let on = |name: &NodeName| {
            self.live.values().filter(|l| l.workload == workload && l.node == *name).count()
        };
        let least = self.requested.keys().map(on).min().unwrap_or(0);
        !constraints.is_array() || on(&node.name) <= least
    }
}

fn spec_text(template: &Value) -> String {
    template.to_string()
}
