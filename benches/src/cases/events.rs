//! The cases in which pods wait and an event frees them: which of them it wakes is the engine's, so
//! these run through `Engine::step`, each event an epoch of its own.
//!
//! What counts is the time from an event that freed somebody to the decision on all whom it freed.
//! Their client is limited to a hundred updates a second; all our events stand as far apart, and
//! whoever comes while the engine is busy waits. At the end nobody may wait.
//!
//! Source: kubernetes/kubernetes, `test/integration/scheduler_perf/event_handling/` at 27608fa25d.

use std::time::Duration;

use serde_json::{Value, json};
use setpoint_dataflow::Outcome;
use setpoint_dataflow::views::Differential;
use setpoint_schemas::{Input, NodeRecord, RequestItem, Resources, Topic, Verb};

use crate::cases::case::Case;
use crate::clock::{Latencies, timed};
use crate::measurement::Measurement;
use crate::plant::{Plant, node_record};

/// The cases, by their names there.
pub(crate) const NAMES: [&str; 3] =
    ["EventHandlingPodAdd", "EventHandlingNodeAdd", "EventHandlingNodeUpdate"];

/// Pods of each kind that wait, and nodes of each wave; the same number is made of each kind.
const WAITING: usize = 1_000;
const WAVE: usize = 100;
/// What their client is limited to: a hundred a second.
const APART: Duration = Duration::from_millis(10);
const GIB: i64 = 1 << 30;
const ZONE: &str = "topology.kubernetes.io/zone";

/// The 99th percentile from the freeing event to the decision.
pub(crate) fn measure(name: &str, size: usize) -> anyhow::Result<Vec<Measurement>> {
    let mut stage = Stage::new(size)?;
    match name {
        "EventHandlingPodAdd" => stage.pods_are_added()?,
        "EventHandlingNodeAdd" => stage.nodes_are_added()?,
        _ => stage.nodes_are_updated()?,
    }
    let Stage { latencies, placed, events, .. } = stage;
    let note = format!("through the engine; {events} events freed {placed} pods that waited");
    let row = |which: &str, percentile| {
        let name = format!("cases/{name}/freeing event to decision/{which}");
        Measurement::new(name, latencies.micros_at(percentile), "µs").noted(note.clone())
    };
    Ok(vec![row("p50", 50.0), row("p99", 99.0)])
}

struct Stage {
    plant: Plant<Differential>,
    /// Pods of each kind, and nodes of each wave, at the run's size.
    pods: usize,
    wave: usize,
    latencies: Latencies,
    /// When the last event came, and when the engine was done with it, by a clock of our own.
    arrived: Duration,
    free: Duration,
    /// Events that freed somebody.
    events: usize,
    placed: usize,
}

/// A node as it comes: its labels, its taints, milli-cpu, memory, and whether it is cordoned.
struct Node {
    name: String,
    labels: Vec<(&'static str, String)>,
    taint: Option<String>,
    cpu_milli: i64,
    memory_bytes: i64,
    unschedulable: bool,
}

impl Stage {
    fn new(size: usize) -> anyhow::Result<Stage> {
        let scaled = |count| Case::scaled(count, size).max(2);
        Ok(Stage {
            plant: Plant::with_nodes(Differential::new(), 0)?,
            pods: scaled(WAITING),
            wave: scaled(WAVE),
            latencies: Latencies::new()?,
            arrived: Duration::ZERO,
            free: Duration::ZERO,
            events: 0,
            placed: 0,
        })
    }

    /// Two nodes; pods that wait for others to even the zones out, or for a pod of their colour.
    fn pods_are_added(&mut self) -> anyhow::Result<()> {
        for number in 0..2 {
            self.node_comes(&Node::of(&format!("node-{number}")))?;
        }
        let green = json!({ "color": "green" });
        let first = self.ask(vec![pod("first", &green, &json!({}))])?;
        anyhow::ensure!(started(&first) == 1, "the first pod has no place");
        let not_green = required("podAntiAffinity", &green);
        let spread = json!([{ "maxSkew": 1, "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": { "matchLabels": { "topology": "blue" } } }]);
        let spec = json!({ "affinity": not_green, "topologySpreadConstraints": spread });
        let blue = json!({ "topology": "blue" });
        let even = (0..self.pods).map(|n| pod(&format!("even-{n}"), &blue, &spec)).collect();
        // One of them goes before the others wait: the node without the first pod is ahead by one.
        self.waits(even, 1)?;
        let near = |n: usize| required("podAffinity", &json!({ "color": format!("yellow-{n}") }));
        let near =
            |n: usize| pod(&format!("near-{n}"), &json!({}), &json!({ "affinity": near(n) }));
        self.waits((0..self.pods).map(near).collect(), 0)?;
        let both = json!({ "topology": "blue", "color": "green" });
        let beside = json!({ "affinity": required("podAffinity", &green) });
        for number in 0..self.pods {
            let evens = pod(&format!("evens-{number}"), &both, &beside);
            self.asked_meanwhile(vec![evens], 1)?;
        }
        for number in 0..self.pods {
            let labels = json!({ "color": format!("yellow-{number}") });
            self.asked_meanwhile(vec![pod(&format!("yellow-{number}"), &labels, &json!({}))], 1)?;
        }
        self.nobody_waits(2 * self.pods - 1)
    }

    /// Waves of nodes, each of which has what some kind of pod lacked.
    fn nodes_are_added(&mut self) -> anyhow::Result<()> {
        let cordoned = Node { unschedulable: true, ..Node::tainted("cordoned", "allow") };
        self.node_comes(&cordoned)?;
        self.waits(self.kind("cordon", &json!({}), &tolerating("allow", json!({}))), 0)?;
        let small = Node::tainted("small", "allow");
        self.freed_by(&Node { cpu_milli: 100, memory_bytes: 100 << 20, ..small })?;
        let big = json!({ "cpu": "900m", "memory": "900Mi" });
        self.waits(self.asking("big", &big, &tolerating("allow", json!({}))), 0)?;
        for number in 0..self.wave {
            let large = Node::tainted(&format!("large-{number}"), "allow");
            self.freed_by(&Node { cpu_milli: 200_000, memory_bytes: 200 * GIB, ..large })?;
        }
        self.nobody_waits(2 * self.pods)?;
        self.waits_for_labels()?;
        for number in 0..self.wave {
            self.freed_by(&Node::labelled(&format!("labelled-{number}")))?;
        }
        self.nobody_waits(5 * self.pods)?;
        self.waits(self.kind("taint", &json!({}), &tolerating("own", json!({}))), 0)?;
        for number in 0..self.wave {
            self.freed_by(&Node::tainted(&format!("own-{number}"), "own"))?;
        }
        self.nobody_waits(6 * self.pods)
    }

    /// Nodes whose record or resource changes, one a hundredth of a second.
    fn nodes_are_updated(&mut self) -> anyhow::Result<()> {
        let cordoned = |number: usize| Node::tainted(&format!("cordoned-{number}"), "allow");
        for number in 0..self.wave {
            self.node_comes(&Node { unschedulable: true, ..cordoned(number) })?;
        }
        self.waits(self.kind("cordon", &json!({}), &tolerating("allow", json!({}))), 0)?;
        for number in 0..self.wave {
            self.freed_by(&cordoned(number))?;
        }
        self.nobody_waits(self.pods)?;
        let small = |number: usize| Node::tainted(&format!("small-{number}"), "resources");
        for number in 0..self.wave {
            self.node_comes(&Node { cpu_milli: 1, memory_bytes: 1 << 20, ..small(number) })?;
        }
        let big = json!({ "cpu": "350m", "memory": "3Gi" });
        self.waits(self.asking("big", &big, &tolerating("resources", json!({}))), 0)?;
        for number in 0..self.wave {
            self.freed_by(&small(number))?;
        }
        self.nobody_waits(2 * self.pods)?;
        for number in 0..self.wave {
            self.node_comes(&Node::tainted(&format!("labelled-{number}"), "allow"))?;
        }
        self.waits_for_labels()?;
        for number in 0..self.wave {
            self.freed_by(&Node::labelled(&format!("labelled-{number}")))?;
        }
        self.nobody_waits(5 * self.pods)?;
        for number in 0..self.wave {
            self.node_comes(&Node::tainted(&format!("own-{number}"), "nobodys"))?;
        }
        let tolerant = |number: usize| {
            let key = format!("own-{}", number * self.wave / self.pods);
            pod(&format!("taint-{number}"), &json!({}), &tolerating(&key, json!({})))
        };
        self.waits((0..self.pods).map(tolerant).collect(), 0)?;
        for number in 0..self.wave {
            let name = format!("own-{number}");
            self.freed_by(&Node::tainted(&name, &name))?;
        }
        self.nobody_waits(6 * self.pods)
    }

    /// Pods that want company in a zone, a label, and an even spread over what no node says.
    fn waits_for_labels(&mut self) -> anyhow::Result<()> {
        let green = json!({ "color": "green" });
        let mut company = required("podAffinity", &green);
        let terms = "/podAffinity/requiredDuringSchedulingIgnoredDuringExecution/0/topologyKey";
        if let Some(key) = company.pointer_mut(terms) {
            *key = ZONE.into();
        }
        let company = tolerating("allow", json!({ "affinity": company }));
        self.waits(self.kind("company", &green, &company), 0)?;
        let allowed = json!({ "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{ "matchExpressions":
                [{ "key": "affinity", "operator": "In", "values": ["allow"] }] }] } } });
        let allowed = tolerating("allow", json!({ "affinity": allowed }));
        self.waits(self.kind("label", &json!({}), &allowed), 0)?;
        let spread = json!([{ "maxSkew": 1, "minDomains": 1, "topologyKey": "topology",
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": { "matchLabels": { "color": "blue" } } }]);
        let spread = tolerating("allow", json!({ "topologySpreadConstraints": spread }));
        self.waits(self.kind("spread", &json!({ "color": "blue" }), &spread), 0)
    }

    /// As many pods as are made of each kind.
    fn kind(&self, name: &str, labels: &Value, spec: &Value) -> Vec<RequestItem> {
        (0..self.pods).map(|number| pod(&format!("{name}-{number}"), labels, spec)).collect()
    }

    fn asking(&self, name: &str, requests: &Value, spec: &Value) -> Vec<RequestItem> {
        let mut spec = spec.clone();
        spec["containers"] = json!([{ "name": "pause", "image": "pause",
            "resources": { "requests": requests } }]);
        self.kind(name, &json!({}), &spec)
    }

    /// These pods come, and all but so many have to wait.
    fn waits(&mut self, pods: Vec<RequestItem>, but: usize) -> anyhow::Result<()> {
        let outcome = self.ask(pods)?;
        let placed = started(&outcome);
        anyhow::ensure!(placed == but, "{placed} pods had a place, where {but} were to have one");
        Ok(())
    }

    fn ask(&mut self, items: Vec<RequestItem>) -> anyhow::Result<Outcome> {
        let outcome = self.plant.ask(items)?;
        let refused = outcome.verdicts.iter().find(|verdict| !verdict.accepted);
        anyhow::ensure!(refused.is_none(), "refused: {refused:?}");
        Ok(outcome)
    }

    /// Pods come that have a place themselves, and so free others.
    fn asked_meanwhile(&mut self, pods: Vec<RequestItem>, own: usize) -> anyhow::Result<()> {
        let (outcome, took) = timed(|| self.ask(pods));
        self.record(&outcome?, own, took);
        Ok(())
    }

    /// A node comes that nobody waits for.
    fn node_comes(&mut self, node: &Node) -> anyhow::Result<()> {
        let outcome = self.tell(node)?;
        anyhow::ensure!(started(&outcome) == 0, "{} freed pods", node.name);
        Ok(())
    }

    /// A node comes, or changes: how long until all whom that frees have a place.
    fn freed_by(&mut self, node: &Node) -> anyhow::Result<()> {
        let (outcome, took) = timed(|| self.tell(node));
        self.record(&outcome?, 0, took);
        Ok(())
    }

    /// An event a while after the one before, which took the engine so long.
    fn record(&mut self, outcome: &Outcome, own: usize, took: Duration) {
        self.arrived += APART;
        self.free = self.arrived.max(self.free) + took;
        let freed = started(outcome).saturating_sub(own);
        if freed > 0 {
            self.latencies.record(self.free - self.arrived);
            self.events += 1;
            self.placed += freed;
        }
    }

    fn nobody_waits(&self, expected: usize) -> anyhow::Result<()> {
        anyhow::ensure!(self.placed == expected, "{} of {expected} pods were freed", self.placed);
        Ok(())
    }

    /// The node's record and its resource, in one epoch.
    fn tell(&mut self, node: &Node) -> anyhow::Result<Outcome> {
        let mut record = node_record(0)?;
        record.node = node.name.parse()?;
        record.allocatable = Resources {
            cpu_milli: node.cpu_milli,
            memory_bytes: node.memory_bytes,
            pods: 3_000,
            ..Resources::default()
        };
        record.capacity = record.allocatable.clone();
        record.labels = [("kubernetes.io/hostname", node.name.clone())]
            .into_iter()
            .chain(node.labels.iter().cloned())
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        let record: NodeRecord = record;
        let taints: Vec<Value> =
            node.taint.iter().map(|key| json!({ "key": key, "effect": "NoSchedule" })).collect();
        let body = json!({ "spec": { "unschedulable": node.unschedulable, "taints": taints } });
        let item = RequestItem {
            verb: Verb::MergePatch,
            api_version: "v1".to_owned(),
            kind: "Node".to_owned(),
            namespace: String::new(),
            name: node.name.clone(),
            subresource: String::new(),
            body: body.to_string(),
            expected_version: None,
        };
        let record = self.plant.sourced(Topic::Nodes, Input::Node(Box::new(record)));
        let request = self.plant.asked(vec![item], false)?;
        let request = self.plant.sourced(Topic::Requests, Input::Request(Box::new(request)));
        let epoch = self.plant.epoch(vec![record, request]);
        Ok(self.plant.engine.step(epoch))
    }
}

impl Node {
    fn of(name: &str) -> Node {
        Node {
            name: name.to_owned(),
            labels: Vec::new(),
            taint: None,
            cpu_milli: 4_000,
            memory_bytes: 32 * GIB,
            unschedulable: false,
        }
    }

    fn tainted(name: &str, key: &str) -> Node {
        Node { taint: Some(key.to_owned()), ..Node::of(name) }
    }

    fn labelled(name: &str) -> Node {
        let labels = [(ZONE, "zone1"), ("affinity", "allow"), ("topology", "allow")];
        let labels = labels.map(|(key, value)| (key, value.to_owned())).to_vec();
        Node { labels, ..Node::tainted(name, "allow") }
    }
}

fn started(outcome: &Outcome) -> usize {
    outcome.placements.iter().filter(|change| change.placement.is_some()).count()
}

fn required(which: &str, labels: &Value) -> Value {
    json!({ which: { "requiredDuringSchedulingIgnoredDuringExecution": [{
        "labelSelector": { "matchLabels": labels }, "topologyKey": "kubernetes.io/hostname" }] } })
}

/// The spec of a pod that tolerates this taint.
fn tolerating(key: &str, mut spec: Value) -> Value {
    spec["tolerations"] = json!([{ "key": key, "operator": "Exists", "effect": "NoSchedule" }]);
    spec
}

/// A bare pod that is to be made.
fn pod(name: &str, labels: &Value, spec: &Value) -> RequestItem {
    let mut spec = spec.clone();
    if spec["containers"].is_null() {
        spec["containers"] = json!([{ "name": "pause", "image": "pause" }]);
    }
    let body = json!({ "apiVersion": "v1", "kind": "Pod", "spec": spec,
        "metadata": { "name": name, "namespace": "default", "labels": labels } });
    RequestItem {
        verb: Verb::Apply,
        api_version: "v1".to_owned(),
        kind: "Pod".to_owned(),
        namespace: "default".to_owned(),
        name: name.to_owned(),
        subresource: String::new(),
        body: body.to_string(),
        expected_version: None,
    }
}
