//! Engines rebuilt from the compacted topics: what they know, and what they forget.

use std::collections::BTreeSet;

use setpoint_dataflow::views::HandWritten;
use setpoint_dataflow::{Engine, Epoch, Served};
use setpoint_schemas::{Action, NodeName, PodPhase, PodUid, Verb};
use setpoint_tests::manifests::{daemon_set, deployment, item, rolling, undo_web};

use super::fleet::{Fleet, node, told, web};

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
