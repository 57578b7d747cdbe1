//! The endpoints of a Service whose ports lead to the same places, as one EndpointSlice.

use std::collections::BTreeMap;
use std::sync::Arc;

use setpoint_schemas::{FERRY_LABEL, NodeName, Placement, PodPhase, PodUid};

use crate::model::NodeServed;
use crate::model::parts::PodParts;

/// One slice. Cheap to share, copied once an epoch in which it changes.
#[derive(Debug, Clone)]
pub(crate) struct Slice {
    pub(crate) namespace: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) service: Arc<str>,
    pub(crate) service_uid: String,
    pub(crate) is_headless: bool,
    /// When its Service was made, milliseconds since 1970.
    pub(crate) created_ms: i64,
    pub(crate) ports: Vec<SlicePort>,
    pub(crate) endpoints: BTreeMap<PodUid, Endpoint>,
    /// The epoch of its last change.
    pub(crate) version: i64,
}

/// Where a port of the Service leads in its pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SlicePort {
    pub(crate) name: String,
    pub(crate) protocol: String,
    pub(crate) port: u16,
}

/// A pod, as a Service has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) pod: Arc<str>,
    pub(crate) address: Arc<str>,
    pub(crate) node: NodeName,
    /// Where its node takes connections of other nodes to its pods.
    pub(crate) ferry: Option<Arc<str>>,
    /// Its name below the Service's.
    pub(crate) hostname: Option<Arc<str>>,
    /// New connections go to it.
    pub(crate) ready: bool,
    /// It could take some, and would if it were not about to stop.
    pub(crate) serving: bool,
    /// It is about to stop.
    pub(crate) terminating: bool,
}

/// What is known of a pod that runs.
pub(crate) struct Facts {
    pub(crate) uid: PodUid,
    pub(crate) placement: Arc<Placement>,
    address: Arc<str>,
    ferry: Option<Arc<str>>,
    is_serving: bool,
    is_terminating: bool,
}

impl Slice {
    /// Whether both say the same.
    pub(super) fn says_what(&self, other: &Slice) -> bool {
        self.service_uid == other.service_uid
            && self.ports == other.ports
            && self.endpoints == other.endpoints
    }

    /// The labels by which it is found.
    pub(crate) fn labels(&self) -> BTreeMap<String, String> {
        let mut labels = BTreeMap::from([
            ("kubernetes.io/service-name".to_owned(), self.service.to_string()),
            ("endpointslice.kubernetes.io/managed-by".to_owned(), "setpoint.dev".to_owned()),
        ]);
        if self.is_headless {
            labels.insert("service.kubernetes.io/headless".to_owned(), String::new());
        }
        labels
    }
}

impl Facts {
    /// What is known of a placed pod, on this node; `None` when it cannot be reached: it does not run yet,
    /// or no more.
    pub(crate) fn of(parts: &PodParts, node: Option<&NodeServed>) -> Option<Facts> {
        let placement = parts.placement()?.clone();
        parts.observed.as_ref().filter(|seen| seen.phase == PodPhase::Running)?;
        let own = parts.opened().map(|observed| observed.address);
        let host = node.map(|node| node.record.address.as_str()).unwrap_or_default();
        // A pod with its node's network has its node's address.
        let address = own.filter(|own| !own.is_empty()).unwrap_or_else(|| host.to_owned());
        if address.is_empty() {
            return None;
        }
        let port = node.and_then(|node| node.record.labels.get(FERRY_LABEL));
        Some(Facts {
            uid: placement.uid.clone(),
            address: Arc::from(address),
            ferry: port.map(|port| Arc::from(authority(host, port))),
            is_serving: parts.is_ready() && !node.is_some_and(|node| node.lost),
            is_terminating: parts.leaving_ms().is_some(),
            placement,
        })
    }
}

impl Endpoint {
    pub(super) fn of(facts: &Facts, publishes_unready: bool, hostname: Option<Arc<str>>) -> Self {
        let is_ready = facts.is_serving && !facts.is_terminating;
        Endpoint {
            pod: facts.placement.name.shared(),
            address: facts.address.clone(),
            node: facts.placement.node.clone(),
            ferry: facts.ferry.clone(),
            hostname,
            ready: is_ready || publishes_unready,
            serving: facts.is_serving,
            terminating: facts.is_terminating,
        }
    }
}

fn authority(host: &str, port: &str) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
