//! Nodes and pods of the cases, as the manifests that they are there.

use serde_json::{Value, json};

/// A kind of node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Node {
    /// 4 cpu, 32 Gi, 110 pods.
    Default,
    /// One node by name, with room for 90,000 pods.
    Named,
    /// Default, with a taint.
    Tainted,
    /// Default, with one piece of a resource of its own.
    Extended,
}

/// A kind of pod, named as its template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pod {
    Base,
    Light,
    /// Light, with a label.
    Labelled,
    Daemonset,
    Anti,
    AntiLabel,
    Affinity,
    PreferredAffinity,
    PreferredAnti,
    AffinityNamespaces,
    AntiNamespaces,
    PreferredAffinityNamespaces,
    PreferredAntiNamespaces,
    NodeAffinity,
    Spread,
    PreferredSpread,
    /// With the constraints written out that kube-scheduler derives from a Service.
    ServiceSpread,
    NodeInclusion,
    NineCpu,
    /// A fifth of a node, of the lowest priority.
    Low,
    /// Three quarters of a node.
    High,
    /// A whole node.
    HighWhole,
    HostPort,
    Saturation,
    OwnResource,
    Blue,
    AffinityLarge,
}

pub(crate) const HOSTNAME: &str = "kubernetes.io/hostname";
pub(crate) const ZONE: &str = "topology.kubernetes.io/zone";
/// The node that a DaemonSet's pods name.
pub(crate) const NAMED: &str = "scheduler-perf-node";

/// Name, taints and allocatable amounts of the node of this number.
pub(crate) fn node(kind: Node, number: usize) -> Value {
    let mut node = json!({ "name": format!("scheduler-perf-{number}"), "taints": [], "allocatable":
        { "cpu": "4", "memory": "32Gi", "pods": "110" } });
    match kind {
        Node::Default => {}
        Node::Named => {
            node["name"] = NAMED.into();
            node["allocatable"]["pods"] = "90000".into();
        }
        Node::Tainted => node["taints"] = json!([{ "key": "foo", "effect": "NoSchedule" }]),
        Node::Extended => node["allocatable"][format!("foo.com/bar-{number}")] = "1".into(),
    }
    node
}

/// Labels and spec of the pod of this number.
pub(crate) fn pod(kind: Pod, number: usize) -> (Value, Value) {
    let base = ("100m", "500Mi");
    match kind {
        Pod::Base => (json!({}), spec(base)),
        Pod::Light => (json!({}), bare()),
        Pod::Labelled => (json!({ "app": "scheduler-perf" }), bare()),
        Pod::Daemonset => {
            let fields = [json!({ "key": "metadata.name", "operator": "In", "values": [NAMED] })];
            (json!({}), with(bare(), "affinity", node_affinity(&json!({ "matchFields": fields }))))
        }
        Pod::Anti => {
            (green(), with(spec(base), "affinity", anti(required(&listed(&green(), HOSTNAME)))))
        }
        Pod::AntiLabel => (green(), spec(base)),
        Pod::Affinity => {
            (blue(), with(spec(base), "affinity", near(required(&listed(&blue(), ZONE)))))
        }
        Pod::PreferredAffinity => {
            (red(), with(spec(base), "affinity", near(preferred(&listed(&red(), HOSTNAME)))))
        }
        Pod::PreferredAnti => {
            (yellow(), with(spec(base), "affinity", anti(preferred(&listed(&yellow(), HOSTNAME)))))
        }
        Pod::AffinityNamespaces => {
            (blue(), with(spec(base), "affinity", near(required(&devops(&blue(), ZONE)))))
        }
        Pod::AntiNamespaces => {
            (green(), with(spec(base), "affinity", anti(required(&devops(&green(), HOSTNAME)))))
        }
        Pod::PreferredAffinityNamespaces => {
            (red(), with(spec(base), "affinity", near(preferred(&devops(&red(), HOSTNAME)))))
        }
        Pod::PreferredAntiNamespaces => {
            (green(), with(spec(base), "affinity", anti(preferred(&devops(&green(), HOSTNAME)))))
        }
        Pod::NodeAffinity => {
            let zones = [json!({ "key": ZONE, "operator": "In", "values": ["zone1", "zone2"] })];
            let term = json!({ "matchExpressions": zones });
            (json!({}), with(spec(base), "affinity", node_affinity(&term)))
        }
        Pod::Spread => (blue(), spread(spec(base), &[(5, ZONE, "DoNotSchedule", blue())])),
        Pod::PreferredSpread => {
            (blue(), spread(spec(base), &[(5, ZONE, "ScheduleAnyway", blue())]))
        }
        Pod::ServiceSpread => {
            let app = json!({ "app": "scheduler-perf" });
            let both = [
                (3, HOSTNAME, "ScheduleAnyway", app.clone()),
                (5, ZONE, "ScheduleAnyway", app.clone()),
            ];
            (app, spread(bare(), &both))
        }
        Pod::NodeInclusion => {
            let bar = json!({ "foo": "bar" });
            let mut spec = spread(spec(base), &[(1, HOSTNAME, "DoNotSchedule", bar.clone())]);
            spec["topologySpreadConstraints"][0]["nodeAffinityPolicy"] = "Honor".into();
            spec["topologySpreadConstraints"][0]["nodeTaintsPolicy"] = "Honor".into();
            (bar, spec)
        }
        Pod::NineCpu => (json!({}), with(asking(json!({ "cpu": "9" })), "priority", json!(10))),
        Pod::Low => (json!({}), spec(("900m", "500Mi"))),
        Pod::High => (json!({}), with(spec(("3000m", "500Mi")), "priority", json!(10))),
        Pod::HighWhole => (json!({}), with(spec(("3970m", "500Mi")), "priority", json!(10_000))),
        Pod::HostPort => {
            let mut spec = spec(("100m", "100Mi"));
            spec["containers"][0]["ports"] = json!([{ "containerPort": 80, "hostPort": 80 }]);
            (json!({}), spec)
        }
        Pod::Saturation => (json!({}), spec(("3", "1Gi"))),
        Pod::OwnResource => (json!({}), asking(json!({ (format!("foo.com/bar-{number}")): "1" }))),
        Pod::Blue => (blue(), spec(base)),
        Pod::AffinityLarge => {
            let near = near(required(&listed(&blue(), HOSTNAME)));
            (json!({}), with(spec(("4", "32Gi")), "affinity", near))
        }
    }
}

fn blue() -> Value {
    json!({ "color": "blue" })
}

fn green() -> Value {
    json!({ "color": "green" })
}

fn red() -> Value {
    json!({ "color": "red" })
}

fn yellow() -> Value {
    json!({ "color": "yellow" })
}

fn bare() -> Value {
    json!({ "containers": [{ "name": "pause", "image": "pause", "ports": [{ "containerPort": 80 }] }] })
}

fn asking(requests: Value) -> Value {
    let mut spec = bare();
    spec["containers"][0]["resources"] = json!({ "requests": requests, "limits": requests });
    spec
}

fn spec((cpu, memory): (&str, &str)) -> Value {
    asking(json!({ "cpu": cpu, "memory": memory }))
}

fn with(mut spec: Value, field: &str, value: Value) -> Value {
    spec[field] = value;
    spec
}

/// A term about pods with these labels in the two namespaces of the case.
fn listed(labels: &Value, key: &str) -> Value {
    json!({ "labelSelector": { "matchLabels": labels }, "topologyKey": key, "namespaces": ["sched-0", "sched-1"] })
}

/// A term about pods with these labels in namespaces of one team.
fn devops(labels: &Value, key: &str) -> Value {
    json!({ "labelSelector": { "matchLabels": labels }, "topologyKey": key,
        "namespaceSelector": { "matchLabels": { "team": "devops" } } })
}

fn required(term: &Value) -> Value {
    json!({ "requiredDuringSchedulingIgnoredDuringExecution": [term] })
}

fn preferred(term: &Value) -> Value {
    json!({ "preferredDuringSchedulingIgnoredDuringExecution": [{ "weight": 1, "podAffinityTerm": term }] })
}

fn near(terms: Value) -> Value {
    json!({ "podAffinity": terms })
}

fn anti(terms: Value) -> Value {
    json!({ "podAntiAffinity": terms })
}

fn node_affinity(term: &Value) -> Value {
    json!({ "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [term] } } })
}

fn spread(spec: Value, constraints: &[(i32, &str, &str, Value)]) -> Value {
    let constraint = |(skew, key, when, labels): &(i32, &str, &str, Value)| {
        json!({ "maxSkew": skew, "topologyKey": key, "whenUnsatisfiable": when,
            "labelSelector": { "matchLabels": labels } })
    };
    let constraints: Vec<Value> = constraints.iter().map(constraint).collect();
    with(spec, "topologySpreadConstraints", json!(constraints))
}
