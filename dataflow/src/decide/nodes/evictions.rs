//! Pods that leave a node for a taint of effect `NoExecute`.
//!
//! Guarantee: who leaves when follows from the Node resource, the pods' templates and when they were
//! placed; an engine from a checkpoint evicts when the one that ran through does.

use std::collections::BTreeMap;

use serde::Deserialize;
use setpoint_placement::NodeId;
use setpoint_rules::eviction::{self, NodeTaint};
use setpoint_rules::job_failures::Cause as Failure;
use setpoint_schemas::{NodeName, Taint, TaintEffect, Toleration};

use crate::causes::Cause;
use crate::decide::Turn;
use crate::decide::kinds::node_key;
use crate::state::{Deadline, Pod};
use crate::views::{Standing, Views};

/// What of a Node resource makes pods leave.
#[derive(Default, Deserialize)]
#[serde(default)]
struct NodeObject {
    spec: NodeSpec,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NodeSpec {
    taints: Vec<NodeTaint>,
}

/// What of a pod's spec lets it stay.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Bearing {
    tolerations: Vec<Toleration>,
}

/// Tolerations by workload and revision: the pods of one bear the same.
type Borne = BTreeMap<(u32, u32), Vec<Toleration>>;

impl<V: Views> Turn<'_, V> {
    /// The time has come at which a pod of this node had to leave, unless something changed.
    pub(crate) fn eviction_due(&mut self, node: &NodeName) {
        if let Some(id) = self.state.nodes.get(node).copied() {
            self.evict_from(id, None);
        }
    }

    /// Withdraws those who may stay no longer on this node, and looks again when the next one may not.
    pub(crate) fn evict_from(&mut self, id: u32, cause: Option<&Cause>) {
        let taints = self.taints_to_leave_for(id);
        let Some(host) = self.state.node.get(&id).filter(|_| !taints.is_empty()) else { return };
        let (node, at) = (host.row.record.node.clone(), host.row.cause.at);
        let (mut leaving, mut next_ms, mut borne) = (Vec::new(), None::<i64>, Borne::new());
        for (pod_id, pod) in self.state.pods.on_with_ids(id) {
            let Some(leave) = self.leave_of(pod, &taints, &mut borne) else { continue };
            if leave.at_ms <= self.now {
                leaving.push((pod.uid.clone(), pod_id, leave.taint));
            } else {
                next_ms = Some(next_ms.map_or(leave.at_ms, |next| next.min(leave.at_ms)));
            }
        }
        leaving.sort_by(|one, other| one.0.cmp(&other.0));
        for (_, pod, taint) in leaving {
            let reason = format!("it does not bear the taint {} of its node {node}", shown(taint));
            let told = || Cause::told(at, format!("node {node} bears {}", shown(taint)));
            let cause = cause.cloned().unwrap_or_else(told);
            if let Some(owner) = self.state.pods.get(&pod).map(|pod| pod.workload) {
                self.because(owner, &cause);
            }
            self.job_pod_lost(pod, Failure::Disrupted);
            self.withdraw(pod, "taint", reason, cause);
        }
        if let Some(at_ms) = next_ms {
            self.state.schedule(at_ms, Deadline::Eviction(node));
        }
    }

    /// A pod is on this node: notes when it has to leave that for a taint, if ever.
    pub(crate) fn foresee_eviction(&mut self, pod: u32, node: u32) {
        let taints = self.taints_to_leave_for(node);
        if taints.is_empty() {
            return;
        }
        let Some(pod) = self.state.pods.get(&pod) else { return };
        let leave = self.leave_of(pod, &taints, &mut Borne::new());
        let at_ms = leave.map(|leave| leave.at_ms);
        let node = self.state.host(pod).map(|host| host.row.record.node.clone());
        if let (Some(at_ms), Some(node)) = (at_ms, node) {
            self.state.schedule(at_ms, Deadline::Eviction(node));
        }
    }

    /// When a pod that does not stop already has to leave its node.
    fn leave_of<'t>(
        &self,
        pod: &Pod,
        taints: &'t [NodeTaint],
        borne: &mut Borne,
    ) -> Option<eviction::Leave<'t>> {
        if matches!(pod.standing, Standing::Stopping | Standing::Ended) {
            return None;
        }
        let tolerations = borne
            .entry((pod.workload, pod.revision))
            .or_insert_with(|| self.tolerations_of(pod).unwrap_or_default());
        eviction::leave(taints, tolerations, pod.placed_ms.get())
    }

    fn tolerations_of(&self, pod: &Pod) -> Option<Vec<Toleration>> {
        let template = self.state.owner(pod)?.templates.get(&pod.revision)?;
        serde_json::from_str::<Bearing>(&template.pattern.spec).ok().map(|spec| spec.tolerations)
    }

    /// The taints of a node for which pods leave. Most nodes have none, and only the placer is asked.
    fn taints_to_leave_for(&self, id: u32) -> Vec<NodeTaint> {
        let evicts = |taint: &Taint| taint.effect == TaintEffect::NoExecute;
        let Some(info) = self.fleet.node(NodeId(id)) else { return Vec::new() };
        if !info.taints.iter().any(evicts) {
            return Vec::new();
        }
        let resource = self.state.resources.get(&node_key(&info.name));
        let object = resource.and_then(|node| serde_json::from_str::<NodeObject>(&node.body).ok());
        let taints = object.unwrap_or_default().spec.taints.into_iter();
        taints.filter(NodeTaint::is_no_execute).collect()
    }
}

/// A taint as kubectl writes it.
fn shown(taint: &Taint) -> String {
    match taint.value.as_str() {
        "" => format!("{}:NoExecute", taint.key),
        value => format!("{}={value}:NoExecute", taint.key),
    }
}
