//! Pods that leave a node for a taint of effect `NoExecute`.
//!
//! Guarantee: who leaves when follows from the Node resource, the pods' templates and when they were
//! placed; an engine from a checkpoint evicts when the one that ran through does.

use setpoint_rules::eviction::{self, Leave, NodeTaint};
use setpoint_rules::job_failures::Cause as Failure;
use setpoint_schemas::{NodeName, Taint};

use crate::causes::Cause;
use crate::decide::Turn;
use crate::state::{Deadline, Node, Pod};
use crate::views::{Standing, Views};

/// A request that changed a node's resource.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// It, as a cause.
    pub(crate) cause: &'a Cause,
    /// The taints that the node had before it: whoever leaves for one of these would have left anyway.
    pub(crate) before: &'a [NodeTaint],
}

impl<V: Views> Turn<'_, V> {
    /// The time has come at which a pod of this node had to leave, unless something changed.
    pub(crate) fn eviction_due(&mut self, node: &NodeName) {
        if let Some(id) = self.state.nodes.get(node).copied() {
            self.evict_from(id, None);
        }
    }

    /// The state came otherwise than by exact replay, and pods may stand in it that had to leave: once
    /// all is read they do.
    pub(crate) fn look_who_leaves(&mut self) {
        let bears = |id: &u32| self.state.node.get(id).is_some_and(|node| !node.taints.is_empty());
        let tainted = self.state.nodes.iter().filter(|(_, id)| bears(id));
        let tainted: Vec<NodeName> = tainted.map(|(name, _)| name.clone()).collect();
        for node in tainted {
            self.state.schedule(self.now, Deadline::Eviction(node));
        }
    }

    /// Withdraws those who may stay no longer on this node, and looks again when the next one may not.
    pub(crate) fn evict_from(&mut self, id: u32, asked: Option<Asked<'_>>) {
        let taints = self.taints_of(id);
        let Some(host) = self.state.node.get(&id).filter(|_| !taints.is_empty()) else { return };
        let node = host.row.record.node.clone();
        let (mut leaving, mut next_ms) = (Vec::new(), None::<i64>);
        for (pod_id, pod) in self.state.pods.on_with_ids(id) {
            let Some(leave) = self.leave_of(pod, &taints) else { continue };
            if leave.at_ms <= self.now {
                let asked = asked.filter(|asked| !asked.before.contains(leave.taint));
                let cause =
                    asked.map_or_else(|| told(host, leave.taint), |asked| asked.cause.clone());
                leaving.push((pod.uid.clone(), pod_id, shown(&leave.taint.taint), cause));
            } else {
                next_ms = Some(next_ms.map_or(leave.at_ms, |next| next.min(leave.at_ms)));
            }
        }
        leaving.sort_by(|one, other| one.0.cmp(&other.0));
        for (_, pod, taint, cause) in leaving {
            let reason = format!("it does not bear the taint {taint} of its node {node}");
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

    /// A pod is on this node, or lives there again: notes when it has to leave that for a taint, if ever.
    pub(crate) fn foresee_eviction(&mut self, pod: u32, node: u32) {
        let host = self.state.node.get(&node).filter(|host| !host.taints.is_empty());
        let (Some(host), Some(pod)) = (host, self.state.pods.get(&pod)) else { return };
        let Some(at_ms) = self.leave_of(pod, &host.taints).map(|leave| leave.at_ms) else { return };
        let node = host.row.record.node.clone();
        self.state.schedule(at_ms, Deadline::Eviction(node));
    }

    /// The taints for which pods leave a node. Most nodes have none.
    pub(crate) fn taints_of(&self, id: u32) -> Vec<NodeTaint> {
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

/// Why somebody leaves for a taint that nobody set just now: the last record of the node, and what stood
/// then in its resource.
fn told(host: &Node, borne: &NodeTaint) -> Cause {
    let (cause, taint) = (&host.row.cause, shown(&borne.taint));
    let since = borne.time_added.as_ref().map(|since| format!(" since {since}"));
    let since = since.unwrap_or_default();
    Cause::told(cause.at, format!("{}; its resource bears {taint}{since}", cause.said))
}

/// A taint as kubectl writes it.
fn shown(taint: &Taint) -> String {
    match taint.value.as_str() {
        "" => format!("{}:NoExecute", taint.key),
        value => format!("{}={value}:NoExecute", taint.key),
    }
}
