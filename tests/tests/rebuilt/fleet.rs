//! An engine over a log in memory, and what is done to it.

use std::collections::BTreeSet;

use setpoint_dataflow::views::HandWritten;
use setpoint_dataflow::{Engine, Epoch, Outcome};
use setpoint_schemas::{
    Input, NodeName, Observation, PodObserved, PodPhase, PodUid, Policy, RequestItem, SessionId,
    Verb,
};
use setpoint_tests::committed::Committed;
use setpoint_tests::manifests::{self, deployment, item};
use setpoint_tests::memory_log::MemoryLog;

/// An engine over a log in memory.
pub(crate) struct Fleet {
    pub(crate) engine: Engine<HandWritten>,
    pub(crate) log: MemoryLog,
    pub(crate) committed: Committed,
    pub(crate) policy: Policy,
    sequence: i64,
    requests: usize,
}

impl Fleet {
    /// These nodes, of two cores each, at time 0.
    pub(crate) fn with_nodes(names: &[&str]) -> Fleet {
        let policy = Policy::default();
        let mut fleet = Fleet {
            engine: Engine::new(HandWritten::new(), policy.clone()),
            log: MemoryLog::default(),
            committed: Committed::default(),
            policy,
            sequence: 0,
            requests: 0,
        };
        let joins = |name: &&str| {
            Input::Node(Box::new(manifests::node(&node(name), &session(name), 2_000)))
        };
        fleet.at(0, names.iter().map(joins).collect());
        fleet
    }

    /// The next epoch, at this time, of what is appended now.
    pub(crate) fn epoch(&mut self, ms: i64, inputs: Vec<Input>) -> Epoch {
        for input in inputs {
            self.log.append(input);
        }
        let inputs = self.log.between(&self.committed.cut(), &self.log.ends());
        let number = self.engine.number() + 1;
        let term = self.engine.term().max(1);
        Epoch { number, term, time_ms: ms, complete: true, inputs, ..Epoch::default() }
    }

    pub(crate) fn commit(&mut self, epoch: Epoch, outcome: &Outcome) {
        let epoch = Epoch { inputs: Vec::new(), ..epoch };
        let cut = self.log.ends();
        self.committed.commit(epoch, cut, outcome, &mut self.log);
    }

    pub(crate) fn decide(&mut self, epoch: Epoch) -> Outcome {
        let outcome = self.engine.step(epoch.clone());
        self.commit(epoch, &outcome);
        outcome
    }

    pub(crate) fn at(&mut self, ms: i64, inputs: Vec<Input>) -> Outcome {
        let epoch = self.epoch(ms, inputs);
        self.decide(epoch)
    }

    pub(crate) fn request(&mut self, items: Vec<RequestItem>) -> Input {
        self.requests += 1;
        Input::Request(Box::new(manifests::request(&format!("r{}", self.requests), items)))
    }

    pub(crate) fn asks(&mut self, ms: i64, items: Vec<RequestItem>) -> Outcome {
        let request = self.request(items);
        self.at(ms, vec![request])
    }

    /// Every placed pod on these nodes is observed in this phase.
    pub(crate) fn all_are(&mut self, ms: i64, phase: PodPhase) -> Outcome {
        let placed: Vec<(PodUid, NodeName)> =
            self.committed.placements.values().map(|p| (p.uid.clone(), p.node.clone())).collect();
        let inputs = placed.into_iter().map(|(uid, on)| self.sees(&uid, &on, ms, phase));
        let inputs = inputs.collect();
        self.at(ms, inputs)
    }

    pub(crate) fn sees(&mut self, uid: &PodUid, on: &NodeName, ms: i64, phase: PodPhase) -> Input {
        self.sequence += 1;
        Input::Pod(Observation::of(&PodObserved {
            uid: uid.clone(),
            node: on.clone(),
            session: session(on.as_str()),
            sequence: self.sequence,
            time_ms: ms,
            phase,
            ready: phase == PodPhase::Running,
            ..setpoint_schemas::samples::pod_observed()
        }))
    }

    pub(crate) fn renew(&mut self, ms: i64, names: &[&str]) -> Outcome {
        let lease =
            |name: &&str| Input::Lease(manifests::lease(&node(name), &session(name), ms + 1));
        self.at(ms, names.iter().map(lease).collect())
    }

    /// The engine and its checkpoint are gone, and all topics that forget by time: the first epoch
    /// of the engine that is rebuilt.
    pub(crate) fn rebuilt(&mut self, ms: i64) -> Outcome {
        let compacted = self.committed.compacted(&self.log, true);
        self.engine = Engine::rebuild(HandWritten::new(), &self.policy, compacted).expect("fits");
        assert!(!self.engine.is_exact());
        let epoch = self.epoch(ms, vec![]);
        let term = epoch.term + 1;
        let epoch = Epoch { term, rebuilt: true, renew_leases: true, ..epoch };
        let outcome = self.decide(epoch);
        assert!(self.engine.is_exact(), "the leader's state is the truth");
        outcome
    }

    pub(crate) fn placed(&self) -> BTreeSet<PodUid> {
        self.committed.placements.keys().cloned().collect()
    }
}

pub(crate) fn node(name: &str) -> NodeName {
    NodeName::parse(name).unwrap()
}

fn session(name: &str) -> SessionId {
    SessionId::parse(&format!("{name}-s1")).unwrap()
}

pub(crate) fn web(replicas: i64, image: &str) -> Vec<RequestItem> {
    vec![item(Verb::Apply, &deployment("default", "web", replicas, 100, image))]
}

/// What was decided: action and rule, in order.
pub(crate) fn told(outcome: &Outcome) -> Vec<String> {
    outcome.ledger().iter().map(|d| format!("{:?} {}", d.action, d.rule)).collect()
}
