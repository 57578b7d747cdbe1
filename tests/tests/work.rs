//! What an epoch costs follows what changed, not the size of the fleet: pods looked at, nodes asked,
//! facts told to the views, rows that they tell, and rows for the checkpoint are counted for one event
//! each on a fleet and on one twenty times as large.

use std::cell::Cell;
use std::rc::Rc;

use setpoint_dataflow::views::{Changes, ColdChanges, Fact, HandWritten, Views};
use setpoint_dataflow::{Engine, Epoch, Outcome};
use setpoint_schemas::{
    Input, Lease, NodeName, NodeSnapshot, Observation, Placement, PodObserved, PodPhase, Policy,
    Position, RequestItem, SessionId, Sourced, Topic, Verb, samples,
};
use setpoint_tests::manifests::{self, daemon_set, deployment, item};

/// Pods of the small fleet and of the large one.
const FLEETS: [usize; 2] = [2_000, 40_000];
/// Pods a Deployment, and as many a node has on average.
const REPLICAS: usize = 100;
/// Where pods go is drawn anew in each fleet: one node may have some more pods than another.
const SLACK: u64 = 64;

/// Hand-written views, with what goes into them and comes out counted.
struct Counted {
    views: HandWritten,
    facts: Rc<Cell<u64>>,
    told: Rc<Cell<u64>>,
}

impl Views for Counted {
    fn update(&mut self, fact: Fact, difference: isize) {
        self.facts.set(self.facts.get() + 1);
        self.views.update(fact, difference);
    }

    fn settle(&mut self) -> Changes {
        let changes = self.views.settle();
        let told = changes.tallies.len() + changes.stranded.len();
        self.told.set(self.told.get() + told as u64);
        changes
    }

    fn settle_cold(&mut self) -> ColdChanges {
        let changes = self.views.settle_cold();
        let told = changes.statuses.len() + changes.stale.len() + changes.orphans.len();
        let told = told + changes.nodes.len() + changes.namespaces.len();
        self.told.set(self.told.get() + told as u64);
        changes
    }
}

/// What one epoch cost.
#[derive(Debug, Clone, Copy)]
struct Cost {
    pods: u64,
    nodes: u64,
    facts: u64,
    told: u64,
    rows: u64,
}

impl Cost {
    fn parts(self) -> [(&'static str, u64); 5] {
        let Cost { pods, nodes, facts, told, rows } = self;
        [("pods", pods), ("nodes", nodes), ("facts", facts), ("told", told), ("rows", rows)]
    }
}

/// An engine with a fleet whose pods are all available.
struct Fleet {
    engine: Engine<Counted>,
    facts: Rc<Cell<u64>>,
    told: Rc<Cell<u64>>,
    placed: Vec<Placement>,
    /// The pods of a DaemonSet, one on each node.
    daemons: Vec<Placement>,
    time_ms: i64,
    offset: i64,
}

impl Fleet {
    fn of(pods: usize) -> Fleet {
        let policy =
            Policy { starts_per_second: 1 << 30, starts_burst: 1 << 30, ..Policy::default() };
        let (facts, told) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let views = Counted { views: HandWritten::new(), facts: facts.clone(), told: told.clone() };
        let mut engine = Engine::new(views, policy);
        engine.shown();
        let (placed, daemons) = (Vec::new(), Vec::new());
        let mut fleet = Fleet { engine, facts, told, placed, daemons, time_ms: 0, offset: 0 };
        let nodes = (0..pods / REPLICAS).map(|number| {
            Input::Node(Box::new(manifests::node(&node(number), &session(), 64_000)))
        });
        fleet.step(nodes.collect());
        for number in 0..pods / REPLICAS {
            let placed = fleet.starts(web(number, REPLICAS));
            fleet.placed.extend(placed);
        }
        fleet.daemons = fleet.starts(daemon("logger", 10));
        assert_eq!(fleet.starts(daemon("vast", 64_000)), [], "it waits on every node");
        while fleet.step_cold().is_cold_left {}
        fleet.engine.take_rows();
        assert_eq!(fleet.placed.len(), pods);
        fleet
    }

    /// The pods that are placed for this, all of them ready.
    fn starts(&mut self, items: Vec<RequestItem>) -> Vec<Placement> {
        let outcome = self.asks(items);
        let placed = outcome.placements.iter().filter_map(|change| change.placement.clone());
        let placed: Vec<Placement> = placed.map(|placed| (*placed).clone()).collect();
        let ready = placed.iter().map(|pod| self.said(pod, PodPhase::Running)).collect();
        self.step(ready);
        self.engine.take_rows();
        placed
    }

    fn said(&mut self, pod: &Placement, phase: PodPhase) -> Input {
        self.offset += 1;
        Input::Pod(Observation::of(&PodObserved {
            uid: pod.uid.clone(),
            node: pod.node.clone(),
            name: pod.name.clone(),
            session: session(),
            sequence: self.offset,
            phase,
            ready: phase == PodPhase::Running,
            ..samples::pod_observed()
        }))
    }

    fn epoch(&mut self, inputs: Vec<Input>) -> Epoch {
        self.time_ms += 1;
        let place = |input| {
            self.offset += 1;
            let position = Position { topic: Topic::Pods, partition: 0, offset: self.offset };
            Sourced { position, input }
        };
        let inputs = inputs.into_iter().map(place).collect();
        let (number, time_ms) = (self.engine.number() + 1, self.time_ms);
        Epoch { number, term: 1, time_ms, complete: true, inputs, ..Epoch::default() }
    }

    fn step(&mut self, inputs: Vec<Input>) -> Outcome {
        let epoch = self.epoch(inputs);
        self.engine.step(epoch)
    }

    fn step_cold(&mut self) -> Outcome {
        let epoch = self.epoch(Vec::new());
        self.engine.step(Epoch { cold: true, ..epoch })
    }

    fn asks(&mut self, items: Vec<RequestItem>) -> Outcome {
        let request = manifests::request(&format!("r{}", self.offset), items);
        self.step(vec![Input::Request(Box::new(request))])
    }

    /// What this one event costs, its epoch and the cold one after it.
    fn costs(&mut self, event: fn(&mut Fleet) -> Outcome) -> Cost {
        let before = self.so_far();
        event(self);
        self.step_cold();
        let [pods, nodes, facts, told] = self.so_far();
        let rows = self.engine.take_rows().len() as u64;
        Cost {
            pods: pods - before[0],
            nodes: nodes - before[1],
            facts: facts - before[2],
            told: told - before[3],
            rows,
        }
    }

    fn so_far(&self) -> [u64; 4] {
        let work = self.engine.work();
        [work.pods, work.nodes, self.facts.get(), self.told.get()]
    }
}

/// What happens, and how.
type Event = (&'static str, fn(&mut Fleet) -> Outcome);

/// One event each, on a fleet at rest.
const EVENTS: [Event; 9] = [
    ("a pod fails and is replaced", |fleet| {
        let pod = fleet.placed[0].clone();
        let said = fleet.said(&pod, PodPhase::Failed);
        fleet.step(vec![said])
    }),
    ("a pod is not ready", |fleet| {
        let pod = fleet.placed[1].clone();
        let said = fleet.said(&pod, PodPhase::Pending);
        fleet.step(vec![said])
    }),
    ("nothing happens", |fleet| fleet.step(Vec::new())),
    ("a lease is renewed", |fleet| {
        let (node, session) = (node(1), session());
        let (sequence, time_ms) = (fleet.offset + 1, fleet.time_ms);
        fleet.step(vec![Input::Lease(Lease { node, session, sequence, time_ms })])
    }),
    ("a node tells all that it has", |fleet| {
        let on = node(2);
        let uids = fleet.placed.iter().filter(|pod| pod.node == on);
        let uids = uids.map(|pod| pod.uid.clone()).collect();
        let (session, sequence) = (session(), fleet.offset + 1);
        let snapshot = NodeSnapshot { node: on, session, sequence, time_ms: 0, uids, epoch: -1 };
        fleet.step(vec![Input::Snapshot(Box::new(snapshot))])
    }),
    ("a DaemonSet's pod fails and is replaced", |fleet| {
        let pod = fleet.daemons[0].clone();
        let said = fleet.said(&pod, PodPhase::Failed);
        fleet.step(vec![said])
    }),
    ("a pod of a node for which others wait is gone", |fleet| {
        let pod = fleet.placed[5].clone();
        let said = fleet.said(&pod, PodPhase::Gone);
        fleet.step(vec![said])
    }),
    ("a Deployment grows by one", |fleet| fleet.asks(web(3, REPLICAS + 1))),
    ("a pod is deleted", |fleet| {
        let pod = fleet.placed[4 * REPLICAS].clone();
        let mut delete = web(0, 1).remove(0);
        delete.verb = Verb::Delete;
        (delete.api_version, delete.kind) = ("v1".to_owned(), "Pod".to_owned());
        (delete.name, delete.body) = (pod.name.to_string(), String::new());
        fleet.asks(vec![delete])
    }),
];

fn node(number: usize) -> NodeName {
    NodeName::parse(&format!("node-{number}")).expect("a node name")
}

fn session() -> SessionId {
    SessionId::parse("s1").expect("a session")
}

fn web(number: usize, replicas: usize) -> Vec<RequestItem> {
    let (name, replicas) = (format!("web-{number}"), replicas as i64);
    vec![item(Verb::Apply, &deployment("default", &name, replicas, 100, "web:1"))]
}

fn daemon(name: &str, cpu: i64) -> Vec<RequestItem> {
    vec![item(Verb::Apply, &daemon_set("default", name, cpu, "daemon:1"))]
}

#[test]
fn twenty_times_the_fleet_costs_one_event_no_more() {
    let mut fleets = FLEETS.map(Fleet::of);
    for (what, event) in EVENTS {
        let [small, large] = fleets.each_mut().map(|fleet| fleet.costs(event));
        println!("{what}: {small:?}, {large:?}");
        for ((part, small), (_, large)) in small.parts().into_iter().zip(large.parts()) {
            assert!(large <= small + SLACK, "{what}: {part} were {small} and are {large}");
        }
    }
}
