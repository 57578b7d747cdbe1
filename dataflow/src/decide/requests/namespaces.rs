//! Namespaces: everything in one goes with it, and it goes with the last of that and of its pods.
//!
//! Until then it is `Terminating`, tells what is left in it, and nothing new comes into it, as in Kubernetes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use setpoint_rules::admission::Refusal;
use setpoint_rules::finalizers::{self, KUBERNETES};
use setpoint_rules::quota::{forbidden, resource_of};
use setpoint_schemas::{GroupKind, RequestItem, Resource, ResourceKey, Verb};

use super::deletions::spec_finalizers_in;
use super::judge::{Judge, Overlay};
use crate::causes::Cause;
use crate::decide::Turn;
use crate::decide::cold::rfc3339;
use crate::decide::kinds::namespace_key;
use crate::state::{State, Subject, WorkloadKind};
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
        let mut resource = present.clone();
        if !is_terminating(present) {
            let left = left_in(self.state, &present.name);
            resource.status = told(present, &left, &rfc3339(self.now));
            (resource.version, resource.deleted_ms) = (self.number, Some(self.now));
            resource.generation += 1;
        }
        Ok(Arc::new(resource))
    }
}

impl<V: Views> Turn<'_, V> {
    /// Removes a terminating namespace when nothing is left in it; says whether it is gone. One that stays
    /// tells what is left.
    pub(crate) fn end_namespace(&mut self, name: &str, cause: &Cause) -> bool {
        let key = namespace_key(name);
        let Some(namespace) = self.state.resources.get(&key).filter(|r| is_terminating(r)).cloned()
        else {
            self.state.owners.done(&Subject::Namespace(key.name.clone()));
            return true;
        };
        let left = left_in(self.state, name);
        let is_held = !finalizers::of_text("Namespace", &namespace.body).is_empty()
            || spec_finalizers_in(&namespace.body).iter().any(|name| name != KUBERNETES);
        if is_held || !left.kinds.is_empty() {
            self.tell_namespace(key, &namespace, &left);
            return false;
        }
        self.fleet.set_namespace_labels(name, Default::default());
        self.state.meta.retry.freed = true;
        self.daemons_look_where_they_wait();
        self.state.owners.done(&Subject::Namespace(key.name.clone()));
        self.state.set_resource(&key, None);
        self.out.resources.push((key.clone(), None));
        self.owners_look(&key, Some(&namespace), cause);
        true
    }

    fn tell_namespace(&mut self, key: ResourceKey, namespace: &Resource, left: &Left) {
        let status = told(namespace, left, &rfc3339(self.now));
        if status == namespace.status {
            return;
        }
        let namespace = Resource { status, version: self.out.number, ..namespace.clone() };
        let namespace = Arc::new(namespace);
        self.state.set_resource(&key, Some(namespace.clone()));
        self.out.resources.push((key, Some(namespace)));
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

/// What is left in a namespace.
struct Left {
    /// How many of each kind, its pods among them.
    kinds: BTreeMap<GroupKind, usize>,
    /// How many have each finalizer.
    finalizers: BTreeMap<String, usize>,
}

/// What is in a namespace: its resources, and the pods of its workloads, also of those that are gone.
fn left_in(state: &State, name: &str) -> Left {
    let contents = state.owners.contents(name);
    let mut kinds = contents.map(|contents| contents.kinds.clone()).unwrap_or_default();
    let finalizers = contents.map(|contents| contents.finalizers.clone()).unwrap_or_default();
    let workloads = state.workloads_in(&Arc::from(name));
    let workloads = workloads.iter().filter_map(|id| state.workload.get(id));
    // A Pod's resource is counted as its pod.
    let own = workloads
        .filter(|w| !(w.kind == WorkloadKind::Bare && state.resources.contains_key(&w.key)));
    // One that waits for the proof that its pods have ended is there with none.
    let pods: usize = own
        .map(|workload| {
            let is_gone = workload.deleted && !state.resources.contains_key(&workload.key);
            workload.pods.len().max(usize::from(is_gone))
        })
        .sum();
    if pods > 0 {
        *kinds.entry(GroupKind::new("", "Pod")).or_default() += pods;
    }
    Left { kinds, finalizers }
}

/// The status of a namespace that is being deleted: what is left in it, in Kubernetes' words.
fn told(namespace: &Resource, left: &Left, now: &str) -> Arc<str> {
    let before: Value = serde_json::from_str(&namespace.status).unwrap_or_default();
    let counted = |(kind, count): (&GroupKind, &usize)| {
        let name = resource_of(kind);
        let dot = if kind.group.is_empty() { "." } else { "" };
        format!("{name}{dot} has {count} resource instances")
    };
    let finalized =
        |(name, count): (&String, &usize)| format!("{name} in {count} resource instances");
    let remaining: Vec<String> = left.kinds.iter().map(counted).collect();
    let finalizers: Vec<String> = left.finalizers.iter().map(finalized).collect();
    let since = |kind: &str, status: &str| {
        let known = before["conditions"].as_array().into_iter().flatten();
        let mut known = known.filter(|known| known["type"] == kind && known["status"] == status);
        known.next().map_or_else(|| json!(now), |known| known["lastTransitionTime"].clone())
    };
    let condition = |kind: &str, is_so: bool, reason: &str, message: String| {
        let status = if is_so { "True" } else { "False" };
        json!({"type": kind, "status": status, "reason": reason, "message": message,
            "lastTransitionTime": since(kind, status)})
    };
    let is_so =
        |words: &Vec<String>, so: (&'static str, &str), not: (&'static str, &str)| match words
            .is_empty()
        {
            true => (false, not.0, not.1.to_owned()),
            false => (true, so.0, format!("{}: {}", so.1, words.join(", "))),
        };
    let content = is_so(
        &remaining,
        ("SomeResourcesRemain", "Some resources are remaining"),
        ("ContentRemoved", "All content successfully removed"),
    );
    let held = is_so(
        &finalizers,
        ("SomeFinalizersRemain", "Some content in the namespace has finalizers remaining"),
        ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
    );
    let well = [
        (
            "NamespaceDeletionDiscoveryFailure",
            "ResourcesDiscovered",
            "All resources successfully discovered",
        ),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        (
            "NamespaceDeletionContentFailure",
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ),
    ];
    let well =
        well.map(|(kind, reason, message)| condition(kind, false, reason, message.to_owned()));
    let mut conditions = Vec::from(well);
    conditions.push(condition("NamespaceContentRemaining", content.0, content.1, content.2));
    conditions.push(condition("NamespaceFinalizersRemaining", held.0, held.1, held.2));
    let status = json!({"phase": "Terminating", "conditions": conditions});
    Arc::from(status.to_string())
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
