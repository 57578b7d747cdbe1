//! A story: an engine with a fleet told by hand.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use setpoint_dataflow::views::HandWritten;
use setpoint_dataflow::{Compacted, Engine, Epoch, Outcome, Placed, Served, WaitingPod};
use setpoint_schemas::{
    Action, Input, NodeName, NodeSnapshot, Observation, PodObserved, PodPhase, PodUid, Policy,
    Position, RequestItem, ResourceKey, SessionId, Sourced, Topic, Verb,
};
use setpoint_tests::manifests::{self, deployment, item};

/// Behind every epoch of a story: what a node says by then it says by the last list.
pub(crate) const EPOCH_LAST: i64 = 1_000_000;

/// An engine with a fleet told by hand. Beside it, in every epoch, one rebuilt from its checkpoint
/// decides the same.
pub(crate) struct Story {
    pub(crate) engine: Engine<HandWritten>,
    rows: BTreeMap<(u8, Vec<u8>), Vec<u8>>,
    offset: i64,
    requests: usize,
    pub(crate) placed: BTreeMap<PodUid, String>,
    pub(crate) ready: BTreeSet<PodUid>,
    /// As readers were told.
    pub(crate) waiting: BTreeMap<PodUid, WaitingPod>,
    sequence: i64,
    /// Nodes that renew their leases in every epoch.
    renewing: Vec<String>,
}

impl Story {
    /// These nodes, of two cores each, at time 0.
    pub(crate) fn with_nodes(names: &[&str]) -> Story {
        Story::with_policy(names, Policy::default())
    }

    pub(crate) fn with_policy(names: &[&str], policy: Policy) -> Story {
        let mut story = Story {
            engine: Engine::new(HandWritten::new(), policy),
            rows: Default::default(),
            offset: 0,
            requests: 0,
            placed: Default::default(),
            ready: Default::default(),
            waiting: Default::default(),
            sequence: 0,
            renewing: Vec::new(),
        };
        let nodes: Vec<Input> = names.iter().map(|name| joins(name, 2_000)).collect();
        story.at(0, nodes);
        story
    }

    /// These nodes, which renew their leases in every epoch.
    pub(crate) fn with_living_nodes(names: &[&str]) -> Story {
        let mut story = Story::with_nodes(names);
        story.renewing = names.iter().map(|name| (*name).to_owned()).collect();
        story
    }

    pub(crate) fn epoch(&mut self, ms: i64, inputs: Vec<Input>) -> Epoch {
        let lease =
            |name: &String| Input::Lease(manifests::lease(&node(name), &session(name), ms + 1));
        let inputs: Vec<Input> = self.renewing.iter().map(lease).chain(inputs).collect();
        let mut place = |input| {
            self.offset += 1;
            let position = Position { topic: Topic::Requests, partition: 0, offset: self.offset };
            Sourced { position, input }
        };
        let inputs = inputs.into_iter().map(&mut place).collect();
        let number = self.engine.number() + 1;
        Epoch { number, term: 1, time_ms: ms, complete: true, inputs, ..Epoch::default() }
    }

    /// A complete epoch at this time.
    pub(crate) fn at(&mut self, ms: i64, inputs: Vec<Input>) -> Outcome {
        let epoch = self.epoch(ms, inputs);
        self.decide(epoch)
    }

    pub(crate) fn decide(&mut self, epoch: Epoch) -> Outcome {
        let rows = self.rows.iter().map(|((table, key), value)| (*table, key, value));
        let rebuilt = (!self.rows.is_empty())
            .then(|| Engine::restore(HandWritten::new(), rows).expect("the checkpoint reads back"));
        let again = rebuilt.map(|mut engine| engine.step(epoch.clone()));
        let outcome = self.engine.step(epoch);
        if let Some(again) = again {
            assert_eq!(again.decisions, outcome.decisions, "an engine rebuilt decides the same");
            assert_eq!(again.verdicts, outcome.verdicts);
            assert_eq!(again.resources, outcome.resources, "and tells the same statuses");
            assert_eq!(again.hash, outcome.hash);
        }
        self.remember(&outcome);
        outcome
    }

    fn remember(&mut self, outcome: &Outcome) {
        for (table, key, value) in self.engine.take_rows() {
            match value {
                Some(value) => self.rows.insert((table, key), value),
                None => self.rows.remove(&(table, key)),
            };
        }
        for change in &outcome.placements {
            match &change.placement {
                Some(_) => self.placed.insert(change.uid.clone(), change.node.to_string()),
                None => self.placed.remove(&change.uid),
            };
        }
        for served in &outcome.served {
            match served {
                Served::Waiting(pod) => {
                    self.waiting.insert(pod.uid.clone(), WaitingPod::clone(pod));
                }
                Served::WaitingGone(uid) => {
                    self.waiting.remove(uid);
                }
                _ => {}
            }
        }
        let all = self.engine.everything().served;
        let waits = all.into_iter().filter_map(|served| match served {
            Served::Waiting(pod) => Some((pod.uid.clone(), WaitingPod::clone(&pod))),
            _ => None,
        });
        let waits: BTreeMap<PodUid, WaitingPod> = waits.collect();
        assert_eq!(waits, self.waiting, "who reads from now on sees the same wait");
    }

    pub(crate) fn asks(&mut self, ms: i64, items: Vec<RequestItem>) -> Outcome {
        self.requests += 1;
        let request = manifests::request(&format!("r{}", self.requests), items);
        self.at(ms, vec![Input::Request(Box::new(request))])
    }

    /// Every placed pod is observed running and ready.
    pub(crate) fn all_run(&mut self, ms: i64) -> Outcome {
        let placed = self.placed.clone();
        let inputs = placed.iter().map(|(uid, node)| {
            self.sequence += 1;
            self.ready.insert(uid.clone());
            observed(uid, node, self.sequence, PodPhase::Running)
        });
        let inputs = inputs.collect();
        self.at(ms, inputs)
    }

    /// The next number of what nodes say.
    pub(crate) fn next_sequence(&mut self) -> i64 {
        self.sequence += 1;
        self.sequence
    }

    /// What the compacted topic holds of placements.
    pub(crate) fn compacted_placements(&self) -> Vec<Placed> {
        let position = Position { topic: Topic::Placements, partition: 0, offset: 0 };
        let placed = self.engine.everything().placements.into_iter();
        let placed = placed.filter_map(|change| change.placement);
        placed.map(|p| Placed { placement: (*p).clone(), position, withdrawn: false }).collect()
    }

    /// A leader that has nothing but the compacted topics, of pods' words none, begins at this time.
    pub(crate) fn rebuilt(&mut self, ms: i64, placements: Vec<Placed>) -> Outcome {
        let everything = self.engine.everything();
        let position = Position { topic: Topic::Desired, partition: 0, offset: 0 };
        let resources = everything.resources.into_iter().filter_map(|(_, resource)| resource);
        let nodes = everything.served.iter().filter_map(|served| match served {
            Served::Node(_, Some(node)) => Some(((*node.record).clone(), position)),
            _ => None,
        });
        let compacted = Compacted {
            number: self.engine.number(),
            term: self.engine.term(),
            time_ms: self.engine.time_ms(),
            resources: resources.map(|resource| ((*resource).clone(), position)).collect(),
            nodes: nodes.collect(),
            placements,
            ..Compacted::default()
        };
        let policy = self.engine.policy().clone();
        self.engine =
            Engine::rebuild(HandWritten::new(), &policy, compacted).expect("the topics fit");
        self.rows.clear();
        self.waiting.clear();
        let epoch = Epoch { rebuilt: true, renew_leases: true, ..self.epoch(ms, vec![]) };
        self.decide(epoch)
    }

    /// A cold step at this time; the status of a resource after it.
    pub(crate) fn status(&mut self, ms: i64, key: &str) -> Value {
        let epoch = Epoch { cold: true, ..self.epoch(ms, vec![]) };
        self.decide(epoch);
        let key = ResourceKey::parse(key).expect("a key");
        let all = self.engine.everything().resources;
        let found = all.into_iter().find(|(found, _)| *found == key).and_then(|(_, found)| found);
        found.map_or(Value::Null, |found| serde_json::from_str(&found.status).expect("JSON"))
    }

    /// The only placed pod.
    pub(crate) fn only_pod(&self) -> PodUid {
        assert_eq!(self.placed.len(), 1);
        self.placed.keys().next().expect("one").clone()
    }

    /// These nodes renew their leases.
    pub(crate) fn renew(&mut self, ms: i64, names: &[&str]) -> Outcome {
        let leases = names
            .iter()
            .map(|name| Input::Lease(manifests::lease(&node(name), &session(name), ms + 1)));
        let leases = leases.collect();
        self.at(ms, leases)
    }
}

pub(crate) fn node(name: &str) -> NodeName {
    NodeName::parse(name).expect("a node name")
}

pub(crate) fn session(name: &str) -> SessionId {
    SessionId::parse(&format!("{name}-s1")).expect("a session")
}

pub(crate) fn joins(name: &str, cpu: i64) -> Input {
    Input::Node(Box::new(manifests::node(&node(name), &session(name), cpu)))
}

pub(crate) fn observed(uid: &PodUid, on: &str, sequence: i64, phase: PodPhase) -> Input {
    let sample = setpoint_schemas::samples::pod_observed();
    let (node, session) = (node(on), session(on));
    let ready = phase == PodPhase::Running;
    Input::Pod(Observation::of(&PodObserved {
        uid: uid.clone(),
        node,
        session,
        sequence,
        phase,
        ready,
        ..sample
    }))
}

/// All that a node has, at this sequence.
pub(crate) fn has(on: &str, sequence: i64, uids: &[&PodUid]) -> Input {
    Input::Snapshot(Box::new(NodeSnapshot {
        node: node(on),
        session: session(on),
        sequence,
        time_ms: 0,
        uids: uids.iter().map(|uid| (*uid).clone()).collect(),
        epoch: EPOCH_LAST,
    }))
}

/// What was decided: action, and how often.
pub(crate) fn told(outcome: &Outcome) -> String {
    let mut counts: BTreeMap<String, usize> = Default::default();
    for decision in &outcome.decisions {
        *counts.entry(format!("{:?}", decision.action())).or_default() += 1;
    }
    let parts: Vec<String> = counts.iter().map(|(action, n)| format!("{action} {n}")).collect();
    parts.join(", ")
}

pub(crate) fn reason(outcome: &Outcome, action: Action) -> String {
    let decision = outcome.decisions.iter().find(|d| d.action() == action);
    decision.map(|decision| decision.record().reason).unwrap_or_default()
}

pub(crate) fn web(replicas: i64, image: &str) -> Vec<RequestItem> {
    vec![item(Verb::Apply, &deployment("default", "web", replicas, 100, image))]
}
