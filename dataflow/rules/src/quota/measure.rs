//! What a quota measures, and what the objects of a namespace come to.

use std::collections::BTreeMap;

use serde_json::Value;
use setpoint_schemas::{GroupKind, Quantity};

/// Thousandths of what is bounded.
pub type Milli = i128;

/// A thousand thousandths.
pub(super) const ONE: Milli = 1_000;
/// Objects that are counted by their name alone.
const PLAIN: &[&str] =
    &["configmaps", "replicationcontrollers", "resourcequotas", "secrets", "services"];
/// Stands behind the name of a storage class in what is bounded of it.
const OF_CLASS: &str = ".storageclass.storage.k8s.io/";

/// What is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Measure {
    /// Pods that have not finished.
    Pods,
    /// All pods that there are.
    EveryPod,
    /// What pods request of this.
    Requests(String),
    /// What pods may use of this at most.
    Limits(String),
    /// Claims of this class; of all where it is empty.
    Claims(String),
    /// What claims of this class ask for; of all where it is empty.
    Storage(String),
    /// Ports of the nodes that Services have.
    NodePorts,
    /// Services of type `LoadBalancer`.
    LoadBalancers,
    /// Objects of this kind, such as `deployments.apps`.
    Objects(String),
}

impl Measure {
    /// What this name of a bound stands for; `None` where nothing of that is measured.
    #[must_use]
    pub fn of(name: &str) -> Option<Measure> {
        if let Some((class, what)) = name.split_once(OF_CLASS) {
            return match what {
                "requests.storage" => Some(Measure::Storage(class.to_owned())),
                "persistentvolumeclaims" => Some(Measure::Claims(class.to_owned())),
                _ => None,
            };
        }
        Some(match name {
            "pods" => Measure::Pods,
            "count/pods" => Measure::EveryPod,
            "cpu" | "memory" | "ephemeral-storage" => Measure::Requests(name.to_owned()),
            "requests.storage" => Measure::Storage(String::new()),
            "persistentvolumeclaims" => Measure::Claims(String::new()),
            "services.nodeports" => Measure::NodePorts,
            "services.loadbalancers" => Measure::LoadBalancers,
            plain if PLAIN.contains(&plain) => Measure::Objects(plain.to_owned()),
            pages if pages.starts_with("hugepages-") => Measure::Requests(pages.to_owned()),
            other => return prefixed(other),
        })
    }

    /// Whether pods are measured, and not objects.
    #[must_use]
    pub fn is_of_pods(&self) -> bool {
        matches!(
            self,
            Measure::Pods | Measure::EveryPod | Measure::Requests(_) | Measure::Limits(_)
        )
    }

    /// An amount as a Kubernetes quantity.
    #[must_use]
    pub fn shown(&self, amount: Milli) -> String {
        let is_bytes = match self {
            Measure::Storage(_) => true,
            Measure::Requests(name) | Measure::Limits(name) => {
                matches!(name.as_str(), "memory" | "ephemeral-storage")
                    || name.starts_with("hugepages-")
            }
            _ => false,
        };
        match is_bytes {
            true => bytes(amount / ONE),
            false if amount % ONE == 0 => (amount / ONE).to_string(),
            false => format!("{amount}m"),
        }
    }
}

fn prefixed(name: &str) -> Option<Measure> {
    let (prefix, rest) = name.split_once(['.', '/']).filter(|(_, rest)| !rest.is_empty())?;
    match (prefix, name.as_bytes().get(prefix.len())) {
        ("requests", Some(b'.')) => Some(Measure::Requests(rest.to_owned())),
        ("limits", Some(b'.')) => Some(Measure::Limits(rest.to_owned())),
        ("count", Some(b'/')) => Some(Measure::Objects(rest.to_owned())),
        _ => None,
    }
}

/// The largest binary suffix that leaves a whole number.
fn bytes(amount: i128) -> String {
    let suffixes = [(50, "Pi"), (40, "Ti"), (30, "Gi"), (20, "Mi"), (10, "Ki")];
    let whole = |(bits, _): &&(u32, &str)| amount != 0 && amount % (1 << bits) == 0;
    match suffixes.iter().find(whole) {
        Some((bits, suffix)) => format!("{}{suffix}", amount >> bits),
        None => amount.to_string(),
    }
}

/// What the objects of a namespace come to, or one of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holdings {
    /// How many of each kind, by its plural and its group.
    objects: BTreeMap<String, Milli>,
    /// Claims of each class, and what they ask for.
    claims: BTreeMap<String, (Milli, Milli)>,
    node_ports: Milli,
    balancers: Milli,
}

impl Holdings {
    /// Of one object.
    #[must_use]
    pub fn of(kind: &GroupKind, body: &str) -> Holdings {
        let objects = BTreeMap::from([(resource_of(kind), ONE)]);
        let mut held = Holdings { objects, ..Holdings::default() };
        match (&*kind.group, &*kind.kind) {
            ("", "PersistentVolumeClaim") => held.claim(&read(body)["spec"]),
            ("", "Service") => held.service(&read(body)["spec"]),
            _ => {}
        }
        held
    }

    /// Whether what an object of this kind comes to depends on more than that it is there.
    #[must_use]
    pub fn is_by_body(kind: &GroupKind) -> bool {
        kind.group.is_empty() && matches!(&*kind.kind, "PersistentVolumeClaim" | "Service")
    }

    fn claim(&mut self, spec: &Value) {
        let class = spec["storageClassName"].as_str().unwrap_or_default().to_owned();
        let storage = &spec["resources"]["requests"]["storage"];
        let text = storage.as_str().map_or_else(|| storage.to_string(), str::to_owned);
        let asked = Quantity::parse(&text).map_or(0, |asked| Milli::from(asked.milli()));
        self.claims.insert(class, (ONE, asked));
    }

    fn service(&mut self, spec: &Value) {
        let kind = spec["type"].as_str().unwrap_or_default();
        let ports = spec["ports"].as_array().map_or(0, Vec::len) as Milli;
        let has_ports = kind == "NodePort"
            || (kind == "LoadBalancer" && spec["allocateLoadBalancerNodePorts"] != false);
        self.node_ports = if has_ports { ports * ONE } else { 0 };
        self.balancers = if kind == "LoadBalancer" { ONE } else { 0 };
    }

    /// Adds another's so many times; what has come to nothing is not kept.
    pub fn add(&mut self, other: &Holdings, times: Milli) {
        for (name, count) in &other.objects {
            *self.objects.entry(name.clone()).or_default() += times * count;
        }
        for (class, (count, asked)) in &other.claims {
            let sum = self.claims.entry(class.clone()).or_default();
            *sum = (sum.0 + times * count, sum.1 + times * asked);
        }
        self.node_ports += times * other.node_ports;
        self.balancers += times * other.balancers;
        self.objects.retain(|_, count| *count != 0);
        self.claims.retain(|_, sum| *sum != (0, 0));
    }

    /// What they come to by this measure; nothing where pods are measured.
    #[must_use]
    pub fn come_to(&self, measure: &Measure) -> Milli {
        let of_class = |class: &str, pick: fn(&(Milli, Milli)) -> Milli| match class {
            "" => self.claims.values().map(pick).sum(),
            class => self.claims.get(class).map_or(0, pick),
        };
        match measure {
            Measure::Objects(name) => self.objects.get(name).copied().unwrap_or(0),
            Measure::Claims(class) => of_class(class, |sum| sum.0),
            Measure::Storage(class) => of_class(class, |sum| sum.1),
            Measure::NodePorts => self.node_ports,
            Measure::LoadBalancers => self.balancers,
            _ => 0,
        }
    }
}

/// A kind as requests name it: its plural, and its group where it has one.
#[must_use]
pub fn resource_of(kind: &GroupKind) -> String {
    let singular = kind.kind.to_ascii_lowercase();
    let ends = |ends: &[&str]| ends.iter().any(|end| singular.ends_with(end));
    let plural = match singular.strip_suffix('y') {
        _ if singular == "endpoints" => singular.clone(),
        Some(stem) if !ends(&["ay", "ey", "oy", "uy"]) => format!("{stem}ies"),
        _ if ends(&["s", "x", "ch", "sh"]) => format!("{singular}es"),
        _ => format!("{singular}s"),
    };
    if kind.group.is_empty() { plural } else { format!("{plural}.{}", kind.group) }
}

fn read(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn held(kind: &str, spec: Value) -> Holdings {
        Holdings::of(&GroupKind::new("", kind), &json!({"spec": spec}).to_string())
    }

    #[test]
    fn every_name_that_kubernetes_bounds_is_measured() {
        let text = str::to_owned;
        let table = [
            ("pods", Some(Measure::Pods)),
            ("count/pods", Some(Measure::EveryPod)),
            ("cpu", Some(Measure::Requests(text("cpu")))),
            ("requests.nvidia.com/gpu", Some(Measure::Requests(text("nvidia.com/gpu")))),
            ("limits.memory", Some(Measure::Limits(text("memory")))),
            ("hugepages-2Mi", Some(Measure::Requests(text("hugepages-2Mi")))),
            ("requests.storage", Some(Measure::Storage(String::new()))),
            ("count/deployments.apps", Some(Measure::Objects(text("deployments.apps")))),
            ("secrets", Some(Measure::Objects(text("secrets")))),
            (
                "gold.storageclass.storage.k8s.io/requests.storage",
                Some(Measure::Storage(text("gold"))),
            ),
            (
                "gold.storageclass.storage.k8s.io/persistentvolumeclaims",
                Some(Measure::Claims(text("gold"))),
            ),
            ("gold.storageclass.storage.k8s.io/cpu", None),
            ("deployments", None),
            ("count/", None),
            ("requests", None),
            ("example.com/gpu", None),
        ];
        for (name, expected) in table {
            assert_eq!(Measure::of(name), expected, "{name}");
        }
    }

    #[test]
    fn kinds_have_the_plurals_that_requests_name_them_by() {
        let table = [
            ("apps", "Deployment", "deployments.apps"),
            ("", "ConfigMap", "configmaps"),
            ("", "Endpoints", "endpoints"),
            ("networking.k8s.io", "Ingress", "ingresses.networking.k8s.io"),
            ("networking.k8s.io", "NetworkPolicy", "networkpolicies.networking.k8s.io"),
            ("example.com", "Gateway", "gateways.example.com"),
        ];
        for (group, kind, expected) in table {
            assert_eq!(resource_of(&GroupKind::new(group, kind)), expected);
        }
    }

    #[test]
    fn objects_come_to_what_they_are_and_leave_nothing_behind() {
        let claim = |class: &str, storage: &str| {
            held(
                "PersistentVolumeClaim",
                json!({"storageClassName": class, "resources": {"requests": {"storage": storage}}}),
            )
        };
        let balancer = held("Service", json!({"type": "LoadBalancer", "ports": [{}, {}]}));
        let mut all = Holdings::default();
        let parts = [claim("gold", "1Gi"), claim("tin", "512Mi"), balancer];
        parts.iter().for_each(|part| all.add(part, 1));
        let table = [
            ("persistentvolumeclaims", "2"),
            ("requests.storage", "1536Mi"),
            ("gold.storageclass.storage.k8s.io/requests.storage", "1Gi"),
            ("tin.storageclass.storage.k8s.io/persistentvolumeclaims", "1"),
            ("services", "1"),
            ("services.nodeports", "2"),
            ("services.loadbalancers", "1"),
            ("count/persistentvolumeclaims", "2"),
            ("configmaps", "0"),
        ];
        for (name, expected) in table {
            let measure = Measure::of(name).expect(name);
            assert_eq!(measure.shown(all.come_to(&measure)), expected, "{name}");
        }
        parts.iter().for_each(|part| all.add(part, -1));
        assert_eq!(all, Holdings::default());
    }
}
