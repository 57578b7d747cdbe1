//! An engine rebuilt from the compacted topics, and one that follows what it would not have
//! decided: each a small story.

#![allow(clippy::unwrap_used, reason = "tests may, helpers of tests too")]

use std::collections::BTreeSet;

use setpoint_dataflow::views::HandWritten;
use setpoint_dataflow::{Engine, Epoch, Outcome, Recorded, Served};
use setpoint_schemas::{
    Action, Input, NodeName, Observation, PodObserved, PodPhase, PodUid, Policy, RequestItem,
    SessionId, Verb,
};
use setpoint_tests::committed::Committed;
use setpoint_tests::manifests::{
    self, budget, daemon_set, deployment, item, of_priority, rolling, undo_web,
};
use setpoint_tests::memory_log::MemoryLog;

/// An engine over a log in memory.
struct Fleet {
    engine: Engine<HandWritten>,
    log: MemoryLog,
    committed: Committed,
    policy: Policy,
    sequence: i64,
    requests: usize,
}

impl Fleet {
    /// These nodes, of two cores each, at time 0.
    fn with_nodes(names: &[&str]) -> Fleet {
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
    fn epoch(&mut self, ms: i64, inputs: Vec<Input>) -> Epoch {
        for input in inputs {
            self.log.append(input);
        }
        let inputs = self.log.between(&self.committed.cut(), &self.log.ends());
        let number = self.engine.number() + 1;
        let term = self.engine.term().max(1);
        Epoch { number, term, time_ms: ms, complete: true, inputs, ..Epoch::default() }
    }

    fn commit(&mut self, epoch: Epoch, outcome: &Outcome) {
        let epoch = Epoch { inputs: Vec::new(), ..epoch };
        let cut = self.log.ends();
        self.committed.commit(epoch, cut, outcome, &mut self.log);
    }

    fn decide(&mut self, epoch: Epoch) -> Outcome {
        let outcome = self.engine.step(epoch.clone());
        self.commit(epoch, &outcome);
        outcome
    }

    fn at(&mut self, ms: i64, inputs: Vec<Input>) -> Outcome {
        let epoch = self.epoch(ms, inputs);
        self.decide(epoch)
    }

    fn request(&mut self, items: Vec<RequestItem>) -> Input {
        self.requests += 1;
        Input::Request(Box::new(manifests::request(&format!("r{}", self.requests), items)))
    }

    fn asks(&mut self, ms: i64, items: Vec<RequestItem>) -> Outcome {
        let request = self.request(items);
        self.at(ms, vec![request])
    }

    /// Every placed pod on these nodes is observed in this phase.
    fn all_are(&mut self, ms: i64, phase: PodPhase) -> Outcome {
        let placed: Vec<(PodUid, NodeName)> =
            self.committed.placements.values().map(|p| (p.uid.clone(), p.node.clone())).collect();
        let inputs = placed.into_iter().map(|(uid, on)| self.sees(&uid, &on, ms, phase));
        let inputs = inputs.collect();
        self.at(ms, inputs)
    }

    fn sees(&mut self, uid: &PodUid, on: &NodeName, ms: i64, phase: PodPhase) -> Input {
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

    fn renew(&mut self, ms: i64, names: &[&str]) -> Outcome {
        let lease =
            |name: &&str| Input::Lease(manifests::lease(&node(name), &session(name), ms + 1));
        self.at(ms, names.iter().map(lease).collect())
    }

    /// The engine and its checkpoint are gone, and all topics that forget by time: the first epoch
    /// of the engine that is rebuilt.
    fn rebuilt(&mut self, ms: i64) -> Outcome {
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

    fn placed(&self) -> BTreeSet<PodUid> {
        self.committed.placements.keys().cloned().collect()
    }
}

fn node(name: &str) -> NodeName {
    NodeName::parse(name).unwrap()
}

fn session(name: &str) -> SessionId {
    SessionId::parse(&format!("{name}-s1")).unwrap()
}

fn web(replicas: i64, image: &str) -> Vec<RequestItem> {
    vec![item(Verb::Apply, &deployment("default", "web", replicas, 100, image))]
}

/// What was decided: action and rule, in order.
fn told(outcome: &Outcome) -> Vec<String> {
    outcome.ledger().iter().map(|d| format!("{:?} {}", d.action, d.rule)).collect()
}

#[test]
fn a_settled_fleet_that_is_rebuilt_yields_an_empty_plan() {
    let mut fleet = Fleet::with_nodes(&["a", "b", "c"]);
    fleet.asks(1, web(3, "v1"));
    fleet.asks(2, vec![item(Verb::Apply, &daemon_set("default", "logger", 100, "v1"))]);
    fleet.all_are(3, PodPhase::Running);
    let before = fleet.placed();
    let outcome = fleet.rebuilt(5_000);
    assert_eq!(told(&outcome), [""; 0]);
    assert!(outcome.placements.is_empty());
    assert_eq!(fleet.placed(), before);
}

#[test]
fn a_rebuilt_engine_never_names_a_new_pod_as_an_earlier_one() {
    let mut fleet = Fleet::with_nodes(&["a", "b"]);
    let mut ever = BTreeSet::new();
    fleet.asks(1, web(4, "v1"));
    ever.extend(fleet.placed());
    fleet.all_are(2, PodPhase::Running);
    // The highest counters are those of pods that are gone and forgotten.
    fleet.asks(3, web(1, "v1"));
    fleet.committed.withdrawn.clear();
    for round in 0..3 {
        fleet.rebuilt(10_000 * (round + 1));
        let before = fleet.placed();
        let outcome = fleet.asks(10_000 * (round + 1) + 1, web(3 + round, "v1"));
        assert!(told(&outcome).contains(&"Place placement".to_owned()), "{:?}", told(&outcome));
        for uid in fleet.placed().difference(&before) {
            assert!(ever.insert(uid.clone()), "{uid} was there before");
        }
    }
}

#[test]
fn an_update_goes_on_within_its_bounds_and_can_be_undone() {
    let mut fleet = Fleet::with_nodes(&["a", "b", "c"]);
    let apply = |image: &str| {
        vec![item(Verb::Apply, &rolling(deployment("default", "web", 4, 100, image), 1, 1))]
    };
    fleet.asks(1, apply("v1"));
    fleet.all_are(2, PodPhase::Running);
    fleet.asks(3, apply("v2"));
    let outcome = fleet.rebuilt(4);
    assert!(outcome.placements.is_empty(), "the new pods are not ready: {:?}", told(&outcome));
    let mut ms = 5;
    while fleet.committed.placements.values().any(|p| p.pattern.spec.contains("v1")) {
        assert!(fleet.placed().len() <= 5, "desired and surge");
        fleet.all_are(ms, PodPhase::Running);
        ms += 1;
        assert!(ms < 60, "the update ends");
    }
    fleet.rebuilt(ms + 1);
    let outcome = fleet.asks(ms + 2, vec![undo_web()]);
    let ledger = outcome.ledger();
    let begun = ledger.iter().find(|d| d.action == Action::Rollout);
    assert_eq!(begun.map(|d| d.reason.as_str()), Some("revision 3 begins"));
    let placed = outcome.placements.iter().find_map(|change| change.placement.clone());
    assert!(placed.expect("a pod").pattern.spec.contains("v1"));
}

#[test]
fn a_lost_node_is_still_lost_to_a_rebuilt_engine() {
    let mut fleet = Fleet::with_nodes(&["a", "b", "c"]);
    fleet.asks(1, web(3, "v1"));
    fleet.all_are(2, PodPhase::Running);
    for ms in [5_000, 10_000] {
        fleet.renew(ms, &["a", "b"]);
    }
    let outcome = fleet.at(15_000, vec![]);
    assert!(told(&outcome).contains(&"NodeLost lease".to_owned()));
    fleet.all_are(15_001, PodPhase::Running);
    assert_eq!(told(&fleet.rebuilt(16_000)), [""; 0]);
    let outcome = fleet.asks(16_001, web(9, "v1"));
    let nodes: BTreeSet<_> = outcome.placements.iter().map(|p| p.node.to_string()).collect();
    assert!(!nodes.contains("c"), "nothing is placed on it: {nodes:?}");
    // It returns as ever.
    let outcome = fleet.renew(17_000, &["a", "b", "c"]);
    assert_eq!(told(&outcome), ["NodeReturned lease"]);
}

#[test]
fn a_pod_that_still_stops_keeps_its_room() {
    let mut fleet = Fleet::with_nodes(&["a"]);
    let large =
        |replicas| vec![item(Verb::Apply, &deployment("default", "big", replicas, 1_500, "v1"))];
    fleet.asks(1, large(1));
    fleet.all_are(2, PodPhase::Running);
    let stopping = fleet.placed().pop_first().expect("a pod");
    fleet.asks(3, large(0));
    fleet.rebuilt(4);
    assert_eq!(told(&fleet.asks(5, large(1))), ["Accept admission", "Wait placement"]);
    let gone = fleet.sees(&stopping, &node("a"), 6, PodPhase::Gone);
    let outcome = fleet.at(6, vec![gone]);
    assert_eq!(told(&outcome), ["Place placement"]);
    assert!(outcome.served.contains(&Served::PodGone(stopping)));
}

#[test]
fn pods_on_a_node_that_nobody_knows_are_replaced_after_a_full_grace() {
    let mut fleet = Fleet::with_nodes(&["a", "b"]);
    fleet.asks(1, web(2, "v1"));
    fleet.all_are(2, PodPhase::Running);
    let mut compacted = fleet.committed.compacted(&fleet.log, true);
    compacted.nodes.retain(|(record, _)| record.node.as_str() != "b");
    fleet.engine = Engine::rebuild(HandWritten::new(), &fleet.policy, compacted).expect("fits");
    let epoch = fleet.epoch(1_000, vec![]);
    let first = fleet.decide(Epoch { term: 2, rebuilt: true, renew_leases: true, ..epoch });
    assert_eq!(told(&first), [""; 0]);
    for ms in [5_000, 10_000] {
        fleet.renew(ms, &["a"]);
    }
    let outcome = fleet.at(16_000, vec![]);
    assert_eq!(told(&outcome), ["NodeLost lease", "Stop node_loss", "Place placement"]);
}

#[test]
fn what_is_left_on_the_log_of_pods_that_are_gone_is_found_by_a_rebuilt_engine() {
    let mut fleet = Fleet::with_nodes(&["a", "b"]);
    fleet.asks(1, web(3, "v1"));
    fleet.all_are(2, PodPhase::Running);
    fleet.asks(3, web(1, "v1"));
    let before = fleet.log.observed_for_ever();
    let stopping: Vec<(PodUid, NodeName)> =
        before.iter().filter(|(uid, _)| !fleet.placed().contains(uid)).cloned().collect();
    let gone = stopping.iter().map(|(uid, on)| fleet.sees(uid, on, 4, PodPhase::Gone));
    let gone = gone.collect();
    let outcome = fleet.at(4, gone);
    assert_eq!(outcome.remains.len(), 2);
    // The leader dies before it writes their tombstones, and its checkpoint with it.
    fleet.rebuilt(5);
    let left = fleet.engine.remains();
    assert_eq!(left, outcome.remains);
    left.iter().for_each(|remains| fleet.log.bury(remains));
    fleet.at(6, vec![]);
    assert_eq!(fleet.engine.remains(), []);
    assert_eq!(fleet.log.observed_for_ever().len(), 1);
    // With tombstones where observations were, a rebuild knows what it knew.
    assert_eq!(told(&fleet.rebuilt(7)), [""; 0]);
    assert_eq!((fleet.engine.remains(), fleet.placed().len()), (vec![], 1));
}

/// Follows an epoch as another leader decided it: that leader had other settings.
fn follow_another(fleet: &mut Fleet, ms: i64, items: Vec<RequestItem>) -> (Outcome, Vec<String>) {
    let other =
        Policy { placement_samples: 1, starts_per_second: 1, starts_burst: 1, ..Policy::default() };
    let rows = fleet.engine.take_rows().into_iter();
    let rows = rows.filter_map(|(table, key, value)| Some((table, key, value?)));
    let mut leader = Engine::restore(HandWritten::new(), rows).expect("restores");
    let request = fleet.request(items);
    let epoch = fleet.epoch(ms, vec![request]);
    let outcome = leader.step(Epoch { policy: Some(other), ..epoch.clone() });
    let recorded = Recorded {
        hash: outcome.hash,
        resources: outcome.resources.clone(),
        placements: outcome.placements.clone(),
        decisions: outcome.ledger(),
    };
    let followed = fleet.engine.follow(epoch.clone(), &recorded);
    fleet.commit(epoch, &outcome);
    assert_eq!(followed.outcome.ledger(), outcome.ledger());
    (followed.outcome, followed.differences)
}

#[test]
fn what_is_recorded_is_followed_and_what_would_differ_is_told() {
    let mut fleet = Fleet::with_nodes(&["a", "b", "c"]);
    let (outcome, differences) = follow_another(&mut fleet, 1_000, web(3, "v1"));
    assert_eq!(outcome.placements.iter().filter(|p| p.placement.is_some()).count(), 1);
    let places = differences.iter().filter(|d| d.starts_with("these rules would place"));
    assert!(places.count() >= 2, "{differences:#?}");
    assert!(!fleet.engine.is_exact());
    assert_eq!(fleet.engine.everything().placements.len(), 1, "what is recorded, and no more");
    // As a leader it goes on from there, and names no pod twice.
    let outcome = fleet.at(1_001, vec![]);
    assert_eq!(told(&outcome), ["Place placement", "Place placement"]);
    assert_eq!(fleet.placed().len(), 3);
}

#[test]
fn what_is_decided_alike_leaves_the_engine_exact() {
    let mut fleet = Fleet::with_nodes(&["a"]);
    let request = fleet.request(web(1, "v1"));
    let epoch = fleet.epoch(1, vec![request]);
    let rows = fleet.engine.take_rows().into_iter();
    let rows = rows.filter_map(|(table, key, value)| Some((table, key, value?)));
    let mut leader = Engine::restore(HandWritten::new(), rows).expect("restores");
    let outcome = leader.step(epoch.clone());
    let recorded = Recorded {
        hash: outcome.hash,
        resources: outcome.resources.clone(),
        placements: outcome.placements.clone(),
        decisions: outcome.ledger(),
    };
    let followed = fleet.engine.follow(epoch, &recorded);
    assert_eq!(followed.differences, [""; 0]);
    assert_eq!(followed.outcome, outcome);
    assert!(fleet.engine.is_exact());
}

#[test]
fn a_budget_that_another_leader_refused_covers_nobody_here() {
    let mut fleet = Fleet::with_nodes(&["a"]);
    let kept = deployment("default", "kept", 1, 1_500, "v1");
    let request = fleet.request(vec![item(Verb::Apply, &kept)]);
    fleet.at(1, vec![request]);
    let request = fleet.request(vec![item(Verb::Apply, &budget("kept", 1))]);
    let epoch = fleet.epoch(2, vec![request]);
    let refused =
        Recorded { hash: 0, resources: Vec::new(), placements: Vec::new(), decisions: Vec::new() };
    let followed = fleet.engine.follow(epoch.clone(), &refused);
    assert!(!followed.differences.is_empty());
    fleet.commit(epoch, &followed.outcome);
    let high = of_priority(deployment("default", "high", 1, 1_500, "v1"), 10);
    let request = fleet.request(vec![item(Verb::Apply, &high)]);
    let outcome = fleet.at(3, vec![request]);
    let waits =
        outcome.ledger().into_iter().find(|d| d.action == Action::Wait && d.rule == "preemption");
    let why = waits.expect("somebody goes for it").reason;
    assert!(!why.contains("beyond"), "{why}");
}
