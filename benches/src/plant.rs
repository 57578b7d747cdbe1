//! An engine with a fleet: nodes, Deployments, and what nodes report of their pods.
//!
//! Guarantee: only through `Engine::step`, with records as the log would bring them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use serde_json::{Value, json};
use setpoint_dataflow::views::Views;
use setpoint_dataflow::{Engine, Epoch, Outcome, PlacementChange};
use setpoint_schemas::{
    ContainerObserved, ContainerState, Input, InvalidId, Lease, NodeName, NodeRecord, Placement,
    PodObserved, PodPhase, Policy, Position, Request, RequestId, RequestItem, Resources, SessionId,
    Sourced, Topic, Verb, samples,
};

/// Pods a node in all fleets but the placer's.
pub(crate) const PODS_PER_NODE: usize = 200;
/// Pods a Deployment.
pub(crate) const REPLICAS: usize = 100;
/// Thousandths of a core, bytes of memory and pods that each node has room for.
pub(crate) const NODE_ROOM: (i64, i64, i64) = (64_000, 256 << 30, 500);
/// The one life that all agents have.
pub(crate) const SESSION: &str = "boot-1";
/// Deployments of one apply while a fleet is loaded.
const DEPLOYMENTS_PER_APPLY: usize = 100;
/// Saturday, 21 November 2026.
const TIME_MS: i64 = 1_795_253_400_000;
/// As in the real world: a node renews its lease every five seconds.
const LEASE_RENEW_MS: usize = 5_000;

/// An engine with a fleet.
pub(crate) struct Plant<V: Views> {
    pub(crate) engine: Engine<V>,
    nodes: usize,
    time_ms: i64,
    offset: i64,
    sequence: i64,
    leases: usize,
    /// Nodes that renew no more.
    silenced: BTreeSet<usize>,
}

/// A pod as the log named it.
#[derive(Debug, Clone)]
pub(crate) struct Placed(pub(crate) std::sync::Arc<Placement>);

impl<V: Views> Plant<V> {
    /// Nodes that reported themselves, no pods.
    pub(crate) fn with_nodes(views: V, nodes: usize) -> anyhow::Result<Self> {
        // The pacing is not what is measured.
        let policy =
            Policy { starts_per_second: 1 << 30, starts_burst: 1 << 30, ..Policy::default() };
        let mut engine = Engine::new(views, policy);
        engine.shown();
        let mut plant = Plant {
            engine,
            nodes,
            time_ms: TIME_MS,
            offset: 0,
            sequence: 0,
            leases: 0,
            silenced: BTreeSet::new(),
        };
        let records: anyhow::Result<Vec<Input>> =
            (0..nodes).map(|node| Ok(Input::Node(Box::new(node_record(node)?)))).collect();
        plant.step(Topic::Nodes, records?);
        Ok(plant)
    }

    /// A fleet of this many pods, all available, of which no checkpoint was written. `each` sees the
    /// outcome of each epoch that placed pods and how long it took.
    pub(crate) fn load(
        &mut self,
        pods: usize,
        mut each: impl FnMut(&Outcome, Duration),
    ) -> anyhow::Result<()> {
        applies(pods).try_for_each(|some| self.load_some(some, &mut each))
    }

    /// The same with the rows of checkpoints taken as it goes, as an engine does: what waits to be
    /// written is not what a fleet takes to hold.
    pub(crate) fn load_written(
        &mut self,
        pods: usize,
        mut each: impl FnMut(&Outcome, Duration),
    ) -> anyhow::Result<()> {
        applies(pods).try_for_each(|some| {
            self.load_some(some, &mut each)?;
            self.engine.take_rows();
            Ok(())
        })
    }

    fn load_some(
        &mut self,
        some: Range<usize>,
        each: &mut impl FnMut(&Outcome, Duration),
    ) -> anyhow::Result<()> {
        let expected = some.len() * REPLICAS;
        let request = self.apply(some, REPLICAS)?;
        let epoch = self.epoch(vec![request]);
        let (outcome, took) = crate::clock::timed(|| self.engine.step(epoch));
        let placed: Vec<Placed> = placed(&outcome.placements).collect();
        anyhow::ensure!(
            placed.len() == expected,
            "{} of {expected} pods were placed",
            placed.len()
        );
        each(&outcome, took);
        let ready: anyhow::Result<Vec<Input>> =
            placed.iter().map(|pod| Ok(Input::Pod(self.ready(pod)?.into()))).collect();
        self.step(Topic::Pods, ready?);
        self.renew();
        Ok(())
    }

    /// An apply of Deployments, numbered.
    pub(crate) fn apply(
        &mut self,
        numbers: Range<usize>,
        replicas: usize,
    ) -> anyhow::Result<Sourced> {
        let request = self.request(numbers, replicas)?;
        Ok(self.sourced(Topic::Requests, Input::Request(Box::new(request))))
    }

    /// The same as a request that is yet to be sent.
    pub(crate) fn request(
        &mut self,
        numbers: Range<usize>,
        replicas: usize,
    ) -> anyhow::Result<Request> {
        let items = numbers.map(|number| deployment(number, replicas)).collect();
        self.asked(items, false)
    }

    /// Operators state that these nodes are lost, whatever their leases say.
    pub(crate) fn confirm_lost(&mut self, nodes: Range<usize>) -> anyhow::Result<Request> {
        let item = |node: usize| RequestItem {
            verb: Verb::ConfirmLost,
            api_version: "v1".to_owned(),
            kind: "Node".to_owned(),
            namespace: String::new(),
            name: format!("node-{node}"),
            subresource: String::new(),
            body: "{}".to_owned(),
            expected_version: None,
        };
        self.asked(nodes.map(item).collect(), true)
    }

    /// A request for these items, decided in an epoch of its own.
    pub(crate) fn ask(&mut self, items: Vec<RequestItem>) -> anyhow::Result<Outcome> {
        let request = self.asked(items, false)?;
        Ok(self.step(Topic::Requests, vec![Input::Request(Box::new(request))]))
    }

    /// A request for these items, yet to be sent.
    pub(crate) fn asked(
        &mut self,
        items: Vec<RequestItem>,
        force: bool,
    ) -> anyhow::Result<Request> {
        self.offset += 1;
        Ok(Request {
            id: RequestId::parse(&format!("request-{}", self.offset))?,
            time_ms: self.time_ms,
            actor: "bench".to_owned(),
            field_manager: "bench".to_owned(),
            force,
            items,
        })
    }

    /// Every node that is not lost renews its lease in time but this one, whose lease ends with the
    /// next epoch.
    pub(crate) fn silence(&mut self, node: usize) -> anyhow::Result<()> {
        let grace_ms = self.engine.policy().lease_grace_ms;
        self.renew_all(|_| true)?;
        self.renew_all(|other| other == node)?;
        let renewed_ms = self.time_ms;
        for third in 1..3 {
            self.time_ms = renewed_ms + grace_ms * third / 3 - 1;
            self.renew_all(|other| other != node)?;
        }
        // What else ends by then is put off here, and not when the node's loss is timed.
        self.time_ms = renewed_ms + grace_ms - 2;
        let epoch = self.epoch(Vec::new());
        self.engine.step(epoch);
        self.silenced.insert(node);
        Ok(())
    }

    fn renew_all(&mut self, whom: impl Fn(usize) -> bool) -> anyhow::Result<()> {
        let nodes: Vec<usize> =
            (0..self.nodes).filter(|node| whom(*node) && !self.silenced.contains(node)).collect();
        let mut renewals = Vec::with_capacity(nodes.len());
        for node in nodes {
            self.leases += 1;
            renewals.push(Input::Lease(lease(node, self.leases)?));
        }
        self.step(Topic::Leases, renewals);
        Ok(())
    }

    /// How many pods have their place on each node, by its number.
    pub(crate) fn pods_by_node(&self) -> Vec<usize> {
        let mut counts = vec![0; self.nodes];
        for Placed(pod) in self.pods() {
            if let Some(count) = node_number(&pod.node).and_then(|node| counts.get_mut(node)) {
                *count += 1;
            }
        }
        counts
    }

    /// Now.
    pub(crate) fn time_ms(&self) -> i64 {
        self.time_ms
    }

    /// The next epoch, a millisecond later.
    pub(crate) fn epoch(&mut self, inputs: Vec<Sourced>) -> Epoch {
        self.epoch_at(self.time_ms + 1, inputs)
    }

    /// The next epoch, at this time.
    pub(crate) fn epoch_at(&mut self, time_ms: i64, inputs: Vec<Sourced>) -> Epoch {
        self.time_ms = time_ms;
        Epoch {
            number: self.engine.number() + 1,
            term: 1,
            time_ms: self.time_ms,
            complete: true,
            inputs,
            ..Epoch::default()
        }
    }

    /// Takes one epoch of these inputs.
    pub(crate) fn step(&mut self, topic: Topic, inputs: Vec<Input>) -> Outcome {
        let sourced = inputs.into_iter().map(|input| self.sourced(topic, input)).collect();
        let epoch = self.epoch(sourced);
        self.engine.step(epoch)
    }

    /// The cold step.
    pub(crate) fn step_cold(&mut self) -> Outcome {
        let epoch = self.epoch(Vec::new());
        self.engine.step(Epoch { cold: true, ..epoch })
    }

    /// The leases that are renewed within the engine time since they were renewed last.
    pub(crate) fn renew(&mut self) {
        let renewals = self.renewals();
        if !renewals.is_empty() {
            let epoch = self.epoch(renewals);
            self.engine.step(epoch);
        }
    }

    /// The renewals that are due by now and were not handed out before.
    pub(crate) fn renewals(&mut self) -> Vec<Sourced> {
        let elapsed = usize::try_from(self.time_ms - TIME_MS).unwrap_or(0);
        let due = elapsed * self.nodes / LEASE_RENEW_MS;
        let numbers = self.leases..due;
        self.leases = due.max(self.leases);
        let nodes = self.nodes;
        numbers
            .filter_map(|number| lease(number % nodes, number).ok())
            .map(|lease| self.sourced(Topic::Leases, Input::Lease(lease)))
            .collect()
    }

    /// An input at the next position of its topic.
    pub(crate) fn sourced(&mut self, topic: Topic, input: Input) -> Sourced {
        self.offset += 1;
        Sourced { position: Position { topic, partition: 0, offset: self.offset }, input }
    }

    /// The pod runs and is ready.
    pub(crate) fn ready(&mut self, pod: &Placed) -> anyhow::Result<PodObserved> {
        self.sequence += 1;
        let Placed(placement) = pod;
        let status = status(
            &placement.uid.text(),
            placement.node.as_str(),
            placement.name.as_str(),
            self.sequence,
        );
        Ok(status?)
    }

    /// How many nodes there are.
    pub(crate) fn nodes(&self) -> usize {
        self.nodes
    }

    /// All pods that have a placement now.
    pub(crate) fn pods(&self) -> Vec<Placed> {
        placed(&self.engine.everything().placements).collect()
    }

    /// The pod is in this phase and not ready.
    pub(crate) fn in_phase(
        &mut self,
        pod: &Placed,
        phase: PodPhase,
    ) -> anyhow::Result<PodObserved> {
        let ready = self.ready(pod)?;
        Ok(PodObserved { phase, ready: false, ..ready })
    }
}

/// The number of a node of ours.
pub(crate) fn node_number(node: &NodeName) -> Option<usize> {
    node.as_str().strip_prefix("node-")?.parse().ok()
}

/// The Deployments of each apply of a fleet of this many pods.
fn applies(pods: usize) -> impl Iterator<Item = Range<usize>> {
    let deployments = pods.div_ceil(REPLICAS);
    let firsts = (0..deployments).step_by(DEPLOYMENTS_PER_APPLY);
    firsts.map(move |first| first..(first + DEPLOYMENTS_PER_APPLY).min(deployments))
}

/// The pods that were placed.
pub(crate) fn placed(changes: &[PlacementChange]) -> impl Iterator<Item = Placed> {
    changes.iter().filter_map(|change| change.placement.clone().map(Placed))
}

/// A running pod of one container, ready, as a node reports it.
pub(crate) fn status(
    uid: &str,
    node: &str,
    name: &str,
    sequence: i64,
) -> Result<PodObserved, InvalidId> {
    Ok(PodObserved {
        uid: uid.parse()?,
        node: node.parse()?,
        session: session()?,
        sequence,
        time_ms: TIME_MS,
        namespace: "default".parse()?,
        name: name.parse()?,
        generation: 1,
        phase: PodPhase::Running,
        ready: true,
        reason: String::new(),
        message: String::new(),
        address: "10.1.2.3".to_owned(),
        started_ms: TIME_MS,
        containers: vec![ContainerObserved {
            name: "web".to_owned(),
            id: "4f1c2d3e5a6b798897a6b5c4d3e2f10f4f1c2d3e5a6b798897a6b5c4d3e2f10f".to_owned(),
            image: "registry.example.com/web:1.27".to_owned(),
            state: ContainerState::Running,
            ready: true,
            restarts: 0,
            exit_code: None,
            reason: String::new(),
            message: String::new(),
            started_ms: TIME_MS,
            finished_ms: 0,
            started: true,
            last: None,
        }],
    })
}

/// A ready node with room for the pods of every fleet measured.
pub(crate) fn node_record(number: usize) -> anyhow::Result<NodeRecord> {
    let name = format!("node-{number}");
    let (cpu_milli, memory_bytes, pods) = NODE_ROOM;
    let room = Resources { cpu_milli, memory_bytes, pods, ..Resources::default() };
    let labels = [
        ("kubernetes.io/hostname", name.clone()),
        ("topology.kubernetes.io/zone", format!("zone-{}", number % 3)),
    ];
    Ok(NodeRecord {
        node: name.parse()?,
        session: session()?,
        capacity: room.clone(),
        allocatable: room,
        labels: labels
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect::<BTreeMap<_, _>>(),
        devices: Vec::new(),
        ..samples::node()
    })
}

/// The pods' spec: one container that asks for a tenth of a core.
pub(crate) fn pod_spec() -> Value {
    let requests = json!({"requests": {"cpu": "100m", "memory": "128Mi"}});
    json!({"containers": [{"name": "web", "image": "registry.example.com/web:1.27", "resources": requests}]})
}

fn deployment(number: usize, replicas: usize) -> RequestItem {
    let name = format!("web-{number}");
    let labels = json!({"app": name});
    let body = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod_spec()},
        },
    });
    RequestItem {
        verb: Verb::Apply,
        api_version: "apps/v1".to_owned(),
        kind: "Deployment".to_owned(),
        namespace: "default".to_owned(),
        name,
        subresource: String::new(),
        body: body.to_string(),
        expected_version: None,
    }
}

fn lease(node: usize, sequence: usize) -> anyhow::Result<Lease> {
    Ok(Lease {
        node: format!("node-{node}").parse()?,
        session: session()?,
        sequence: i64::try_from(sequence)? + 1,
        time_ms: TIME_MS,
    })
}

fn session() -> Result<SessionId, InvalidId> {
    SessionId::parse(SESSION)
}
