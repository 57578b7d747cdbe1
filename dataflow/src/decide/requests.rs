//! Requests: all of one or nothing of it, in log order.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use setpoint_rules::admission::{self, Owned, Present, Refusal};
use setpoint_rules::{identity, revision};
use setpoint_schemas::{
    Action, Cause, GroupKind, NodeName, NodeRecord, PodUid, Request, RequestItem, Resource,
    ResourceKey, Verb,
};

use super::nodes::node_key;
use super::turn::Turn;
use super::workloads::{self, Compiled};
use crate::epoch::{ItemVerdict, PlacementChange, Verdict};
use crate::state::{About, Table, WorkloadKind};
use crate::views::Views;

/// The namespace that is always there.
const DEFAULT_NAMESPACE: &str = "default";

/// What an accepted item will do.
enum Change {
    Put {
        key: ResourceKey,
        resource: Arc<Resource>,
        compiled: Option<Box<Compiled>>,
        result: &'static str,
    },
    Gone(ResourceKey),
    StopPod(PodUid),
    RestartPod(PodUid),
    ConfirmLost(NodeName),
}

/// Resources as they will be once the items so far are accepted.
type Overlay = BTreeMap<ResourceKey, Option<Arc<Resource>>>;

impl<V: Views> Turn<'_, V> {
    /// Decides a request.
    pub(crate) fn request(&mut self, request: &Request, cause: Cause) {
        let mut overlay = Overlay::new();
        let mut changes = Vec::new();
        let mut items = Vec::new();
        let mut refused = Vec::new();
        for item in &request.items {
            match self.consider(request, item, &mut overlay) {
                Ok(change) => {
                    items.push(accepted(item, &change));
                    changes.push(change);
                }
                Err(refusal) => {
                    refused.push(refusal.message.clone());
                    items.push(ItemVerdict {
                        key: item.key(),
                        result: "refused",
                        code: refusal.code,
                        message: refusal.message,
                    });
                }
            }
        }
        let is_accepted = refused.is_empty();
        let about = About {
            request: request.id.to_string(),
            causes: vec![cause.clone()],
            ..about(request)
        };
        if is_accepted {
            let reason = format!("{} by {}", summary(&items), request.actor);
            self.ledger.write(Action::Accept, "admission", reason, about);
            changes.into_iter().for_each(|change| self.carry_out(change, &cause));
        } else {
            items.iter_mut().filter(|item| item.result != "refused").for_each(|item| item.code = 0);
            self.ledger.write(Action::Refuse, "admission", refused.join("; "), about);
        }
        self.out.verdicts.push(Verdict {
            request: request.id.clone(),
            accepted: is_accepted,
            items,
        });
    }

    fn consider(
        &self,
        request: &Request,
        item: &RequestItem,
        overlay: &mut Overlay,
    ) -> Result<Change, Refusal> {
        let key = item.key();
        match item.verb {
            Verb::ConfirmLost => return self.consider_node(item),
            Verb::RestartPod => return self.consider_pod(item).map(Change::RestartPod),
            Verb::Delete if item.kind == "Pod" && !self.state.resources.contains_key(&key) => {
                return self.consider_pod(item).map(Change::StopPod);
            }
            _ => {}
        }
        let present = match overlay.get(&key) {
            Some(overlaid) => overlaid.clone(),
            None => self.state.resources.get(&key).cloned(),
        };
        let owned = present.as_deref().map(owned_of).transpose()?;
        let at = present.as_deref().zip(owned.as_ref());
        let at = at.map(|(resource, owned)| Present { owned, version: resource.version });
        let undo;
        let item = if item.verb == Verb::RolloutUndo {
            undo = self.undo(item, &key)?;
            &undo
        } else {
            item
        };
        self.namespace_exists(&key, item, overlay)?;
        match admission::admit(at, item, &request.field_manager, request.force)? {
            admission::Outcome::Gone => {
                overlay.insert(key.clone(), None);
                Ok(Change::Gone(key))
            }
            admission::Outcome::Put(put) => self.consider_put(item, key, present, put, overlay),
        }
    }

    fn consider_put(
        &self,
        item: &RequestItem,
        key: ResourceKey,
        present: Option<Arc<Resource>>,
        put: Owned,
        overlay: &mut Overlay,
    ) -> Result<Change, Refusal> {
        let body: Arc<str> = Arc::from(put.object.to_string());
        let managers: Arc<str> = Arc::from(json!(put.managers).to_string());
        let result = match &present {
            None => "created",
            Some(before) if before.body == body => "unchanged",
            Some(_) => "configured",
        };
        let mut resource = match &present {
            Some(before) => Resource::clone(before),
            None => self.blank(item, &key),
        };
        if result == "configured" && spec_of(&resource.body) != spec_of(&body) {
            resource.generation += 1;
        }
        if present
            .as_deref()
            .is_none_or(|before| before.body != body || before.managers != managers)
        {
            resource.version = self.out.number;
        }
        (resource.body, resource.managers) = (body, managers);
        let kind = WorkloadKind::of(&key.kind.kind).filter(|_| is_managed_group(&key));
        let compiled = match kind {
            Some(kind) => {
                Some(Box::new(workloads::compile(kind, &resource).map_err(|why| Refusal {
                    code: 422,
                    message: format!("{} {:?} is invalid: {why}", item.kind, item.name),
                })?))
            }
            None => None,
        };
        let resource = Arc::new(resource);
        overlay.insert(key.clone(), Some(resource.clone()));
        Ok(Change::Put { key, resource, compiled, result })
    }

    fn blank(&self, item: &RequestItem, key: &ResourceKey) -> Resource {
        Resource {
            api_version: item.api_version.clone(),
            kind: item.kind.clone(),
            namespace: item.namespace.clone(),
            name: item.name.clone(),
            uid: identity::resource_uid(&key.to_string(), self.out.number),
            generation: 1,
            version: self.out.number,
            created_ms: self.now,
            body: Arc::from(""),
            status: Arc::from("{}"),
            managers: Arc::from("{}"),
        }
    }

    fn namespace_exists(
        &self,
        key: &ResourceKey,
        item: &RequestItem,
        overlay: &Overlay,
    ) -> Result<(), Refusal> {
        if key.namespace.is_empty() || item.verb == Verb::Delete {
            return Ok(());
        }
        let namespace = namespace_key(&key.namespace);
        let exists = match overlay.get(&namespace) {
            Some(overlaid) => overlaid.is_some(),
            None => self.state.resources.contains_key(&namespace),
        };
        if exists {
            return Ok(());
        }
        let message = format!(
            "{} {:?}: namespace {:?} not found; create it first, or apply it in the same request",
            item.kind, item.name, key.namespace
        );
        Err(Refusal { code: 404, message })
    }

    fn consider_node(&self, item: &RequestItem) -> Result<Change, Refusal> {
        let known =
            NodeName::parse(&item.name).ok().filter(|name| self.state.nodes.contains_key(name));
        known.map(Change::ConfirmLost).ok_or_else(|| Refusal {
            code: 404,
            message: format!("Node {:?} not found", item.name),
        })
    }

    fn consider_pod(&self, item: &RequestItem) -> Result<PodUid, Refusal> {
        let named = (Arc::from(item.namespace.as_str()), Arc::from(item.name.as_str()));
        self.state
            .pod_names
            .get(&named)
            .cloned()
            .ok_or_else(|| Refusal { code: 404, message: format!("Pod {:?} not found", item.name) })
    }

    /// An undo is a patch that brings an earlier template back.
    fn undo(&self, item: &RequestItem, key: &ResourceKey) -> Result<RequestItem, Refusal> {
        let refuse = |code, why: &str| Refusal {
            code,
            message: format!("{} {:?}: {why}", item.kind, item.name),
        };
        let workload = self.state.workloads.get(key).and_then(|id| self.state.workload.get(id));
        let workload = workload.ok_or_else(|| refuse(404, "not found"))?;
        let body: Value = serde_json::from_str(&item.body).unwrap_or_default();
        let to = body["toRevision"].as_i64().unwrap_or(0);
        let target =
            revision::undo_target(&workload.memo.history, to).map_err(|why| refuse(404, &why))?;
        let template: Value =
            serde_json::from_str(&target.template).map_err(|e| refuse(400, &e.to_string()))?;
        let patch = json!([{"op": "replace", "path": "/spec/template", "value": template}]);
        Ok(RequestItem { verb: Verb::JsonPatch, body: patch.to_string(), ..item.clone() })
    }

    fn carry_out(&mut self, change: Change, cause: &Cause) {
        match change {
            Change::Put { result: "unchanged", key, resource, .. } => {
                self.state.resources.insert(key.clone(), resource);
                self.state.touch(Table::Resources, &key);
            }
            Change::Put { key, resource, compiled, .. } => self.put(key, resource, compiled, cause),
            Change::Gone(key) => self.gone(&key, cause),
            Change::StopPod(uid) => {
                if let Some(pod) = self.state.pods.get(&uid).copied() {
                    self.withdraw(
                        pod,
                        "delete",
                        "its deletion was asked for".to_owned(),
                        vec![cause.clone()],
                    );
                }
            }
            Change::RestartPod(uid) => self.restart(&uid, cause),
            Change::ConfirmLost(node) => {
                self.confirm_lost(&node, cause);
            }
        }
    }

    pub(crate) fn put(
        &mut self,
        key: ResourceKey,
        resource: Arc<Resource>,
        compiled: Option<Box<Compiled>>,
        cause: &Cause,
    ) {
        self.state.touch(Table::Resources, &key);
        self.state.resources.insert(key.clone(), resource.clone());
        self.out.resources.push((key.clone(), Some(resource.clone())));
        match (compiled, &*key.kind.kind) {
            (Some(compiled), _) => self.workload_put(&resource, *compiled, cause),
            (None, "Node") => {
                if let Ok(node) = NodeName::parse(&key.name)
                    && let Some(id) = self.state.nodes.get(&node).copied()
                {
                    self.node_changed(id);
                }
            }
            (None, "Namespace") => self.namespace_labels(&resource),
            _ => {}
        }
    }

    fn namespace_labels(&mut self, resource: &Resource) {
        let body: Value = serde_json::from_str(&resource.body).unwrap_or_default();
        let labels = serde_json::from_value(body["metadata"]["labels"].clone()).unwrap_or_default();
        self.fleet.set_namespace_labels(&resource.name, labels);
    }

    /// Deletes a resource; a namespace with all that is in it.
    fn gone(&mut self, key: &ResourceKey, cause: &Cause) {
        if self.state.resources.remove(key).is_none() {
            return;
        }
        self.state.touch(Table::Resources, key);
        self.out.resources.push((key.clone(), None));
        self.workload_gone(key, cause);
        if &*key.kind.kind == "Namespace" && key.kind.group.is_empty() {
            let inside = |k: &&ResourceKey| k.namespace == key.name;
            let contents: Vec<ResourceKey> =
                self.state.resources.keys().filter(inside).cloned().collect();
            contents.iter().for_each(|inner| self.gone(inner, cause));
        }
        if &*key.kind.kind == "Node"
            && let Some(id) =
                NodeName::parse(&key.name).ok().and_then(|n| self.state.nodes.get(&n).copied())
        {
            self.node_changed(id);
        }
    }

    /// An operator's restart: the generation rises, the agent restarts what runs a lower one.
    fn restart(&mut self, uid: &PodUid, cause: &Cause) {
        let Some(id) = self.state.pods.get(uid).copied() else { return };
        let Some(pod) = self.state.pod.get_mut(&id) else { return };
        pod.row.generation += 1;
        (pod.row.epoch, pod.row.term) = (self.out.number, self.out.term);
        let template = self
            .state
            .workload
            .get(&pod.workload)
            .and_then(|w| w.templates.get(&pod.row.revision).cloned());
        let Some(template) = template else { return };
        let placement = super::placing::placement_of(&pod.row, &template, &pod.row.workload);
        let (node, about) = (
            pod.row.node.clone(),
            About {
                pod: uid.to_string(),
                resource: pod.row.workload.to_string(),
                node: pod.row.node.to_string(),
                causes: vec![cause.clone()],
                ..About::default()
            },
        );
        self.state.touch(Table::Pods, uid);
        self.ledger.write(
            Action::Restart,
            "restart",
            "its restart was asked for".to_owned(),
            about,
        );
        self.out.placements.push(PlacementChange { uid: uid.clone(), node, placement });
    }

    /// A node's resource: desired state of a node, which it does not report itself.
    pub(crate) fn ensure_node_resource(&mut self, record: &NodeRecord) {
        let body = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": record.node}, "spec": {}});
        self.ensure(node_key(&record.node), &body);
    }

    pub(crate) fn ensure_default_namespace(&mut self) {
        // Asked in every epoch: nothing is built when it is there.
        if self.state.resources.contains_key(&namespace_key(DEFAULT_NAMESPACE)) {
            return;
        }
        let metadata = json!({"name": DEFAULT_NAMESPACE});
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata});
        self.ensure(namespace_key(DEFAULT_NAMESPACE), &body);
    }

    fn ensure(&mut self, key: ResourceKey, body: &Value) {
        if self.state.resources.contains_key(&key) {
            return;
        }
        let item = RequestItem {
            verb: Verb::Create,
            api_version: "v1".to_owned(),
            kind: key.kind.kind.to_string(),
            namespace: String::new(),
            name: key.name.to_string(),
            subresource: String::new(),
            body: String::new(),
            expected_version: None,
        };
        let resource = Resource { body: Arc::from(body.to_string()), ..self.blank(&item, &key) };
        let resource = Arc::new(resource);
        self.state.touch(Table::Resources, &key);
        self.state.resources.insert(key.clone(), resource.clone());
        self.out.resources.push((key, Some(resource)));
    }
}

fn owned_of(resource: &Resource) -> Result<Owned, Refusal> {
    let broken = |e: serde_json::Error| Refusal {
        code: 500,
        message: format!("stored {} does not read: {e}", resource.key()),
    };
    Ok(Owned {
        object: serde_json::from_str(&resource.body).map_err(broken)?,
        managers: serde_json::from_str(&resource.managers).map_err(broken)?,
    })
}

fn spec_of(body: &str) -> Value {
    let mut object: Value = serde_json::from_str(body).unwrap_or_default();
    object.as_object_mut().map(|map| map.remove("metadata"));
    object
}

fn accepted(item: &RequestItem, change: &Change) -> ItemVerdict {
    let (result, code) = match change {
        Change::Put { result: "created", .. } => ("created", 201),
        Change::Put { result, .. } => (*result, 200),
        Change::Gone(_) | Change::StopPod(_) => ("deleted", 200),
        Change::RestartPod(_) | Change::ConfirmLost(_) => ("configured", 200),
    };
    ItemVerdict { key: item.key(), result, code, message: String::new() }
}

fn about(request: &Request) -> About {
    match request.items.as_slice() {
        [item] => About { resource: item.key().to_string(), ..About::default() },
        _ => About::default(),
    }
}

fn summary(items: &[ItemVerdict]) -> String {
    match items {
        [item] => format!("{} {}", item.key, item.result),
        items => format!("{} resources", items.len()),
    }
}

fn namespace_key(namespace: &str) -> ResourceKey {
    ResourceKey::new(GroupKind::new("", "Namespace"), "", namespace)
}

/// Whether the kind's group is the one whose workloads we act on.
fn is_managed_group(key: &ResourceKey) -> bool {
    matches!(
        (&*key.kind.group, &*key.kind.kind),
        ("apps", "Deployment" | "ReplicaSet" | "DaemonSet") | ("", "ReplicationController" | "Pod")
    )
}
