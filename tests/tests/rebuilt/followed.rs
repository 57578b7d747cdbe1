//! Engines that follow what they would not have decided: what they hold is what is recorded.

use std::sync::Arc;

use serde_json::json;
use setpoint_dataflow::views::HandWritten;
use setpoint_dataflow::{Engine, Epoch, Outcome, PlacementChange, Recorded, Remains};
use setpoint_schemas::{Action, LEAVING, Placement, PodPhase, Policy, RequestItem, Verb};
use setpoint_tests::manifests::{
    bare_pod, budget, daemon_set, deployment, item, of_priority, patch,
};

use super::fleet::{Fleet, node, told, web};

/// The leader, who knows what the fleet's engine knows; the first time in a fleet's life.
fn another(fleet: &mut Fleet) -> Engine<HandWritten> {
    let rows = fleet.engine.take_rows().into_iter();
    let rows = rows.filter_map(|(table, key, value)| Some((table, key, value?)));
    Engine::restore(HandWritten::new(), rows).expect("restores")
}

fn recorded(outcome: &Outcome) -> Recorded {
    Recorded {
        hash: outcome.hash,
        resources: outcome.resources.clone(),
        placements: outcome.placements.clone(),
        decisions: outcome.ledger(),
    }
}

fn nothing() -> Recorded {
    Recorded { hash: 0, resources: Vec::new(), placements: Vec::new(), decisions: Vec::new() }
}

/// Follows an epoch as another leader decided it: that leader had other settings.
fn follow_another(fleet: &mut Fleet, ms: i64, items: Vec<RequestItem>) -> (Outcome, Vec<String>) {
    let other =
        Policy { placement_samples: 1, starts_per_second: 1, starts_burst: 1, ..Policy::default() };
    let mut leader = another(fleet);
    let request = fleet.request(items);
    let epoch = fleet.epoch(ms, vec![request]);
    let outcome = leader.step(Epoch { policy: Some(other), ..epoch.clone() });
    let followed = fleet.engine.follow(epoch.clone(), &recorded(&outcome));
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
    let mut leader = another(&mut fleet);
    let outcome = leader.step(epoch.clone());
    let followed = fleet.engine.follow(epoch, &recorded(&outcome));
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
    let followed = fleet.engine.follow(epoch.clone(), &nothing());
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

#[test]
fn who_leads_after_following_looks_where_daemons_waited_for_room() {
    let mut fleet = Fleet::with_nodes(&["a"]);
    let app = deployment("default", "web", 1, 1_500, "v1");
    fleet.asks(1, vec![item(Verb::Apply, &app)]);
    fleet.all_are(2, PodPhase::Running);
    let waits = fleet.asks(3, vec![item(Verb::Apply, &daemon_set("default", "log", 1_000, "v1"))]);
    assert!(told(&waits).contains(&"Wait placement".to_owned()));
    let epoch = fleet.epoch(4, vec![]);
    let term = epoch.term + 1;
    fleet.decide(Epoch { term, rebuilt: true, renew_leases: true, ..epoch });
    let stopped = fleet.asks(5, vec![item(Verb::Delete, &app)]);
    let gone = fleet.sees(&stopped.placements[0].uid, &node("a"), 6, PodPhase::Gone);
    assert_eq!(told(&fleet.at(6, vec![gone])), ["Place placement"]);
}

#[test]
fn who_leads_after_following_makes_those_leave_whom_another_leader_let_stay() {
    let mut fleet = Fleet::with_nodes(&["a", "b"]);
    fleet.asks(1, web(1, "v1"));
    fleet.all_are(2, PodPhase::Running);
    let on = fleet.committed.placements.values().next().expect("one pod").node.clone();
    let taints = json!({"spec": {"taints": [{"key": "out", "effect": "NoExecute"}]}});
    let taint = patch(Verb::MergePatch, ("v1", "Node"), "", on.as_str(), &taints);
    let request = fleet.request(vec![taint]);
    let epoch = fleet.epoch(3, vec![request]);
    // By the leader's rules nobody leaves for it.
    let outcome = another(&mut fleet).step(epoch.clone());
    let mut recorded = Recorded { hash: 0, placements: Vec::new(), ..recorded(&outcome) };
    recorded.decisions.retain(|decision| decision.action == Action::Accept);
    let followed = fleet.engine.follow(epoch.clone(), &recorded);
    assert!(followed.differences.iter().any(|d| d.contains("stop")), "{:?}", followed.differences);
    fleet.commit(epoch, &followed.outcome);
    assert_eq!(fleet.placed().len(), 1, "as recorded");

    let epoch = fleet.epoch(4, vec![]);
    let term = epoch.term + 1;
    let first = Epoch { term, rebuilt: true, renew_leases: true, complete: false, ..epoch };
    assert_eq!(told(&fleet.decide(first)), [""; 0], "who set it may have taken it back already");
    assert_eq!(told(&fleet.at(5_000, vec![])), ["Stop taint", "Place placement"]);
}

/// That a node's resource be deleted.
fn deletion_of(name: &str) -> RequestItem {
    let metadata = json!({"name": name});
    item(Verb::Delete, &json!({"apiVersion": "v1", "kind": "Node", "metadata": metadata}))
}

#[test]
fn a_node_that_is_kept_by_another_leader_is_not_buried_here() {
    let mut fleet = Fleet::with_nodes(&["a", "b", "c"]);
    for ms in [5_000, 10_000] {
        fleet.renew(ms, &["a", "b"]);
    }
    assert!(told(&fleet.at(15_000, vec![])).contains(&"NodeLost lease".to_owned()));
    let request = fleet.request(vec![deletion_of("c")]);
    let epoch = fleet.epoch(15_001, vec![request]);
    // These rules would delete it, and bury what is left of it; the leader refused.
    let followed = fleet.engine.follow(epoch.clone(), &nothing());
    assert!(!followed.differences.is_empty());
    fleet.commit(epoch, &followed.outcome);
    assert_eq!(fleet.engine.remains(), []);
    // Asked again, it is deleted and buried.
    fleet.asks(15_002, vec![deletion_of("c")]);
    assert_eq!(fleet.engine.remains(), [Remains::Node(node("c"))]);
}

#[test]
fn a_node_that_another_leader_still_hears_is_not_buried_here() {
    let mut fleet = Fleet::with_nodes(&["a", "b", "c"]);
    for ms in [5_000, 10_000] {
        fleet.renew(ms, &["a", "b"]);
    }
    let request = fleet.request(vec![deletion_of("c")]);
    let epoch = fleet.epoch(15_000, vec![request]);
    // In one epoch these rules would take it for lost and delete its resource; the leader, whose
    // grace is longer, did the second only.
    let mut leader = another(&mut fleet);
    let patient = Policy { lease_grace_ms: 60_000, ..Policy::default() };
    let outcome = leader.step(Epoch { policy: Some(patient), ..epoch.clone() });
    assert_eq!(told(&outcome), ["Accept admission"]);
    let followed = fleet.engine.follow(epoch.clone(), &recorded(&outcome));
    assert!(!followed.differences.is_empty());
    fleet.commit(epoch, &outcome);
    assert_eq!(fleet.engine.remains(), [], "it lives");
    fleet.renew(15_001, &["a", "b", "c"]);
    assert_eq!(fleet.engine.remains(), [], "it lives");
}

#[test]
fn a_bare_pod_whose_change_another_leader_refused_leaves_as_it_was_recorded() {
    let mut fleet = Fleet::with_nodes(&["a"]);
    fleet.asks(1, vec![item(Verb::Apply, &bare_pod("default", "tool", 100, "v1"))]);
    fleet.all_are(2, PodPhase::Running);
    let placed = |fleet: &Fleet| {
        let placements = fleet.engine.everything().placements;
        placements.into_iter().find_map(|change| change.placement).expect("one pod")
    };
    let mut leaving = Placement::clone(&placed(&fleet));
    let pattern = Arc::make_mut(&mut leaving.pattern);
    pattern.annotations.insert(LEAVING.to_owned(), "60000".to_owned());
    let (uid, node) = (leaving.uid.clone(), leaving.node.clone());
    let change = PlacementChange { uid, node, placement: Some(Arc::new(leaving)) };
    // By the leader's rules it waits for something.
    let epoch = fleet.epoch(3, vec![]);
    let followed =
        fleet.engine.follow(epoch.clone(), &Recorded { placements: vec![change], ..nothing() });
    fleet.commit(epoch, &followed.outcome);
    assert_eq!(placed(&fleet).leaving_ms(), 60_000);

    let labels = json!({"metadata": {"labels": {"tier": "front"}}});
    let change = patch(Verb::MergePatch, ("v1", "Pod"), "default", "tool", &labels);
    let request = fleet.request(vec![change]);
    let epoch = fleet.epoch(4, vec![request]);
    let followed = fleet.engine.follow(epoch.clone(), &nothing());
    fleet.commit(epoch, &followed.outcome);
    let placed = placed(&fleet);
    assert_eq!(placed.pattern.labels.get("tier"), None, "what was refused is taken back");
    assert_eq!(placed.leaving_ms(), 60_000, "that it leaves was recorded before");
}
