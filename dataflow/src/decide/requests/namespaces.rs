//! Namespaces: everything in one goes with it, and it goes with the last of its pods.
//!
//! Until then it is `Terminating`, and nothing new comes into it, as in Kubernetes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use setpoint_rules::admission::Refusal;
use setpoint_rules::quota::{forbidden, resource_of};
use setpoint_schemas::{RequestItem, Resource, ResourceKey, Verb};

use super::judge::{Judge, Overlay};
use crate::causes::Cause;
use crate::decide::Turn;
use crate::decide::cold::rfc3339;
use crate::decide::kinds::namespace_key;
use crate::views::Views;

/// The namespace that is always there.
const DEFAULT: &str = "default";
/// The label that says a namespace's name.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Whether the namespace is on its way out.
pub(crate) fn is_terminating(resource: &Resource) -> bool {
    let status: Value = serde_json::from_str(&resource.status).unwrap_or_default();
    status["phase"] == "Terminating"
}

impl Judge<'_> {
    /// Whether something may be put where the item wants it.
    pub(super) fn namespace_takes(
        &self,
        key: &ResourceKey,
        item: &RequestItem,
        overlay: &Overlay,
    ) -> Result<(), Refusal> {
        if key.namespace.is_empty() || item.verb == Verb::Delete {
            return Ok(());
        }
        let namespace = namespace_key(&key.namespace);
        let found = match overlay.get(&namespace) {
            Some(overlaid) => overlaid.as_ref(),
            None => self.state.resources.get(&namespace),
        };
        match found {
            None => {
                let why = "not found; create it first, or apply it in the same request";
                let (kind, name, namespace) = (&item.kind, &item.name, &key.namespace);
                let message = format!("{kind} {name:?}: namespace {namespace:?} {why}");
                Err(Refusal { code: 404, message })
            }
            Some(found) if is_terminating(found) => {
                let why = format!(
                    "unable to create new content in namespace {} because it is being terminated",
                    key.namespace
                );
                let message = forbidden(&resource_of(&key.kind), &key.name, &why);
                Err(Refusal { code: 403, message })
            }
            Some(_) => Ok(()),
        }
    }

    /// A namespace as it will be once its deletion is accepted.
    pub(crate) fn consider_terminating(
        &self,
        present: &Resource,
    ) -> Result<Arc<Resource>, Refusal> {
        let refuse = |code, why: &str| {
            Err(Refusal { code, message: format!("Namespace {:?} {why}", present.name) })
        };
        if present.name == DEFAULT {
            return refuse(403, "may not be deleted");
        }
        if is_terminating(present) {
            return refuse(409, "is being deleted already: it goes with the last of its pods");
        }
        let time = rfc3339(self.now);
        let status = json!({"phase": "Terminating", "conditions": [{
            "type": "NamespaceContentRemaining", "status": "True", "reason": "SomeResourcesRemain",
            "message": "its pods are stopping", "lastTransitionTime": time,
        }]});
        let mut resource = present.clone();
        (resource.status, resource.version) = (Arc::from(status.to_string()), self.number);
        Ok(Arc::new(resource))
    }
}

impl<V: Views> Turn<'_, V> {
    /// The deletion of a namespace is accepted: all that is in it is deleted.
    pub(crate) fn terminate(&mut self, namespace: Arc<Resource>, cause: &Cause) {
        let key = namespace.key();
        self.state.set_resource(&key, Some(namespace.clone()));
        let inside = |k: &&ResourceKey| k.namespace == key.name;
        let mut contents: Vec<ResourceKey> =
            self.state.resources.keys().filter(inside).cloned().collect();
        contents.sort_unstable();
        for inner in &contents {
            let present = self.state.resources.get(inner).cloned();
            let leaving = present.and_then(|present| self.judge().claim_stays(inner, &present));
            match leaving {
                Some(leaving) => self.claim_leaves(leaving),
                None => self.gone(inner, cause),
            }
        }
        if !self.end_namespace(&key.name) {
            self.out.resources.push((key, Some(namespace)));
        }
    }

    /// Removes a terminating namespace when nothing is left in it; says whether it is gone.
    pub(crate) fn end_namespace(&mut self, name: &str) -> bool {
        let key = namespace_key(name);
        let is_left = || self.state.workloads.keys().any(|workload| &*workload.namespace == name);
        if !self.state.resources.get(&key).is_some_and(|r| is_terminating(r)) || is_left() {
            return false;
        }
        self.fleet.set_namespace_labels(name, Default::default());
        self.state.meta.retry.freed = true;
        self.daemons_look_where_they_wait();
        self.state.set_resource(&key, None);
        self.out.resources.push((key, None));
        true
    }

    /// The labels of a namespace, for selectors of namespaces.
    pub(crate) fn namespace_labels(&mut self, resource: &Resource) {
        self.fleet.set_namespace_labels(&resource.name, labels_of(resource));
        self.state.meta.retry.freed = true;
        self.daemons_look_where_they_wait();
    }

    pub(crate) fn ensure_default_namespace(&mut self) {
        // Asked in every epoch: nothing is built when it is there.
        if self.state.resources.contains_key(&namespace_key(DEFAULT)) {
            return;
        }
        let metadata = json!({"name": DEFAULT, "labels": {NAME_LABEL: DEFAULT}});
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata});
        self.ensure(namespace_key(DEFAULT), &body);
        if let Some(resource) = self.state.resources.get(&namespace_key(DEFAULT)).cloned() {
            self.namespace_labels(&resource);
        }
    }
}

/// What selectors of namespaces see: its labels, and its name, which Kubernetes makes a label of every
/// namespace.
pub(crate) fn labels_of(namespace: &Resource) -> BTreeMap<String, String> {
    let body: Value = serde_json::from_str(&namespace.body).unwrap_or_default();
    let labels = serde_json::from_value(body["metadata"]["labels"].clone());
    let mut labels: BTreeMap<String, String> = labels.unwrap_or_default();
    labels.insert(NAME_LABEL.to_owned(), namespace.name.to_string());
    labels
}
