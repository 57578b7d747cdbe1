//! When it is certain that a pod which may run at most once has ended: its identity is free then.
//!
//! Guarantee: a withdrawn pod of this sort keeps its identity until one of three things is so. Its node
//! has said that it is gone, or listed all that it has while it went by a list of placements without
//! the pod. Or the node is lost, has promised when such pods end there by themselves, and that time
//! has come by durations alone. Or an operator said that nothing runs there any more: the loss was
//! confirmed, the node's resource was deleted, or it bears the taint `node.kubernetes.io/out-of-service`.
//! Where the engine does not know which pods there may be, as after it was rebuilt, none of these sets
//! begins a pod before every node's promise is over.

use std::collections::{BTreeMap, BTreeSet};

use setpoint_rules::fence;
use setpoint_schemas::{NodeName, NodeRecord, NodeSnapshot, PodUid};

use crate::causes::Cause;
use crate::decide::Turn;
use crate::state::{Deadline, Pod, UNPROVEN, WorkloadKind};
use crate::views::{Standing, Views};

/// Kubernetes' taint by which an operator says that nothing runs on a node any more.
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

impl<V: Views> Turn<'_, V> {
    /// A placed pod is known: if it may run at most once its node is told until when.
    pub(crate) fn guard(&mut self, id: u32) {
        let Some(pod) = self.state.pods.get(&id) else { return };
        if !self.state.is_at_most_one(pod) {
            return;
        }
        let (node, is_stopping) = (pod.node, pod.standing == Standing::Stopping);
        self.state.guarded.insert(node, id);
        self.nodes_touched.insert(node);
        if is_stopping {
            self.foresee_release(node);
        }
    }

    /// A pod is withdrawn: if it may run at most once it keeps its identity until its end is certain.
    pub(crate) fn await_proof(&mut self, id: u32) {
        let epoch = self.out.number;
        let Some(pod) = self.state.pods.get(&id) else { return };
        if !self.state.is_at_most_one(pod) {
            return;
        }
        let node = pod.node;
        if let Some(pod) = self.state.pods.get_mut(&id) {
            pod.note_withdrawn(epoch);
        }
        if self.state.node.get(&node).is_some_and(|node| node.row.lost) {
            self.said_gone.insert(node);
            self.foresee_release(node);
        }
    }

    /// Whether this snapshot, in which the pod is absent, proves that it ended: it does unless the
    /// pod's node may have gone by a list that still named it, or named it later.
    pub(crate) fn is_proof(&self, pod: &Pod, snapshot: &NodeSnapshot) -> bool {
        let awaits = pod.standing == Standing::Stopping && self.state.is_at_most_one(pod);
        !awaits || pod.withdrawn() <= snapshot.epoch
    }

    /// The time may have come at which such pods of a lost node have surely ended.
    pub(crate) fn release_due(&mut self, name: &NodeName) {
        let Some(id) = self.state.nodes.get(name).copied() else { return };
        match self.released_ms(id) {
            Some(at_ms) if at_ms <= self.now => {
                let cause = self.state.node.get(&id).map(|node| node.row.cause.clone());
                self.release(id, cause);
            }
            Some(_) => self.foresee_release(id),
            None => {}
        }
    }

    /// The resource of a node is deleted: of one that is lost an operator says by it that it is gone.
    pub(crate) fn deleted_with(&mut self, id: u32) {
        if self.state.node.get(&id).is_some_and(|node| node.row.lost) {
            self.deleted_lost.insert(id);
            self.said_gone.insert(id);
        }
    }

    /// Releases the identities of lost nodes of which an operator said that nothing runs there.
    pub(crate) fn release_those_said_gone(&mut self) {
        let said_gone = std::mem::take(&mut self.said_gone);
        let named = |id: u32| Some((self.state.node.get(&id)?.row.record.node.clone(), id));
        // By their names: which numbers they have must decide nothing.
        let nodes: BTreeMap<NodeName, u32> = said_gone.into_iter().filter_map(named).collect();
        for id in nodes.into_values() {
            if self.is_said_gone(id) {
                let cause = self.state.node.get(&id).map(|node| node.row.cause.clone());
                self.release_proven_or_not(id, cause);
            }
        }
    }

    /// A leader begins whose state did not come by exact replay: there may be pods that it does not
    /// know. No identity is placed before all of them have surely ended.
    pub(crate) fn doubt_all_identities(&mut self) {
        let promises = self.state.node.values().filter_map(|n| n.row.record.fenced_within_ms());
        let after_ms = fence::all_ended_after_ms(promises, &self.state.meta.policy);
        let until_ms = self.now.saturating_add(after_ms);
        let sets = self.state.workload.iter();
        let sets = sets.filter(|(_, workload)| workload.kind == WorkloadKind::Stateful);
        let sets: Vec<u32> = sets.map(|(id, _)| *id).collect();
        sets.into_iter().for_each(|id| self.doubt_until(id, until_ms));
        let nodes: Vec<u32> = self.state.nodes.values().copied().collect();
        nodes.iter().for_each(|node| self.foresee_release(*node));
        self.said_gone.extend(nodes);
    }

    /// A node is removed: what still runs there of those that were not released is not known any more.
    pub(super) fn doubt_identities_on(&mut self, node: u32) {
        let promised = self.state.node.get(&node).and_then(|n| n.row.record.fenced_within_ms());
        let after_ms = fence::all_ended_after_ms(promised.into_iter(), &self.state.meta.policy);
        let until_ms = self.now.saturating_add(after_ms);
        for id in self.owners_on(node) {
            self.doubt_until(id, until_ms);
        }
    }

    /// A node is registered anew. If it is another runtime under the same name, the pods that were
    /// placed on the former one may still run there, and what the new one says proves nothing of them.
    pub(super) fn runtime_may_be_another(&mut self, id: u32, record: &NodeRecord, cause: &Cause) {
        let Some(before) = self.state.node.get(&id).map(|node| node.row.record.clone()) else {
            return;
        };
        let (former, present) = (before.runtime_id(), record.runtime_id());
        if former == present || former.is_empty() || present.is_empty() {
            return;
        }
        let promised = before.fenced_within_ms();
        if promised.is_some() {
            self.doubt_identities_on(id);
        }
        for (uid, pod) in self.guarded_on(id) {
            let reason = format!("node {} has another runtime now", record.node);
            self.withdraw(pod, "statefulset", reason, cause.clone());
            if promised.is_some() {
                self.forget(&uid);
                self.pod_leaves(&uid, &record.node);
            } else if let Some(stays) = self.state.pods.get_mut(&pod) {
                stays.note_withdrawn(UNPROVEN);
                self.state.touch_pod(pod);
            }
        }
    }

    /// Engine time at which such pods of a lost node have surely ended; `None` where that never is.
    fn released_ms(&self, id: u32) -> Option<i64> {
        let row = &self.state.node.get(&id).filter(|node| node.row.lost)?.row;
        let meta = &self.state.meta;
        let after_ms = fence::ended_after_ms(row.record.fenced_within_ms()?, &meta.policy);
        Some(row.renewed_ms.max(meta.rebased_ms).saturating_add(after_ms))
    }

    /// Notes when such pods of a lost node have surely ended.
    pub(crate) fn foresee_release(&mut self, id: u32) {
        if !self.state.guarded.is_on(id) {
            return;
        }
        let Some(at_ms) = self.released_ms(id) else { return };
        let Some(node) = self.state.node.get(&id) else { return };
        let name = node.row.record.node.clone();
        self.state.schedule(at_ms, Deadline::Release(name));
    }

    /// Whether an operator said of a lost node that nothing runs there.
    fn is_said_gone(&self, id: u32) -> bool {
        let Some(node) = self.state.node.get(&id).filter(|node| node.row.lost) else {
            return false;
        };
        if !self.state.guarded.is_on(id) {
            return false;
        }
        let name = &node.row.record.node;
        let is_deleted = self.deleted_lost.contains(&id);
        let is_out =
            || self.taints_given(name).iter().any(|given| given.taint.key == OUT_OF_SERVICE);
        node.row.confirmed_lost || is_deleted || is_out()
    }

    /// Forgets those of a node that stop and whose own node could not prove it.
    fn release_proven_or_not(&mut self, node: u32, cause: Option<Cause>) {
        let withdrawn = |pod: &Pod| pod.standing == Standing::Stopping;
        self.forget_guarded(node, cause, withdrawn);
    }

    /// Forgets those of a node that stop, unless they may run where the node's promise does not reach.
    fn release(&mut self, node: u32, cause: Option<Cause>) {
        let withdrawn =
            |pod: &Pod| pod.standing == Standing::Stopping && pod.withdrawn() != UNPROVEN;
        self.forget_guarded(node, cause, withdrawn);
    }

    fn forget_guarded(&mut self, node: u32, cause: Option<Cause>, which: impl Fn(&Pod) -> bool) {
        let Some(name) = self.state.node.get(&node).map(|n| n.row.record.node.clone()) else {
            return;
        };
        for (uid, id) in self.guarded_on(node) {
            let Some(pod) = self.state.pods.get(&id).filter(|pod| which(pod)) else { continue };
            let workload = pod.workload;
            if let Some(cause) = &cause {
                self.because(workload, cause);
            }
            self.forget(&uid);
            self.pod_leaves(&uid, &name);
        }
    }

    fn guarded_on(&self, node: u32) -> Vec<(PodUid, u32)> {
        let pods = self.state.guarded.on(node);
        let pods = pods.filter_map(|id| Some((self.state.pods.get(&id)?.uid.clone(), id)));
        let mut pods: Vec<(PodUid, u32)> = pods.collect();
        pods.sort_unstable();
        pods
    }

    fn owners_on(&self, node: u32) -> BTreeSet<u32> {
        let pods = self.state.guarded.on(node);
        pods.filter_map(|id| self.state.pods.get(&id)).map(|pod| pod.workload).collect()
    }

    fn doubt_until(&mut self, id: u32, until_ms: i64) {
        let Some(workload) = self.state.workload.get_mut(&id) else { return };
        workload.memo.unproven_until_ms = workload.memo.unproven_until_ms.max(until_ms);
        self.state.touch_workload(id);
        self.state.mark(id);
    }
}
