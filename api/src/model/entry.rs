//! One served object, as the parts that it is rendered from. Cheap to clone: all parts are shared.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use setpoint_schemas::{
    NodeName, Placement, PodObserved, PodPhase, PodUid, Resource, WATCHED_LABEL,
};

use super::seen::Seen;
use super::services::Slice;
use super::{NodeServed, WaitingPod};

/// A served object.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    /// A resource that is served as it was accepted.
    Resource(Arc<Resource>),
    /// A pod: its placement and what was observed of it.
    Pod(Box<PodView>),
    /// A node: what it says, and the Node resource.
    Node(Box<NodeView>),
    /// Endpoints of a Service.
    Slice(Arc<Slice>),
}

/// The parts of a pod.
#[derive(Debug, Clone)]
pub(crate) struct PodView {
    /// Its uid; `None` for an accepted Pod that the leader has not looked at yet.
    pub(crate) uid: Option<PodUid>,
    pub(crate) namespace: Arc<str>,
    pub(crate) name: Arc<str>,
    /// Its placement, also while it stops.
    pub(crate) placement: Option<Arc<Placement>>,
    /// Engine time since when it stops.
    pub(crate) leaving_ms: Option<i64>,
    pub(crate) observed: Option<Seen>,
    /// Where it was observed, when it has no placement.
    pub(crate) seen_on: Option<NodeName>,
    pub(crate) waiting: Option<Arc<WaitingPod>>,
    /// Whether it is one that we only watch.
    pub(crate) is_watched: bool,
    /// Its workload; for a bare pod the Pod resource.
    pub(crate) owner: Option<Arc<Resource>>,
    /// Its node.
    pub(crate) host: Option<Arc<NodeServed>>,
    /// The epoch of its last change.
    pub(crate) version: i64,
}

/// The parts of a node.
#[derive(Debug, Clone)]
pub(crate) struct NodeView {
    pub(crate) name: Arc<str>,
    pub(crate) served: Option<Arc<NodeServed>>,
    pub(crate) resource: Option<Arc<Resource>>,
    /// The epoch of its last change.
    pub(crate) version: i64,
}

impl Entry {
    /// The namespace; empty for a cluster-scoped object.
    pub(crate) fn namespace(&self) -> &str {
        match self {
            Entry::Resource(resource) => &resource.namespace,
            Entry::Pod(pod) => &pod.namespace,
            Entry::Node(_) => "",
            Entry::Slice(slice) => &slice.namespace,
        }
    }

    /// The name.
    pub(crate) fn name(&self) -> &str {
        match self {
            Entry::Resource(resource) => &resource.name,
            Entry::Pod(pod) => &pod.name,
            Entry::Node(node) => &node.name,
            Entry::Slice(slice) => &slice.name,
        }
    }

    /// Its `resourceVersion`.
    pub(crate) fn version(&self) -> i64 {
        match self {
            Entry::Resource(resource) => resource.version,
            Entry::Pod(pod) => pod.version,
            Entry::Node(node) => node.version,
            Entry::Slice(slice) => slice.version,
        }
    }

    /// The resource beneath it, when there is one.
    pub(crate) fn resource(&self) -> Option<&Arc<Resource>> {
        match self {
            Entry::Resource(resource) => Some(resource),
            Entry::Pod(pod) => pod.bare(),
            Entry::Node(node) => node.resource.as_ref(),
            Entry::Slice(_) => None,
        }
    }

    /// Its labels, without rendering it.
    pub(crate) fn labels(&self) -> BTreeMap<String, String> {
        match self {
            Entry::Resource(resource) => labels_of(resource, "/metadata/labels"),
            Entry::Pod(pod) => pod.labels(),
            Entry::Node(node) => node.labels(),
            Entry::Slice(slice) => slice.labels(),
        }
    }

    /// Whether this is another object than the one that had its name: both uids are known and not the same.
    /// A node is who it is by its name.
    pub(crate) fn is_another(&self, former: &Entry) -> bool {
        match (self, former) {
            (Entry::Resource(now), Entry::Resource(former)) => now.uid != former.uid,
            (Entry::Pod(now), Entry::Pod(former)) => {
                now.uid.as_ref().zip(former.uid.as_ref()).is_some_and(|(now, former)| now != former)
            }
            (Entry::Slice(now), Entry::Slice(former)) => now.service_uid != former.service_uid,
            _ => false,
        }
    }

    /// Whether all that decides who sees an object (its place, labels and fields, and for agents its node)
    /// is the same in both. `false` also where a glance does not tell.
    pub(crate) fn is_seen_like(&self, other: &Entry) -> bool {
        match (self, other) {
            (Entry::Pod(one), Entry::Pod(other)) => one.is_seen_like(other),
            // Its labels are its Service's, by whose uid it is named.
            (Entry::Slice(_), Entry::Slice(_)) => true,
            _ => false,
        }
    }
}

impl PodView {
    /// Of the same name, with the same placement and phase: labels and node are the placement's.
    fn is_seen_like(&self, other: &PodView) -> bool {
        let places = self.placement.as_ref().zip(other.placement.as_ref());
        let is_placed_alike = places.is_some_and(|(one, other)| Arc::ptr_eq(one, other));
        is_placed_alike && self.phase() == other.phase()
    }

    /// The Pod resource, when the pod is its own workload.
    pub(crate) fn bare(&self) -> Option<&Arc<Resource>> {
        self.owner.as_ref().filter(|owner| owner.kind == "Pod")
    }

    /// The node that it is placed on; empty when it has none.
    pub(crate) fn node(&self) -> &str {
        match (&self.placement, &self.seen_on) {
            (Some(placement), _) => placement.node.as_str(),
            (None, Some(node)) => node.as_str(),
            (None, None) => "",
        }
    }

    /// What was observed of it.
    pub(crate) fn opened(&self) -> Option<PodObserved> {
        self.observed.as_ref()?.open(self.uid.as_ref()?, (&self.namespace, &self.name))
    }

    /// Its phase in Kubernetes' words.
    pub(crate) fn phase(&self) -> &'static str {
        match self.observed.as_ref().map(|observed| observed.phase) {
            None | Some(PodPhase::Pending | PodPhase::Gone) => "Pending",
            Some(PodPhase::Running) => "Running",
            Some(PodPhase::Succeeded) => "Succeeded",
            Some(PodPhase::Failed) => "Failed",
            Some(PodPhase::Unknown) => "Unknown",
        }
    }

    fn labels(&self) -> BTreeMap<String, String> {
        match (&self.placement, &self.owner) {
            (Some(placement), _) => (*placement.pattern.labels).clone(),
            (None, Some(owner)) if owner.kind == "Pod" => labels_of(owner, "/metadata/labels"),
            (None, Some(owner)) => labels_of(owner, "/spec/template/metadata/labels"),
            (None, None) if self.is_watched => {
                BTreeMap::from([(WATCHED_LABEL.to_owned(), "true".to_owned())])
            }
            (None, None) => BTreeMap::new(),
        }
    }
}

impl NodeView {
    /// What the node says of its labels, with those of the Node resource on top.
    pub(crate) fn labels(&self) -> BTreeMap<String, String> {
        let mut labels =
            self.served.as_ref().map_or_else(BTreeMap::new, |s| s.record.labels.clone());
        if let Some(resource) = &self.resource {
            labels.extend(labels_of(resource, "/metadata/labels"));
        }
        labels
    }
}

fn labels_of(resource: &Resource, pointer: &str) -> BTreeMap<String, String> {
    let body: Value = serde_json::from_str(&resource.body).unwrap_or_default();
    let labels = body.pointer(pointer).and_then(Value::as_object);
    let text = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
    labels.into_iter().flatten().filter_map(text).collect()
}
