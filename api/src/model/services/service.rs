//! A Service, as far as its endpoints follow from it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::Value;
use setpoint_schemas::{Placement, PodSpec, PodUid, Resource};
use xxhash_rust::xxh3::xxh3_64;

use super::slice::{Slice, SlicePort};

/// Kubernetes' names of slices end with five characters.
const SUFFIX_CHARS: usize = 5;
/// Letters and digits without vowels and lookalikes, as Kubernetes' random suffixes have them.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// A Service that selects pods.
pub(super) struct Service {
    pub(super) namespace: Arc<str>,
    name: Arc<str>,
    uid: String,
    pub(super) selector: BTreeMap<String, String>,
    ports: Vec<Port>,
    is_headless: bool,
    pub(super) publishes_unready: bool,
    created_ms: i64,
    /// Its endpoints.
    pub(super) members: HashMap<PodUid, Membership>,
}

/// What a pod is in a Service as long as it is one of its endpoints.
pub(super) struct Membership {
    pub(super) slice: Arc<str>,
    pub(super) hostname: Option<Arc<str>>,
}

struct Port {
    name: String,
    protocol: String,
    target: Target,
}

enum Target {
    Number(u16),
    Name(String),
}

impl Service {
    /// The Service of this resource; `None` when it selects no pods.
    pub(super) fn of(resource: &Resource, body: &Value) -> Option<Service> {
        let spec = &body["spec"];
        let selector = spec["selector"].as_object()?.iter();
        let selector: BTreeMap<String, String> = selector
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.into())))
            .collect();
        if selector.is_empty() || spec["type"] == "ExternalName" {
            return None;
        }
        Some(Service {
            namespace: Arc::from(&*resource.namespace),
            name: Arc::from(&*resource.name),
            uid: resource.uid.clone(),
            selector,
            ports: spec["ports"].as_array().into_iter().flatten().filter_map(Port::of).collect(),
            is_headless: spec["clusterIP"] == "None",
            publishes_unready: spec["publishNotReadyAddresses"] == true,
            created_ms: resource.created_ms,
            members: HashMap::new(),
        })
    }

    /// Where its ports lead in this pod, and the name that the pod has below the Service's.
    pub(super) fn found_in(&self, placement: &Placement) -> (Vec<SlicePort>, Option<Arc<str>>) {
        let is_plain = |port: &Port| matches!(port.target, Target::Number(_));
        let spec = if self.is_headless || !self.ports.iter().all(is_plain) {
            // It was accepted, so it reads.
            serde_json::from_str::<PodSpec>(&placement.pattern.spec).unwrap_or_default()
        } else {
            PodSpec::default()
        };
        let ports = self.ports.iter().filter_map(|port| port.found_in(&spec)).collect();
        let is_below = spec.subdomain.as_deref() == Some(&*self.name);
        let hostname = spec.hostname.filter(|hostname| is_below && !hostname.is_empty());
        (ports, hostname.map(Arc::from))
    }

    /// The name of the slice of these ports. Pods whose ports lead elsewhere are in another one.
    pub(super) fn slice_name(&self, ports: &[SlicePort]) -> Arc<str> {
        let mut hash = xxh3_64(format!("{}/{ports:?}", self.uid).as_bytes());
        let mut name = format!("{}-", self.name);
        for _ in 0..SUFFIX_CHARS {
            name.push(char::from(ALPHABET[(hash % ALPHABET.len() as u64) as usize]));
            hash /= ALPHABET.len() as u64;
        }
        Arc::from(name)
    }

    /// A slice of these ports that has no endpoints yet.
    pub(super) fn empty(&self, name: &Arc<str>, ports: Vec<SlicePort>) -> Slice {
        Slice {
            namespace: self.namespace.clone(),
            name: name.clone(),
            service: self.name.clone(),
            service_uid: self.uid.clone(),
            is_headless: self.is_headless,
            created_ms: self.created_ms,
            ports,
            endpoints: BTreeMap::new(),
            version: 0,
        }
    }
}

impl Port {
    fn of(port: &Value) -> Option<Port> {
        let number = |value: &Value| value.as_u64().and_then(|n| u16::try_from(n).ok());
        let target = match &port["targetPort"] {
            Value::String(name) if !name.is_empty() => Target::Name(name.clone()),
            other => {
                let target = number(other).filter(|target| *target > 0);
                Target::Number(target.or_else(|| number(&port["port"]))?)
            }
        };
        Some(Port {
            name: port["name"].as_str().unwrap_or_default().to_owned(),
            protocol: port["protocol"].as_str().unwrap_or("TCP").to_owned(),
            target,
        })
    }

    /// Where it leads; nowhere where no container has a port of its name.
    fn found_in(&self, spec: &PodSpec) -> Option<SlicePort> {
        let port = match &self.target {
            Target::Number(number) => *number,
            Target::Name(name) => {
                let ports = spec.containers.iter().flat_map(|container| &container.ports);
                let mut named = ports.filter(|port| {
                    port.name.as_deref() == Some(name)
                        && port.protocol.as_deref().unwrap_or("TCP") == self.protocol
                });
                u16::try_from(named.next()?.container_port).ok()?
            }
        };
        Some(SlicePort { name: self.name.clone(), protocol: self.protocol.clone(), port })
    }
}
