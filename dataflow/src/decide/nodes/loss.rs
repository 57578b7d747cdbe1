//! Nodes that are lost and return, and the hold when too many fall silent at once.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use setpoint_schemas::{Action, NodeName, Resource};

use crate::Served;
use crate::causes::Cause;
use crate::decide::Turn;
use crate::decide::kinds::node_key;
use crate::decided::About;
use crate::views::{Fact, Views};

/// The status of a Node resource: whether the node is lost. It stands there because the resource is
/// kept for ever: an engine rebuilt from the log must not take a lost node for one that lives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct NodeStatus {
    pub(crate) lost: bool,
    pub(crate) confirmed_lost: bool,
    /// Engine time at which it was lost; 0 where that is not known.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) lost_ms: i64,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl NodeStatus {
    /// As the resource says it.
    pub(crate) fn of(resource: &Resource) -> NodeStatus {
        serde_json::from_str(&resource.status).unwrap_or_default()
    }
}

impl<V: Views> Turn<'_, V> {
    /// An operator says that a node is lost. Returns whether there is such a node.
    pub(crate) fn confirm_lost(&mut self, name: &NodeName, cause: &Cause) -> bool {
        let Some(id) = self.state.nodes.get(name).copied() else { return false };
        if let Some(node) = self.state.node.get_mut(&id) {
            node.row.confirmed_lost = true;
            self.state.touch_node(id);
        }
        self.node_lost(
            id,
            "confirm_lost",
            format!("an operator confirmed that node {name} is lost"),
            Some(cause),
        );
        self.keep_node_status(id);
        self.said_gone.insert(id);
        self.judge_when_complete();
        true
    }

    /// Holds replacements, and doubts the nodes whose leases ended.
    pub(super) fn hold(&mut self, reason: String, ended: &[u32]) {
        if self.state.meta.hold.is_none() {
            self.state.meta.hold = Some(reason.clone());
            self.out.served.push(Served::Hold(Some(reason.clone())));
            self.ledger.write(Action::Hold, "mass_loss", reason, About::default());
            self.serve_silent();
        }
        for id in ended {
            let Some(node) = self.state.node.get_mut(id) else { continue };
            if !std::mem::replace(&mut node.row.silent, true) {
                self.state.touch_node(*id);
                self.node_changed(*id);
            }
        }
    }

    pub(super) fn release_hold(&mut self) {
        self.state.meta.hold = None;
        self.state.meta.released_ms = self.now;
        let reason = "the share of overdue nodes is below the bound again";
        self.out.served.push(Served::Hold(None));
        self.ledger.write(Action::Release, "mass_loss", reason, About::default());
        self.serve_silent();
    }

    /// Readers are told of the silent nodes anew: what is said of them names the hold.
    pub(crate) fn serve_silent(&mut self) {
        let silent = self.state.node.iter().filter(|(_, node)| node.row.silent);
        self.nodes_touched.extend(silent.map(|(id, _)| *id));
    }

    pub(super) fn node_lost(
        &mut self,
        id: u32,
        rule: &'static str,
        reason: String,
        cause: Option<&Cause>,
    ) {
        let Some(node) = self.state.node.get_mut(&id) else { return };
        if node.row.lost {
            return;
        }
        (node.row.lost, node.row.silent) = (true, false);
        let name = node.row.record.node.clone();
        let causes = cause.unwrap_or(&node.row.cause).clone().into();
        self.state.touch_node(id);
        let about = About { node: Some(name.clone()), causes, ..About::default() };
        self.ledger.write(Action::NodeLost, rule, reason, about);
        self.views.update(Fact::Lost { node: id }, 1);
        self.refact_pods_of(id);
        self.keep_node_status(id);
        self.node_leaves(id);
        self.node_changed(id);
        self.said_gone.insert(id);
        self.foresee_release(id);
    }

    pub(super) fn node_returned(&mut self, id: u32) {
        let Some(node) = self.state.node.get_mut(&id) else { return };
        node.row.lost = false;
        node.row.confirmed_lost = false;
        node.row.renewed_ms = self.now;
        let record = node.row.record.clone();
        let name = record.node.clone();
        let causes = node.row.cause.clone().into();
        self.state.touch_node(id);
        let about = About { node: Some(name.clone()), causes, ..About::default() };
        self.ledger.write(Action::NodeReturned, "lease", format!("node {name} is back"), about);
        self.views.update(Fact::Lost { node: id }, -1);
        self.refact_pods_of(id);
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
        let (lost, confirmed_lost) = (node.row.lost, node.row.confirmed_lost);
        let key = node_key(&node.row.record.node);
        let Some(resource) = self.state.resources.get(&key) else { return };
        let before = NodeStatus::of(resource);
        if (before.lost, before.confirmed_lost) == (lost, confirmed_lost) {
            return;
        }
        let lost_ms = match (lost, before.lost) {
            (true, true) => before.lost_ms,
            (true, false) => self.now,
            (false, _) => 0,
        };
        let status = NodeStatus { lost, confirmed_lost, lost_ms };
        let text = serde_json::to_string(&status).unwrap_or_default();
        let version = self.out.number;
        let resource = Resource { status: Arc::from(text), version, ..Resource::clone(resource) };
        let resource = Arc::new(resource);
        self.state.set_resource(&key, Some(resource.clone()));
        self.out.resources.push((key, Some(resource)));
    }
}
