//! Nodes: reports, leases, loss, return, and the hold of mass loss.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use setpoint_placement::{NodeId, NodeInfo};
use setpoint_rules::lease;
use setpoint_schemas::{
    Action, Cause, GroupKind, Lease, NodeName, NodeRecord, ObjectMeta, Resource, ResourceKey,
    Resources, Taint, TaintEffect,
};

use super::orphans::with_orphans;
use super::turn::Turn;
use crate::Served;
use crate::epoch::NodeServed;
use crate::state::{About, Deadline, Node, NodeRow, Table};
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
    taints: Vec<Taint>,
}

/// The status of a Node resource: whether the node is lost. It stands there because the resource is
/// kept for ever: an engine rebuilt from the log must not take a lost node for one that lives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct NodeStatus {
    pub(crate) lost: bool,
    pub(crate) confirmed_lost: bool,
}

impl NodeStatus {
    /// As the resource says it.
    pub(crate) fn of(resource: &Resource) -> NodeStatus {
        serde_json::from_str(&resource.status).unwrap_or_default()
    }
}

/// What keeps new pods from a node whose disk has no room, as Kubernetes' node life-cycle controller
/// has it; a DaemonSet's pods bear it.
fn pressed() -> Taint {
    let (key, value) = ("node.kubernetes.io/disk-pressure".to_owned(), String::new());
    Taint { key, value, effect: TaintEffect::NoSchedule }
}

/// The key of a node's resource.
pub(crate) fn node_key(node: &NodeName) -> ResourceKey {
    ResourceKey::new(GroupKind::new("", "Node"), "", node.as_str())
}

impl<V: Views> Turn<'_, V> {
    /// A node reports itself: a new session begins its lease anew. What an earlier session said
    /// may arrive late; it changes nothing.
    pub(crate) fn node_reported(&mut self, record: &NodeRecord, cause: Cause) {
        let name = &record.node;
        let known = self.state.nodes.get(name).copied();
        let before = known.and_then(|id| self.state.node.get(&id)).map(|node| &node.row);
        if before.is_some_and(|row| lease::is_superseded(&row.record, record)) {
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
        let fact = self.state.node.get(&id).and_then(|node| node.fact);
        self.state.nodes.insert(name.clone(), id);
        self.state.node.insert(id, Node { row, fact });
        self.state.touch(Table::Nodes, name);
        self.schedule_lease(id);
        if is_new {
            self.node_settled(name);
            self.ensure_node_resource(record);
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
        for uid in pods {
            if let Some(pod) = self.state.pods.get(&uid).copied() {
                self.withdraw(
                    pod,
                    "node_removed",
                    format!("node {name} was removed"),
                    vec![cause.clone()],
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
        self.state.touch(Table::Nodes, name);
        self.state.nodes.remove(name);
        self.state.node.remove(&id);
        self.out.served.push(Served::Node(name.clone(), None));
        // Who spreads over nodes had to count it as long as it was there.
        self.state.meta.retry.freed = true;
        self.mark_daemons(cause);
    }

    /// A lease is renewed. A renewal of an earlier session or with a lower sequence is stale.
    pub(crate) fn lease_renewed(&mut self, lease: &Lease, cause: Cause) {
        let Some(id) = self.state.nodes.get(&lease.node).copied() else { return };
        let Some(node) = self.state.node.get_mut(&id) else { return };
        if node.row.record.session != lease.session || lease.sequence <= node.row.sequence {
            return;
        }
        node.row.sequence = lease.sequence;
        node.row.renewed_ms = self.now;
        node.row.cause = cause;
        let was_lost = node.row.lost;
        let was_silent = std::mem::take(&mut node.row.silent);
        self.state.touch(Table::Nodes, &lease.node);
        self.node_heard();
        if was_lost {
            self.node_returned(id);
        }
        if was_lost || was_silent {
            self.node_changed(id);
        }
    }

    /// Some node is heard. When nobody was for long, it was we who did not hear, an outage of our
    /// API for instance: every lease begins anew, so that those whose word is still on its way are
    /// not lost meanwhile.
    fn node_heard(&mut self) {
        let before = std::mem::replace(&mut self.state.meta.heard_ms, self.now);
        if lease::is_silence(before, self.now, &self.state.meta.policy) {
            self.renew_all_leases();
        }
    }

    /// An operator says that a node is lost. Returns whether there is such a node.
    pub(crate) fn confirm_lost(&mut self, name: &NodeName, cause: &Cause) -> bool {
        let Some(id) = self.state.nodes.get(name).copied() else { return false };
        if let Some(node) = self.state.node.get_mut(&id) {
            node.row.confirmed_lost = true;
            self.state.touch(Table::Nodes, name);
        }
        self.node_lost(
            id,
            "confirm_lost",
            format!("an operator confirmed that node {name} is lost"),
            Some(cause),
        );
        self.keep_node_status(id);
        self.judge_when_complete();
        true
    }

    /// After a start, a takeover or a silence every lease begins a full grace period anew.
    pub(crate) fn renew_all_leases(&mut self) {
        self.state.meta.heard_ms = self.now;
        if self.state.meta.hold.is_some() {
            self.judge_when_complete();
        }
        let ids: Vec<u32> = self.state.nodes.values().copied().collect();
        for id in ids {
            if let Some(node) = self.state.node.get_mut(&id)
                && !node.row.lost
            {
                node.row.renewed_ms = self.now;
                let name = node.row.record.node.clone();
                self.state.touch(Table::Nodes, &name);
                self.schedule_lease(id);
            }
        }
    }

    /// The leases are to be judged once all renewals up to now are taken in: at the end of this
    /// epoch, or of the next whose cut is complete.
    fn judge_when_complete(&mut self) {
        self.state.meta.judge_ms = Some(self.now);
    }

    /// A lease's deadline fired: put back when it was renewed since. Says whether all leases are to
    /// be judged, which costs the whole fleet: when this one ended. While a hold lasts they are
    /// judged from time to time, whichever of them ends.
    pub(crate) fn lease_ended(&mut self, name: &NodeName) -> bool {
        if self.state.meta.hold.is_some() {
            return false;
        }
        let Some(id) = self.state.nodes.get(name).copied() else { return false };
        let Some(node) = self.state.node.get(&id) else { return false };
        let is_due = self.now >= node.due_ms(&self.state.meta);
        if is_due {
            return !node.row.lost;
        }
        self.schedule_lease(id);
        false
    }

    /// The settings changed: each lease is looked at when it ends by the new ones.
    pub(crate) fn reschedule_leases(&mut self) {
        let meta = &self.state.meta;
        let running = self.state.node.values().filter(|node| !node.row.lost);
        let due: Vec<(i64, NodeName)> =
            running.map(|node| (node.due_ms(meta), node.row.record.node.clone())).collect();
        due.into_iter().for_each(|(at, name)| self.state.schedule(at, Deadline::Lease(name)));
    }

    /// Which leases ended, and whether so many that the doubt falls on ourselves. When a hold ends
    /// nobody is lost at once: who is still silent has a whole grace period from there, because all
    /// that was silent under the hold was doubted.
    pub(crate) fn judge_leases(&mut self) {
        let meta = &self.state.meta;
        let mut ended = Vec::new();
        let (mut overdue, mut fleet) = (0, 0);
        for id in self.state.nodes.values() {
            let Some(node) = self.state.node.get(id) else { continue };
            if node.row.confirmed_lost || node.row.lost {
                continue;
            }
            fleet += 1;
            let from_ms = node.row.counts_from_ms(meta);
            overdue += i64::from(lease::is_overdue(from_ms, self.now, &meta.policy));
            if self.now >= node.due_ms(meta) {
                ended.push(*id);
            }
        }
        match self.doubt(overdue, fleet).filter(|_| !ended.is_empty()) {
            Some(reason) => self.hold(reason, &ended),
            None if self.state.meta.hold.is_some() => self.release_hold(),
            None => {
                for id in &ended {
                    let reason = self.ended_reason(*id);
                    self.node_lost(*id, "lease", reason, None);
                }
            }
        }
        let ids: Vec<u32> = self.state.nodes.values().copied().collect();
        ids.into_iter().for_each(|id| self.schedule_lease(id));
        let again = self.now + self.state.meta.policy.lease_renew_ms;
        self.state.meta.judge_ms = self.state.meta.hold.is_some().then_some(again);
    }

    /// Why the silence is rather our own side's than the nodes', when it is: nobody at all is
    /// heard, or too many fell silent at once.
    fn doubt(&self, overdue: i64, fleet: i64) -> Option<String> {
        let meta = &self.state.meta;
        let suspicion = "suspecting our own side, replacements are held until";
        if lease::is_silence(meta.heard_ms, self.now, &meta.policy) {
            let silent_s = (self.now - meta.heard_ms) / 1_000;
            return Some(format!(
                "none of {fleet} nodes was heard for {silent_s} s: {suspicion} one returns or they are confirmed lost"
            ));
        }
        let lost_now = self.lost_unconfirmed();
        let (overdue, fleet) = (overdue + lost_now, fleet + lost_now);
        lease::is_mass_loss(overdue, fleet, &meta.policy).then(|| {
            format!(
                "{overdue} of {fleet} nodes stopped renewing their leases at once: {suspicion} they return or are confirmed lost"
            )
        })
    }

    fn lost_unconfirmed(&self) -> i64 {
        let lost = |node: &&Node| node.row.lost && !node.row.confirmed_lost;
        self.state.node.values().filter(lost).count() as i64
    }

    fn ended_reason(&self, id: u32) -> String {
        self.state.node.get(&id).map_or_else(String::new, |node| {
            let silent = (self.now - node.row.renewed_ms) / 1_000;
            format!("node {} did not renew its lease for {silent} s", node.row.record.node)
        })
    }

    /// Holds replacements, and doubts the nodes whose leases ended.
    fn hold(&mut self, reason: String, ended: &[u32]) {
        if self.state.meta.hold.is_none() {
            self.state.meta.hold = Some(reason.clone());
            self.out.served.push(Served::Hold(Some(reason.clone())));
            self.ledger.write(Action::Hold, "mass_loss", reason, About::default());
            self.serve_silent();
        }
        for id in ended {
            let Some(node) = self.state.node.get_mut(id) else { continue };
            if !std::mem::replace(&mut node.row.silent, true) {
                let name = node.row.record.node.clone();
                self.state.touch(Table::Nodes, &name);
                self.node_changed(*id);
            }
        }
    }

    fn release_hold(&mut self) {
        self.state.meta.hold = None;
        self.state.meta.released_ms = self.now;
        let reason = "the share of overdue nodes is below the bound again".to_owned();
        self.out.served.push(Served::Hold(None));
        self.ledger.write(Action::Release, "mass_loss", reason, About::default());
        self.serve_silent();
    }

    /// Readers are told of the silent nodes anew: what is said of them names the hold.
    pub(crate) fn serve_silent(&mut self) {
        let silent = self.state.node.iter().filter(|(_, node)| node.row.silent);
        self.nodes_touched.extend(silent.map(|(id, _)| *id));
    }

    fn node_lost(&mut self, id: u32, rule: &str, reason: String, cause: Option<&Cause>) {
        let Some(node) = self.state.node.get_mut(&id) else { return };
        if node.row.lost {
            return;
        }
        (node.row.lost, node.row.silent) = (true, false);
        let name = node.row.record.node.clone();
        let causes = vec![cause.unwrap_or(&node.row.cause).clone()];
        self.state.touch(Table::Nodes, &name);
        let about = About { node: name.to_string(), causes, ..About::default() };
        self.ledger.write(Action::NodeLost, rule, reason, about);
        self.views.update(Fact::Lost { node: id }, 1);
        self.keep_node_status(id);
        self.node_leaves(id);
        self.node_changed(id);
    }

    fn node_returned(&mut self, id: u32) {
        let Some(node) = self.state.node.get_mut(&id) else { return };
        node.row.lost = false;
        node.row.confirmed_lost = false;
        node.row.renewed_ms = self.now;
        let record = node.row.record.clone();
        let name = record.node.clone();
        let causes = vec![node.row.cause.clone()];
        self.state.touch(Table::Nodes, &name);
        let about = About { node: name.to_string(), causes, ..About::default() };
        self.ledger.write(Action::NodeReturned, "lease", format!("node {name} is back"), about);
        self.views.update(Fact::Lost { node: id }, -1);
        self.node_settled(&name);
        self.ensure_node_resource(&record);
        self.keep_node_status(id);
        self.schedule_lease(id);
        if self.state.meta.hold.is_some() {
            self.judge_when_complete();
        }
    }

    /// Puts into the node's resource whether it is lost, where that changed.
    fn keep_node_status(&mut self, id: u32) {
        let Some(node) = self.state.node.get(&id) else { return };
        let status = NodeStatus { lost: node.row.lost, confirmed_lost: node.row.confirmed_lost };
        let key = node_key(&node.row.record.node);
        let Some(resource) = self.state.resources.get(&key) else { return };
        if NodeStatus::of(resource) == status {
            return;
        }
        let text = serde_json::to_string(&status).unwrap_or_default();
        let version = self.out.number;
        let resource = Resource { status: Arc::from(text), version, ..Resource::clone(resource) };
        let resource = Arc::new(resource);
        self.state.set_resource(&key, Some(resource.clone()));
        self.out.resources.push((key, Some(resource)));
    }

    pub(crate) fn schedule_lease(&mut self, id: u32) {
        let Some(node) = self.state.node.get(&id) else { return };
        if node.row.lost {
            return;
        }
        let due = node.due_ms(&self.state.meta);
        if due <= self.now && self.state.meta.hold.is_some() {
            return;
        }
        let name = node.row.record.node.clone();
        self.state.schedule(due, Deadline::Lease(name));
    }

    /// Tells the placer and the readers of a node as it is now.
    pub(crate) fn node_changed(&mut self, id: u32) {
        let Some(node) = self.state.node.get(&id) else { return };
        let record = &node.row.record;
        let object = self.node_object(&record.node);
        let mut labels: BTreeMap<String, String> = record.labels.clone();
        labels.extend(object.metadata.labels);
        let mut taints = object.spec.taints;
        taints.extend(record.has_disk_pressure().then(pressed));
        let info = NodeInfo {
            name: record.node.clone(),
            labels,
            taints,
            allocatable: record.allocatable.clone(),
            ready: record.is_ready() && !node.row.lost && !node.row.silent,
            unschedulable: object.spec.unschedulable,
        };
        let cause = node.row.cause.clone();
        self.refact_node(id);
        self.node_changed_allocation(id);
        // Most records say again what was said before: then nobody need be looked at.
        if self.fleet.upsert_node(NodeId(id), info) {
            self.state.meta.retry.freed = true;
            self.mark_daemons(&cause);
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

    /// Tells readers what a node's pods reserve now.
    pub(crate) fn node_changed_allocation(&mut self, id: u32) {
        self.nodes_touched.insert(id);
    }

    /// The nodes that changed, as readers see them.
    pub(crate) fn serve_nodes(&mut self) {
        for id in std::mem::take(&mut self.nodes_touched) {
            let Some(node) = self.state.node.get(&id) else { continue };
            let requested: Resources = self.fleet.allocated(NodeId(id)).clone();
            let name = node.row.record.node.clone();
            let orphans = self.state.orphans.shown_on(&name);
            let (record, lost) = (with_orphans(node.row.record.clone(), orphans), node.row.lost);
            let doubt = node.row.doubt(&self.state.meta);
            let served = NodeServed { record, lost, doubt, requested };
            self.out.served.push(Served::Node(name, Some(Arc::new(served))));
        }
    }

    fn node_object(&self, node: &NodeName) -> NodeObject {
        let resource = self.state.resources.get(&node_key(node));
        resource.and_then(|r| serde_json::from_str(&r.body).ok()).unwrap_or_default()
    }

    fn pods_of(&self, node: u32) -> Vec<setpoint_schemas::PodUid> {
        self.state.pods_on(node).map(|pod| pod.row.uid.clone()).collect()
    }
}
