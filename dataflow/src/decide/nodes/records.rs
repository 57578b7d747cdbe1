//! What a node reports of itself, and what the placer and the readers are told of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use setpoint_placement::{NodeId, NodeInfo, TAINT_MEMORY_PRESSURE};
use setpoint_rules::eviction::NodeTaint;
use setpoint_rules::job_failures::Cause as Failure;
use setpoint_rules::lease;
use setpoint_schemas::{
    DISK_PRESSURE, MEMORY_PRESSURE, NodeName, NodeRecord, ObjectMeta, PID_PRESSURE, PodUid,
    Resources, Taint, TaintEffect,
};

use crate::Served;
use crate::causes::Cause;
use crate::decide::Turn;
use crate::decide::kinds::node_key;
use crate::decide::pods::with_orphans;
use crate::epoch::NodeServed;
use crate::state::{Node, NodeRow};
use crate::views::{Fact, Views};

/// The parts of a Node resource that decide.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NodeObject {
    metadata: ObjectMeta,
    spec: NodeSpec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NodeSpec {
    unschedulable: bool,
    taints: Vec<NodeTaint>,
}

/// What keeps new pods from a node that is short of something, by the condition that says so, as Kubernetes'
/// node life-cycle controller has it; a DaemonSet's pods bear it.
const PRESSURES: [(&str, &str); 3] = [
    (DISK_PRESSURE, "node.kubernetes.io/disk-pressure"),
    (MEMORY_PRESSURE, TAINT_MEMORY_PRESSURE),
    (PID_PRESSURE, "node.kubernetes.io/pid-pressure"),
];

/// The taints of a node by what it says of itself.
fn pressed(record: &NodeRecord) -> impl Iterator<Item = Taint> {
    let said = PRESSURES.iter().filter(|(condition, _)| record.says(condition));
    said.map(|(_, key)| {
        let (key, value) = ((*key).to_owned(), String::new());
        Taint { key, value, effect: TaintEffect::NoSchedule }
    })
}

impl<V: Views> Turn<'_, V> {
    /// A node reports itself: a new session begins its lease anew. What an earlier session said
    /// may arrive late; it changes nothing.
    pub(crate) fn node_reported(&mut self, record: Arc<NodeRecord>, cause: Cause) {
        let name = &record.node;
        let known = self.state.nodes.get(name).copied();
        let before = known.and_then(|id| self.state.node.get(&id)).map(|node| &node.row);
        if before.is_some_and(|row| lease::is_superseded(&row.record, &record)) {
            return;
        }
        let same_session = before.filter(|row| row.record.session == record.session);
        let row = NodeRow {
            record: record.clone(),
            renewed_ms: same_session.map_or(self.now, |row| row.renewed_ms),
            sequence: same_session.map_or(0, |row| row.sequence),
            lost: before.is_some_and(|row| row.lost),
            confirmed_lost: before.is_some_and(|row| row.confirmed_lost),
            silent: same_session.is_some_and(|row| row.silent),
            cause,
        };
        let is_new = same_session.is_none();
        let returns = row.lost && is_new;
        let id = known.unwrap_or_else(|| self.state.intern());
        self.runtime_may_be_another(id, &record, &row.cause);
        let fact = self.state.node.get(&id).and_then(|node| node.fact);
        self.state.nodes.insert(name.clone(), id);
        self.state.node.insert(id, Node { fact, ..Node::new(row) });
        self.state.touch_node(id);
        self.schedule_lease(id);
        if is_new {
            self.node_settled(name);
            self.ensure_node_resource(&record);
        }
        if returns {
            self.node_returned(id);
        }
        self.node_heard();
        self.node_changed(id);
        self.hear_early(name, &record.session);
    }

    /// A node was removed from the log: its pods go with it.
    pub(crate) fn node_removed(&mut self, name: &NodeName, cause: &Cause) {
        self.node_settled(name);
        let Some(id) = self.state.nodes.get(name).copied() else { return };
        let was_lost = self.state.node.get(&id).is_some_and(|node| node.row.lost);
        let mut pods: Vec<_> = self.pods_of(id);
        pods.sort();
        self.doubt_identities_on(id);
        for uid in pods {
            if let Some(pod) = self.state.pods.id_of(&uid) {
                self.job_pod_lost(pod, Failure::Disrupted);
                self.withdraw(
                    pod,
                    "node_removed",
                    format!("node {name} was removed"),
                    cause.clone(),
                );
            }
            self.forget(&uid);
            self.pod_leaves(&uid, name);
        }
        if was_lost {
            self.views.update(Fact::Lost { node: id }, -1);
        }
        if let Some(fact) = self.state.node.get(&id).and_then(|node| node.fact) {
            self.views.update(Fact::Node(fact), -1);
        }
        self.orphans_gone_with(name);
        self.state.cold_dirty = true;
        self.fleet.remove_node(NodeId(id));
        self.state.touched.nodes_gone.insert(name.clone());
        self.state.nodes.remove(name);
        self.state.node.remove(&id);
        self.state.leases.forget(id);
        self.out.served.push(Served::Node(name.clone(), None));
        // Who spreads over nodes had to count it as long as it was there.
        self.state.meta.retry.freed = true;
        self.daemons_look_around(cause);
    }

    /// Tells the placer and the readers of a node as it is now.
    pub(crate) fn node_changed(&mut self, id: u32) {
        let Some(node) = self.state.node.get(&id) else { return };
        let record = &node.row.record;
        let object = self.node_object(&record.node);
        let mut labels: BTreeMap<String, String> = record.labels.clone();
        labels.extend(object.metadata.labels);
        let NodeSpec { unschedulable, taints: borne } = object.spec;
        let mut taints: Vec<Taint> = borne.iter().map(|borne| borne.taint.clone()).collect();
        taints.extend(pressed(record));
        let info = NodeInfo {
            name: record.node.clone(),
            labels,
            taints,
            allocatable: record.allocatable.clone(),
            ready: record.is_ready() && !node.row.lost && !node.row.silent,
            unschedulable,
            watched: record.is_watched(),
            devices: record.devices.clone(),
        };
        let (name, cause) = (record.node.clone(), node.row.cause.clone());
        if let Some(node) = self.state.node.get_mut(&id) {
            node.taints = borne.into_iter().filter(NodeTaint::is_no_execute).collect();
        }
        self.refact_node(id);
        self.nodes_touched.insert(id);
        // Most records say again what was said before: then nobody need be looked at.
        if self.fleet.upsert_node(NodeId(id), info) {
            self.state.meta.retry.freed = true;
            self.daemons_look_at(&name, &cause);
        }
    }

    /// Makes the views' fact of this node what it should be.
    fn refact_node(&mut self, id: u32) {
        let Some(node) = self.state.node.get_mut(&id) else { return };
        let wanted = node.wanted_fact(id);
        self.state.cold_dirty = true;
        if node.fact == Some(wanted) {
            return;
        }
        if let Some(fact) = node.fact.replace(wanted) {
            self.views.update(Fact::Node(fact), -1);
        }
        self.views.update(Fact::Node(wanted), 1);
    }

    /// Tells readers what a node's pods reserve now, with the next cold step: in a busy epoch that is
    /// every other node of the fleet, and nobody decides by it.
    pub(crate) fn node_changed_allocation(&mut self, id: u32) {
        self.state.reservations_dirty.insert(id);
    }

    /// The nodes that changed, as readers see them; in a cold step those too of which only the
    /// reservations did.
    pub(crate) fn serve_nodes(&mut self, is_cold: bool) {
        let mut touched = std::mem::take(&mut self.nodes_touched);
        if is_cold {
            touched.extend(self.state.reservations_dirty.take());
        }
        for id in touched {
            let Some(node) = self.state.node.get(&id) else { continue };
            let requested: Resources = self.fleet.allocated(NodeId(id)).clone();
            let name = node.row.record.node.clone();
            let orphans = self.state.orphans.shown_on(&name);
            let (record, lost) = (with_orphans(&node.row.record, orphans), node.row.lost);
            let doubt = node.row.doubt(&self.state.meta);
            let devices = self.fleet.devices(NodeId(id));
            let lease = self.state.lease_served(id);
            let served = NodeServed { record, lost, doubt, requested, devices, lease };
            self.out.served.push(Served::Node(name, Some(Arc::new(served))));
        }
    }

    fn node_object(&self, node: &NodeName) -> NodeObject {
        let resource = self.state.resources.get(&node_key(node));
        resource.and_then(|r| serde_json::from_str(&r.body).ok()).unwrap_or_default()
    }

    /// The taints that an operator gave a node.
    pub(super) fn taints_given(&self, node: &NodeName) -> Vec<NodeTaint> {
        self.node_object(node).spec.taints
    }

    fn pods_of(&self, node: u32) -> Vec<PodUid> {
        self.state.pods.on(node).map(|pod| pod.uid.clone()).collect()
    }
}
