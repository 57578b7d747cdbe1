//! Pods that leave a node for a taint of effect `NoExecute`.
//!
//! Guarantee: who leaves when follows from the Node resource, the pods' templates and when they were
//! placed; an engine from a checkpoint evicts when the one that ran through does.

use setpoint_rules::eviction::{self, Leave, NodeTaint};
use setpoint_schemas::{NodeName, Taint};

use crate::causes::Cause;
use crate::decide::Turn;
use crate::state::{Deadline, Pod};
use crate::views::{Standing, Views};

impl<V: Views> Turn<'_, V> {
    /// The time has come at which a pod of this node had to leave, unless something changed.
    pub(crate) fn eviction_due(&mut self, node: &NodeName) {
        if let Some(id) = self.state.nodes.get(node).copied() {
            self.evict_from(id, None);
        }
    }

    /// Withdraws those who may stay no longer on this node, and looks again when the next one may not.
    pub(crate) fn evict_from(&mut self, id: u32, cause: Option<&Cause>) {
        let taints = self.taints_of(id);
        let Some(host) = self.state.node.get(&id).filter(|_| !taints.is_empty()) else { return };
        let (node, at) = (host.row.record.node.clone(), host.row.cause.at);
        let (mut leaving, mut next_ms) = (Vec::new(), None::<i64>);
        for (pod_id, pod) in self.state.pods.on_with_ids(id) {
            let Some(leave) = self.leave_of(pod, &taints) else { continue };
            if leave.at_ms <= self.now {
                leaving.push((pod.uid.clone(), pod_id, shown(leave.taint)));
            } else {
                next_ms = Some(next_ms.map_or(leave.at_ms, |next| next.min(leave.at_ms)));
            }
        }
        leaving.sort_by(|one, other| one.0.cmp(&other.0));
        for (_, pod, taint) in leaving {
            let reason = format!("it does not bear the taint {taint} of its node {node}");
            let told = || Cause::told(at, format!("node {node} bears {taint}"));
            let cause = cause.cloned().unwrap_or_else(told);
            if let Some(owner) = self.state.pods.get(&pod).map(|pod| pod.workload) {
                self.because(owner, &cause);
            }
            self.withdraw(pod, "taint", reason, cause);
        }
        if let Some(at_ms) = next_ms {
            self.state.schedule(at_ms, Deadline::Eviction(node));
        }
    }

    /// A pod is on this node, or lives there again: notes when it has to leave that for a taint, if ever.
    pub(crate) fn foresee_eviction(&mut self, pod: u32, node: u32) {
        let host = self.state.node.get(&node).filter(|host| !host.taints.is_empty());
        let (Some(host), Some(pod)) = (host, self.state.pods.get(&pod)) else { return };
        let Some(at_ms) = self.leave_of(pod, &host.taints).map(|leave| leave.at_ms) else { return };
        let node = host.row.record.node.clone();
        self.state.schedule(at_ms, Deadline::Eviction(node));
    }

    /// The taints for which pods leave a node. Most nodes have none.
    fn taints_of(&self, id: u32) -> Vec<NodeTaint> {
        self.state.node.get(&id).map(|node| node.taints.clone()).unwrap_or_default()
    }

    /// When a pod that does not stop already has to leave its node.
    fn leave_of<'t>(&self, pod: &Pod, taints: &'t [NodeTaint]) -> Option<Leave<'t>> {
        if matches!(pod.standing, Standing::Stopping | Standing::Ended) {
            return None;
        }
        let template = self.state.owner(pod).and_then(|owner| owner.templates.get(&pod.revision));
        let tolerations = template.map_or(&[][..], |template| &template.tolerations);
        eviction::leave(taints, tolerations, pod.placed_ms.get())
    }
}

/// A taint as kubectl writes it.
fn shown(taint: &Taint) -> String {
    match taint.value.as_str() {
        "" => format!("{}:NoExecute", taint.key),
        value => format!("{}={value}:NoExecute", taint.key),
    }
}
