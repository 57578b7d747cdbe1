//! Labels, taints and cordons of nodes, as their resources say.

use serde_json::Value;
use setpoint_schemas::{GroupKind, ObjectMeta, Resource, ResourceKey, Taint};

use super::world::World;

impl World {
    /// Labels, taints and the cordon are desired state: they stand in the node's resource.
    pub(super) fn refresh_nodes(&mut self) {
        for (name, node) in &mut self.nodes {
            let key = ResourceKey::new(GroupKind::new("", "Node"), "", name.as_str());
            let body = self.resources.get(&key).map(|r| r.body.clone());
            let body: Value =
                body.and_then(|body| serde_json::from_str(&body).ok()).unwrap_or_default();
            node.labels = node.record.labels.clone();
            let meta: ObjectMeta =
                serde_json::from_value(body["metadata"].clone()).unwrap_or_default();
            node.labels.extend(meta.labels);
            node.taints =
                serde_json::from_value(body["spec"]["taints"].clone()).unwrap_or_default();
            let taints = body["spec"]["taints"].as_array().into_iter().flatten();
            node.tainted_ms = taints.filter_map(added).collect();
            node.unschedulable = body["spec"]["unschedulable"] == Value::Bool(true);
        }
    }
}

/// The taints that a node's resource says, each with since when.
pub(super) fn taints_in(node: &Resource) -> Vec<(Taint, i64)> {
    let body: Value = serde_json::from_str(&node.body).unwrap_or_default();
    let each = body["spec"]["taints"].as_array().into_iter().flatten();
    let each = each.filter_map(|taint| {
        let since_ms = added(taint).map_or(0, |(_, since_ms)| since_ms);
        Some((serde_json::from_value(taint.clone()).ok()?, since_ms))
    });
    each.collect()
}

/// A taint's key, and when it was added.
fn added(taint: &Value) -> Option<(String, i64)> {
    let at: jiff::Timestamp = taint["timeAdded"].as_str()?.parse().ok()?;
    Some((taint["key"].as_str()?.to_owned(), at.as_millisecond()))
}
