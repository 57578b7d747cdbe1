//! What each role may do with which object. One table of three rows.

use std::sync::Arc;

use serde_json::Value;
use setpoint_schemas::{NodeName, Placement, Volume};

use super::Call;
use crate::KindInfo;
use crate::auth::{Actor, Role};
use crate::model::{Entry, ReadModel};
use crate::status::ApiError;

/// What is about to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Read,
    Write,
    /// Of one object.
    Delete,
}

impl Call {
    /// The kind that the path names.
    pub(crate) fn kind(&self) -> Result<Arc<KindInfo>, ApiError> {
        let target = &self.target;
        let found = self.app.state.catalogue.at(&target.group, &target.version, &target.plural);
        let kind = found.ok_or_else(ApiError::no_such_path)?;
        let misplaced = !kind.namespaced && !target.namespace.is_empty();
        let homeless = kind.namespaced && target.namespace.is_empty() && !target.name.is_empty();
        if misplaced || homeless { Err(ApiError::no_such_path()) } else { Ok(kind.clone()) }
    }

    /// Whether the caller may do this with what the path names.
    pub(crate) fn allow(&self, act: Act, kind: &KindInfo) -> Result<(), ApiError> {
        let target = &self.target;
        let model = &self.app.state.parts.model;
        let allowed = match (&self.actor.role, act) {
            (Role::Admin, _) => true,
            (Role::ReadOnly, Act::Read) => !is_secret(kind),
            (Role::Node(node), Act::Read) => {
                node_may_read(model, node, kind, &target.namespace, &target.name)
            }
            (Role::Node(node), Act::Delete) => {
                is_volume(kind) && model.is_to_remove(node, &target.name)
            }
            (Role::ReadOnly, Act::Write | Act::Delete) | (Role::Node(_), Act::Write) => false,
        };
        if allowed { Ok(()) } else { Err(denied(&self.actor, act, kind, &target.name)) }
    }

    /// Whether the caller may see this object, among those that it may list.
    pub(crate) fn sees(&self, entry: &Entry) -> bool {
        match (&self.actor.role, entry) {
            (Role::Node(node), Entry::Pod(pod)) => pod.node() == node.as_str(),
            _ => true,
        }
    }
}

/// Only an admin may.
pub(crate) fn admin_only(actor: &Actor) -> Result<(), ApiError> {
    match actor.role {
        Role::Admin => Ok(()),
        Role::ReadOnly | Role::Node(_) => Err(ApiError::forbidden(format!(
            "{:?} may not do this: it needs the role admin",
            actor.name
        ))),
    }
}

/// Everyone but a node may.
pub(crate) fn people_only(actor: &Actor) -> Result<(), ApiError> {
    match actor.role {
        Role::Admin | Role::ReadOnly => Ok(()),
        Role::Node(_) => {
            Err(ApiError::forbidden(format!("the node {:?} may not read this", actor.name)))
        }
    }
}

/// Only this node, or an admin, may.
pub(crate) fn node_only(actor: &Actor, node: &NodeName) -> Result<(), ApiError> {
    match &actor.role {
        Role::Admin => Ok(()),
        Role::Node(own) if own == node => Ok(()),
        Role::ReadOnly | Role::Node(_) => {
            Err(ApiError::forbidden(format!("{:?} may not speak for node {node}", actor.name)))
        }
    }
}

fn node_may_read(
    model: &ReadModel,
    node: &NodeName,
    kind: &KindInfo,
    namespace: &str,
    name: &str,
) -> bool {
    match (kind.group.as_str(), kind.kind.as_str()) {
        ("", "Node") => name == node.as_str(),
        // A list is narrowed to the node's own pods; a single pod is looked at by `sees`.
        ("", "Pod") => true,
        // Where connections go, each node says for its own.
        ("", "Service") | ("discovery.k8s.io", "EndpointSlice") => true,
        ("", "ConfigMap" | "Secret" | "PersistentVolumeClaim") => {
            let mounts = |placement: &Arc<Placement>| {
                placement.pattern.namespace.as_str() == namespace
                    && mounts(placement, &kind.kind, name)
            };
            !name.is_empty() && model.placed_on(node).iter().any(mounts)
        }
        _ => false,
    }
}

/// Whether a pod's spec names this claim, ConfigMap or Secret: as a volume or a part of one, as one
/// variable or as many, or to pull its images by.
fn mounts(placement: &Placement, kind: &str, name: &str) -> bool {
    let spec: Value = serde_json::from_str(&placement.pattern.spec).unwrap_or_default();
    let (volume, volume_name, key_ref, all_ref) = match kind {
        "Secret" => ("secret", "secretName", "secretKeyRef", "secretRef"),
        "PersistentVolumeClaim" => {
            let volumes = spec["volumes"].as_array().into_iter().flatten();
            let names = |v: &Value| claim_of(placement, v).is_some_and(|claim| claim == name);
            return volumes.into_iter().any(names);
        }
        _ => ("configMap", "name", "configMapKeyRef", "configMapRef"),
    };
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let pulls =
        kind == "Secret" && list(&spec["imagePullSecrets"]).iter().any(|s| s["name"] == name);
    let in_volumes = list(&spec["volumes"]).iter().any(|v| {
        let projected = list(&v["projected"]["sources"]);
        v[volume][volume_name] == name || projected.iter().any(|s| s[volume]["name"] == name)
    });
    let mut containers = list(&spec["containers"]);
    containers.extend(list(&spec["initContainers"]));
    pulls
        || in_volumes
        || containers.iter().any(|container| {
            let one = |e: &Value| e["valueFrom"][key_ref]["name"] == name;
            let all = |e: &Value| e[all_ref]["name"] == name;
            list(&container["env"]).iter().any(one) || list(&container["envFrom"]).iter().any(all)
        })
}

/// The claim of a volume, where it is one: by its name, or made with its pod.
fn claim_of(placement: &Placement, volume: &Value) -> Option<String> {
    let volume: Volume = serde_json::from_value(volume.clone()).ok()?;
    volume.claim_of(placement.name.as_str())
}

fn is_volume(kind: &KindInfo) -> bool {
    kind.group.is_empty() && kind.kind == "PersistentVolume"
}

fn is_secret(kind: &KindInfo) -> bool {
    kind.group.is_empty() && kind.kind == "Secret"
}

fn denied(actor: &Actor, act: Act, kind: &KindInfo, name: &str) -> ApiError {
    let (verb, role) = match (act, &actor.role) {
        (Act::Read, Role::Node(_)) => ("read", "node"),
        (Act::Write | Act::Delete, Role::Node(_)) => ("change", "node"),
        (Act::Read, _) => ("read", "read-only"),
        (Act::Write | Act::Delete, _) => ("change", "read-only"),
    };
    let named = if name.is_empty() { String::new() } else { format!(" {name:?}") };
    let message = format!(
        "{}{named} is forbidden: {:?} with the role {role} cannot {verb} it",
        kind.qualified(),
        actor.name
    );
    ApiError::forbidden(message).about(kind, name, &[])
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use setpoint_schemas::samples;

    use super::*;

    #[test]
    fn a_node_reads_the_claims_that_its_pods_name_and_that_are_made_with_them() {
        let spec = json!({"containers": [], "volumes": [
            {"name": "named", "persistentVolumeClaim": {"claimName": "data"}},
            {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}},
            {"name": "none", "emptyDir": {}}]});
        let placement = samples::placement_of("web-1", &spec.to_string());
        let table = [
            ("data", true),
            ("web-1-scratch", true),
            ("scratch", false),
            ("web-2-scratch", false),
            ("web-1-named", false),
            ("web-1-none", false),
        ];
        for (claim, expected) in table {
            let may = mounts(&placement, "PersistentVolumeClaim", claim);
            assert_eq!(may, expected, "{claim}");
        }
    }
}
