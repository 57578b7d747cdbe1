//! Preemption: who stops for whom, what is kept meanwhile, and what the ledger says of it.

use serde_json::{Value, json};
use setpoint_dataflow::Outcome;
use setpoint_schemas::{Action, Input, PodPhase, PodUid, Verb};
use setpoint_tests::manifests::{
    bare_pod, budget, daemon_set, deployment, item, of_class, of_priority, priority_class,
};

use crate::story::{Story, joins, observed, told};

/// A Deployment of this many pods of three quarters of a node each.
fn app(name: &str, replicas: i64, priority: i64) -> Value {
    of_priority(deployment("default", name, replicas, 1_500, "v1"), priority)
}

fn apply(story: &mut Story, ms: i64, objects: &[Value]) -> Outcome {
    story.asks(ms, objects.iter().map(|object| item(Verb::Apply, object)).collect())
}

/// Pods of these apps, of these priorities, one on each node, all of them ready.
fn full(nodes: &[&str], apps: &[(&str, i64)]) -> Story {
    let mut story = Story::with_nodes(nodes);
    for (ms, (name, priority)) in (1..).zip(apps) {
        apply(&mut story, ms, &[app(name, 1, *priority)]);
    }
    story.all_run(9);
    story
}

/// The reasons of the decisions of this action by the rule of preemption.
fn said(outcome: &Outcome, action: Action) -> Vec<String> {
    let ledger = outcome.ledger().into_iter();
    let by_rule = ledger.filter(|d| d.rule == "preemption" && d.action == action);
    by_rule.map(|decision| decision.reason).collect()
}

/// The pod that the rule of preemption stopped, with its node and workload.
fn victim(outcome: &Outcome) -> (PodUid, String, String) {
    let stopped =
        |d: &setpoint_schemas::Decision| d.rule == "preemption" && d.action == Action::Stop;
    let mut all = outcome.ledger().into_iter().filter(stopped);
    let victim = all.next().expect("somebody was preempted");
    assert!(all.next().is_none(), "one victim is enough");
    let uid = PodUid::parse(&victim.pod).expect("a uid");
    (uid, victim.node, victim.resource)
}

/// The workloads of the pods that were placed.
fn placed_of(outcome: &Outcome) -> Vec<String> {
    let placed = outcome.ledger().into_iter().filter(|d| d.action == Action::Place);
    placed.map(|decision| decision.resource).collect()
}

fn gone(uid: &PodUid, node: &str) -> Vec<Input> {
    vec![observed(uid, node, 1_000, PodPhase::Gone)]
}

fn nominated(story: &Story, app: &str) -> Option<String> {
    let mut waiting = story.waiting.values().filter(|pod| &*pod.workload.name == app);
    waiting.find_map(|pod| pod.nominated.as_ref().map(ToString::to_string))
}

#[test]
fn the_lowest_stops_for_a_higher_one_which_gets_its_room_when_it_is_gone() {
    let mut story = full(&["a", "b"], &[("low", 0), ("mid", 5)]);
    let outcome = apply(&mut story, 10, &[app("high", 1, 10)]);
    let (uid, node, of) = victim(&outcome);
    assert_eq!(of, "apps/Deployment/default/low");
    let stop = &said(&outcome, Action::Stop)[0];
    assert!(stop.starts_with("preempted by default/high-"), "{stop}");
    assert!(stop.ends_with(&format!("(priority 10), which gets its room on {node}")), "{stop}");
    let wait = &said(&outcome, Action::Wait)[0];
    let why = "0/2 nodes are available: 2 Insufficient cpu. preemption: preempts default/low-";
    assert!(wait.starts_with(why), "{wait}");
    assert!(
        wait.ends_with(&format!("(priority 0) on {node} and waits for them to stop")),
        "{wait}"
    );
    assert_eq!(nominated(&story, "high"), Some(node.clone()));
    assert_eq!(nominated(&story, "low"), None, "its replacement waits like any other");
    assert_eq!(story.waiting.len(), 2);

    let outcome = story.at(11, gone(&uid, &node));
    assert_eq!(told(&outcome), "Place 1");
    let placed = outcome.ledger().into_iter().find(|d| d.action == Action::Place);
    let placed = placed.map(|d| (d.resource, d.node));
    assert_eq!(placed, Some(("apps/Deployment/default/high".to_owned(), node)));
    assert_eq!(story.waiting.len(), 1, "the replacement of the victim");
}

#[test]
fn nobody_stops_for_an_equal_one_nor_for_one_that_never_preempts_nor_in_vain() {
    let mut story = full(&["a"], &[("low", 5)]);
    assert_eq!(told(&apply(&mut story, 10, &[app("equal", 1, 5)])), "Accept 1, Wait 1");
    let mut patient = app("patient", 1, 10);
    patient["spec"]["template"]["spec"]["preemptionPolicy"] = "Never".into();
    assert_eq!(told(&apply(&mut story, 11, &[patient])), "Accept 1, Wait 1");
    let vast = of_priority(deployment("default", "vast", 1, 9_000, "v1"), 10);
    assert_eq!(told(&apply(&mut story, 12, &[vast])), "Accept 1, Wait 1");
}

/// It does not bear pods of this app on its node.
fn shunning(mut object: Value, app: &str) -> Value {
    let term = json!({
        "topologyKey": "kubernetes.io/hostname", "labelSelector": { "matchLabels": { "app": app } },
    });
    let away = json!({ "requiredDuringSchedulingIgnoredDuringExecution": [term] });
    object["spec"]["template"]["spec"]["affinity"] = json!({ "podAntiAffinity": away });
    object
}

#[test]
fn who_would_not_be_borne_beside_it_stays_away_while_room_is_promised() {
    let small = |name, priority| of_priority(deployment("default", name, 1, 500, "v1"), priority);
    let pairs = [
        (small("low", 0), shunning(small("high", 10), "low")),
        (shunning(small("low", 0), "high"), small("high", 10)),
    ];
    for (low, high) in pairs {
        let mut story = Story::with_nodes(&["a"]);
        apply(&mut story, 1, &[low]);
        story.all_run(9);
        let outcome = apply(&mut story, 10, &[high]);
        let (uid, node, _) = victim(&outcome);
        assert_eq!(placed_of(&outcome), [""; 0], "there is room, and not beside it");
        assert_eq!(nominated(&story, "high"), Some(node.clone()));
        let outcome = story.at(11, gone(&uid, &node));
        assert_eq!(placed_of(&outcome), ["apps/Deployment/default/high"]);
    }
}

#[test]
fn room_that_is_kept_is_not_taken_by_a_lower_one_and_goes_to_a_higher_one() {
    let mut story = full(&["a"], &[("low", 0)]);
    let (uid, node, _) = victim(&apply(&mut story, 10, &[app("high", 1, 10)]));
    let small = of_priority(deployment("default", "small", 1, 1_000, "v1"), 5);
    apply(&mut story, 11, &[small]);
    let outcome = apply(&mut story, 12, &[app("top", 1, 20)]);
    let lost = said(&outcome, Action::Wait);
    let goes = "the room on a that was kept for it goes to default/top-";
    assert!(lost.iter().any(|reason| reason.starts_with(goes)), "{lost:?}");
    assert_eq!(said(&outcome, Action::Stop).len(), 0, "the victim stops already");
    assert_eq!((nominated(&story, "top"), nominated(&story, "high")), (Some("a".into()), None));
    story.at(13, gone(&uid, &node));
    let top = |pod: &&setpoint_dataflow::WaitingPod| &*pod.workload.name == "top";
    assert_eq!(story.waiting.values().filter(top).count(), 0);
    assert_eq!(story.placed.len(), 1);
}

#[test]
fn a_preempted_bare_pod_is_deleted() {
    let mut story = Story::with_nodes(&["a"]);
    apply(&mut story, 1, &[bare_pod("default", "alone", 1_500, "v1")]);
    story.all_run(2);
    let outcome = apply(&mut story, 3, &[app("high", 1, 10)]);
    let (uid, node, of) = victim(&outcome);
    assert_eq!(of, "core/Pod/default/alone");
    let is_it = |(key, resource): &(setpoint_schemas::ResourceKey, Option<_>)| {
        &*key.name == "alone" && resource.is_none()
    };
    assert!(outcome.resources.iter().any(is_it), "it is gone, as in Kubernetes");
    assert_eq!(told(&story.at(4, gone(&uid, &node))), "Place 1");
    assert!(story.waiting.is_empty());
}

#[test]
fn a_budget_is_respected_where_there_is_a_choice_and_violated_where_there_is_none() {
    let mut story = full(&["a", "b"], &[("other", 0), ("kept", 0)]);
    apply(&mut story, 10, &[budget("kept", 1)]);
    let status = story.status(11, "policy/PodDisruptionBudget/default/kept");
    assert_eq!(numbers(&status), [0, 1, 1, 1]);
    let (uid, node, of) = victim(&apply(&mut story, 12, &[app("high", 1, 10)]));
    assert_eq!(of, "apps/Deployment/default/other", "though the other is there for longer");
    story.at(13, gone(&uid, &node));
    story.all_run(14);
    let outcome = apply(&mut story, 15, &[app("more", 1, 10)]);
    let (_, _, of) = victim(&outcome);
    assert_eq!(of, "apps/Deployment/default/kept");
    let beyond = "1 of them beyond its disruption budget: no other choice was within all";
    assert!(said(&outcome, Action::Wait).iter().any(|reason| reason.ends_with(beyond)));
    let status = story.status(16, "policy/PodDisruptionBudget/default/kept");
    assert_eq!(numbers(&status), [0, 0, 1, 0]);
}

/// Allowed, healthy, desired, expected.
fn numbers(status: &Value) -> [i64; 4] {
    ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"]
        .map(|name| status[name].as_i64().unwrap_or(-1))
}

#[test]
fn a_daemon_of_the_system_gets_its_room_on_every_node() {
    let mut story = full(&["a", "b"], &[("low", 0), ("high", 10)]);
    let logger = of_class(daemon_set("default", "logger", 1_000, "v1"), "system-node-critical");
    let outcome = apply(&mut story, 10, &[logger]);
    let stops = outcome.ledger().into_iter().filter(|d| d.action == Action::Stop);
    let stops: Vec<(PodUid, String)> =
        stops.map(|d| (PodUid::parse(&d.pod).expect("a uid"), d.node)).collect();
    assert_eq!(stops.len(), 2);
    for (ms, (uid, node)) in (11..).zip(stops) {
        assert_eq!(told(&story.at(ms, gone(&uid, &node))), "Place 1");
    }
    assert_eq!(story.placed.len(), 2);
}

#[test]
fn a_promise_that_cannot_be_kept_is_given_up_for_another() {
    let mut story = full(&["a", "b"], &[("low", 0), ("mid", 5)]);
    let (_, node, _) = victim(&apply(&mut story, 10, &[app("high", 1, 10)]));
    let cordon = serde_json::json!({"spec": {"unschedulable": true}});
    let cordon =
        setpoint_tests::manifests::patch(Verb::MergePatch, ("v1", "Node"), "", &node, &cordon);
    let outcome = story.asks(11, vec![cordon]);
    let (uid, other, of) = victim(&outcome);
    assert_eq!((of.as_str(), node == other), ("apps/Deployment/default/mid", false));
    assert_eq!(told(&story.at(12, gone(&uid, &other))), "Place 1");
}

#[test]
fn a_promise_stands_though_the_class_behind_it_is_deleted() {
    let mut story = full(&["a"], &[("low", 0)]);
    let urgent = of_class(deployment("default", "urgent", 1, 1_500, "v1"), "urgent");
    let class = priority_class("urgent", 10);
    let (uid, node, _) = victim(&apply(&mut story, 10, &[class.clone(), urgent]));
    let outcome = story.asks(11, vec![item(Verb::Delete, &class)]);
    assert_eq!(told(&outcome), "Accept 1");
    assert_eq!(nominated(&story, "urgent"), Some("a".into()));
    apply(&mut story, 12, &[app("other", 1, 5)]);
    let outcome = story.at(13, gone(&uid, &node));
    assert_eq!(told(&outcome), "Place 1");
    assert_eq!(placed_of(&outcome), ["apps/Deployment/default/urgent"]);
}

#[test]
fn promises_on_nodes_that_are_lost_are_given_up_and_who_had_them_waits_for_others() {
    let mut story = full(&["a", "b", "c"], &[("low", 0), ("mid", 0), ("top", 50)]);
    let on = |story: &Story, node: &str| story.placed.values().any(|on| on == node);
    let outcome = apply(&mut story, 10, &[app("high", 2, 10)]);
    assert_eq!(said(&outcome, Action::Stop).len(), 2);
    let stays: Vec<&str> = ["a", "b", "c"].into_iter().filter(|node| on(&story, node)).collect();
    assert_eq!(stays.len(), 1, "the others were promised to the higher one");
    story.renew(5_000, &stays);
    story.renew(10_000, &stays);
    let lost = told(&story.at(15_000, vec![]));
    assert!(lost.starts_with("NodeLost 2"), "{lost}");
    assert_eq!(nominated(&story, "high"), None);
    let high =
        |story: &Story| story.waiting.values().filter(|pod| &*pod.workload.name == "high").count();
    assert_eq!(high(&story), 2);
    let outcome = story.at(15_001, vec![joins("d", 2_000)]);
    assert_eq!(placed_of(&outcome), ["apps/Deployment/default/high"]);
    assert_eq!(high(&story), 1);
}

#[test]
fn a_promise_ends_with_its_workload() {
    let mut story = full(&["a"], &[("low", 0)]);
    let (uid, node, _) = victim(&apply(&mut story, 10, &[app("high", 1, 10)]));
    story.asks(11, vec![item(Verb::Delete, &app("high", 1, 10))]);
    assert_eq!(nominated(&story, "high"), None);
    let outcome = story.at(12, gone(&uid, &node));
    assert_eq!(told(&outcome), "Place 1", "the victim's workload has its room again");
}

#[test]
fn those_who_wait_are_tried_in_the_order_of_their_priorities() {
    let mut story = full(&["a"], &[("first", 50)]);
    apply(&mut story, 10, &[app("c", 1, 1), app("b", 1, 30), app("d", 1, 7)]);
    assert_eq!(story.waiting.len(), 3);
    let mut order = Vec::new();
    for ms in 11..15 {
        let held = story.only_pod();
        let name = if ms == 11 { "first" } else { *order.last().expect("one") };
        story.asks(ms * 10, vec![item(Verb::Delete, &app(name, 1, 0))]);
        story.at(ms * 10 + 1, gone(&held, "a"));
        let waiting: Vec<String> =
            story.waiting.values().map(|pod| pod.workload.name.to_string()).collect();
        let next = ["b", "c", "d"].into_iter().filter(|name| !order.contains(name));
        match next.into_iter().find(|name| !waiting.contains(&(*name).to_owned())) {
            Some(name) => order.push(name),
            None => break,
        }
        if order.len() == 3 {
            break;
        }
    }
    assert_eq!(order, ["b", "d", "c"]);
}

#[test]
fn a_budget_that_comes_or_goes_counts_for_the_next_of_the_same_kind() {
    let apps = [("other", 0), ("kept", 0), ("cheap", -1), ("top", 50)];
    let mut story = full(&["a", "b", "c", "d"], &apps);
    let (uid, node, of) = victim(&apply(&mut story, 10, &[app("high", 1, 10)]));
    assert_eq!(of, "apps/Deployment/default/cheap");
    story.at(11, gone(&uid, &node));
    // Nothing happens on the nodes: what making room costs there is another all the same.
    apply(&mut story, 12, &[budget("kept", 1)]);
    let outcome = apply(&mut story, 13, &[app("more", 1, 10)]);
    let (uid, node, of) = victim(&outcome);
    assert_eq!(of, "apps/Deployment/default/other", "though it is there for longer");
    assert!(!said(&outcome, Action::Wait).iter().any(|reason| reason.contains("beyond")));
    story.at(14, gone(&uid, &node));
    story.asks(15, vec![item(Verb::Delete, &budget("kept", 1))]);
    let outcome = apply(&mut story, 16, &[app("last", 1, 10)]);
    assert_eq!(victim(&outcome).2, "apps/Deployment/default/kept");
    assert!(!said(&outcome, Action::Wait).iter().any(|reason| reason.contains("beyond")));
}

#[test]
fn a_budget_that_is_gone_keeps_nobody_who_comes_later() {
    let mut story = Story::with_nodes(&["a", "b"]);
    apply(&mut story, 1, &[app("other", 1, 0)]);
    apply(&mut story, 2, &[app("kept", 0, 0), budget("kept", 1)]);
    story.asks(3, vec![item(Verb::Delete, &budget("kept", 1))]);
    apply(&mut story, 4, &[app("kept", 1, 0)]);
    story.all_run(5);
    let (_, _, of) = victim(&apply(&mut story, 10, &[app("high", 1, 10)]));
    assert_eq!(of, "apps/Deployment/default/kept", "it is there for a shorter time");
}

#[test]
fn a_promise_to_a_revision_that_will_not_come_is_given_up() {
    let mut story = full(&["a"], &[("low", 0)]);
    let (uid, node, _) = victim(&apply(&mut story, 10, &[app("high", 1, 10)]));
    let unknown = of_class(deployment("default", "high", 1, 1_500, "v2"), "nobody-knows");
    apply(&mut story, 11, &[unknown]);
    assert_eq!(nominated(&story, "high"), None);
    apply(&mut story, 12, &[app("other", 1, 5)]);
    let outcome = story.at(13, gone(&uid, &node));
    assert_eq!(placed_of(&outcome), ["apps/Deployment/default/other"]);
}

#[test]
fn a_default_class_that_comes_later_changes_no_revision_that_has_pods() {
    let mut story = Story::with_nodes(&["a", "b"]);
    let plain = |replicas| deployment("default", "web", replicas, 1_500, "v1");
    apply(&mut story, 1, &[plain(1)]);
    let mut usual = priority_class("usual", 1_000);
    usual["globalDefault"] = serde_json::json!(true);
    apply(&mut story, 2, &[usual]);
    apply(&mut story, 3, &[plain(2)]);
    story.all_run(4);
    let outcome = apply(&mut story, 10, &[app("high", 2, 500)]);
    let stops = said(&outcome, Action::Stop);
    assert_eq!(stops.len(), 2, "both are of one revision, and of one priority: {stops:?}");
    assert!(stops.iter().all(|reason| reason.contains("preempted by default/high-")), "{stops:?}");
}
