//! The engine by example: epochs in, decisions out, each a small story.

use serde_json::json;
use setpoint_dataflow::views::HandWritten;
use setpoint_dataflow::{Engine, Epoch, Outcome, Served};
use setpoint_schemas::{
    Action, Input, NodeName, NodeSnapshot, PodObserved, PodPhase, PodUid, Policy, Position,
    RequestItem, SessionId, Sourced, Topic, Verb,
};
use setpoint_tests::manifests::{
    self, bare_pod, daemon_set, deployment, item, namespace, patch, rolling,
};

/// An engine with a fleet told by hand.
struct Story {
    engine: Engine<HandWritten>,
    offset: i64,
    requests: usize,
    placed: std::collections::BTreeMap<PodUid, String>,
    ready: std::collections::BTreeSet<PodUid>,
    sequence: i64,
}

impl Story {
    /// These nodes, of two cores each, at time 0.
    fn with_nodes(names: &[&str]) -> Story {
        Story::with_policy(names, Policy::default())
    }

    fn with_policy(names: &[&str], policy: Policy) -> Story {
        let mut story = Story {
            engine: Engine::new(HandWritten::new(), policy),
            offset: 0,
            requests: 0,
            placed: Default::default(),
            ready: Default::default(),
            sequence: 0,
        };
        let nodes: Vec<Input> = names.iter().map(|name| joins(name, 2_000)).collect();
        story.at(0, nodes);
        story
    }

    fn epoch(&mut self, ms: i64, inputs: Vec<Input>) -> Epoch {
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
    fn at(&mut self, ms: i64, inputs: Vec<Input>) -> Outcome {
        let epoch = self.epoch(ms, inputs);
        self.decide(epoch)
    }

    fn decide(&mut self, epoch: Epoch) -> Outcome {
        let outcome = self.engine.step(epoch);
        for change in &outcome.placements {
            match &change.placement {
                Some(_) => self.placed.insert(change.uid.clone(), change.node.to_string()),
                None => self.placed.remove(&change.uid),
            };
        }
        outcome
    }

    fn asks(&mut self, ms: i64, items: Vec<RequestItem>) -> Outcome {
        self.requests += 1;
        let request = manifests::request(&format!("r{}", self.requests), items);
        self.at(ms, vec![Input::Request(Box::new(request))])
    }

    /// Every placed pod is observed running and ready.
    fn all_run(&mut self, ms: i64) -> Outcome {
        let placed = self.placed.clone();
        let inputs = placed.iter().map(|(uid, node)| {
            self.sequence += 1;
            self.ready.insert(uid.clone());
            observed(uid, node, self.sequence, PodPhase::Running)
        });
        let inputs = inputs.collect();
        self.at(ms, inputs)
    }

    /// These nodes renew their leases.
    fn renew(&mut self, ms: i64, names: &[&str]) -> Outcome {
        let leases = names
            .iter()
            .map(|name| Input::Lease(manifests::lease(&node(name), &session(name), ms + 1)));
        let leases = leases.collect();
        self.at(ms, leases)
    }
}

fn node(name: &str) -> NodeName {
    NodeName::parse(name).expect("a node name")
}

fn session(name: &str) -> SessionId {
    SessionId::parse(&format!("{name}-s1")).expect("a session")
}

fn joins(name: &str, cpu: i64) -> Input {
    Input::Node(Box::new(manifests::node(&node(name), &session(name), cpu)))
}

fn observed(uid: &PodUid, on: &str, sequence: i64, phase: PodPhase) -> Input {
    let sample = setpoint_schemas::samples::pod_observed();
    let (node, session) = (node(on), session(on));
    let ready = phase == PodPhase::Running;
    Input::Pod(Box::new(PodObserved {
        uid: uid.clone(),
        node,
        session,
        sequence,
        phase,
        ready,
        ..sample
    }))
}

/// What was decided: action, and how often.
fn told(outcome: &Outcome) -> String {
    let mut counts: std::collections::BTreeMap<String, usize> = Default::default();
    for decision in &outcome.decisions {
        *counts.entry(format!("{:?}", decision.action)).or_default() += 1;
    }
    let parts: Vec<String> = counts.iter().map(|(action, n)| format!("{action} {n}")).collect();
    parts.join(", ")
}

fn reason(outcome: &Outcome, action: Action) -> String {
    outcome
        .decisions
        .iter()
        .find(|d| d.action == action)
        .map(|d| d.reason.clone())
        .unwrap_or_default()
}

fn web(replicas: i64, image: &str) -> Vec<RequestItem> {
    vec![item(Verb::Apply, &deployment("default", "web", replicas, 100, image))]
}

#[test]
fn a_deployment_is_spread_over_three_nodes() {
    let mut story = Story::with_nodes(&["a", "b", "c"]);
    assert_eq!(told(&story.asks(1, web(3, "v1"))), "Accept 1, Place 3");
    let mut nodes: Vec<&String> = story.placed.values().collect();
    nodes.sort();
    assert_eq!(nodes, ["a", "b", "c"]);
    assert_eq!(told(&story.all_run(2)), "", "a settled fleet yields an empty plan");
}

#[test]
fn a_silent_node_is_lost_after_its_grace_and_its_pods_are_replaced_by_new_ones() {
    let mut story = Story::with_nodes(&["a", "b", "c"]);
    story.asks(1, web(3, "v1"));
    story.all_run(2);
    story.renew(10_000, &["a", "b"]);
    assert_eq!(told(&story.at(14_999, vec![])), "");
    let before = story.placed.clone();
    assert_eq!(told(&story.at(15_000, vec![])), "NodeLost 1, Place 1, Stop 1");
    let new: Vec<_> = story.placed.iter().filter(|(uid, _)| !before.contains_key(*uid)).collect();
    assert_eq!(new.len(), 1);
    assert!(["a", "b"].contains(&new[0].1.as_str()));

    // It returns, says once more that the old pod runs, then that nothing is left of it.
    let old = before.iter().find(|(uid, _)| !story.placed.contains_key(*uid)).unwrap().0.clone();
    assert_eq!(told(&story.renew(16_000, &["a", "b", "c"])), "NodeReturned 1");
    assert_eq!(told(&story.at(16_001, vec![observed(&old, "c", 1_000, PodPhase::Running)])), "");
    let gone = story.at(16_002, vec![observed(&old, "c", 1_001, PodPhase::Gone)]);
    assert!(gone.served.contains(&Served::PodGone(old)));
    // Silent once more, it is lost once more.
    story.renew(30_000, &["a", "b"]);
    assert_eq!(told(&story.at(31_000, vec![])), "NodeLost 1");
}

#[test]
fn mass_loss_holds_and_a_confirmed_loss_or_a_return_releases() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let mut story = Story::with_nodes(&names);
    story.asks(1, web(6, "v1"));
    story.all_run(2);
    story.renew(10_000, &["a", "b", "c"]);
    assert_eq!(told(&story.at(15_000, vec![])), "Hold 1");
    story.renew(24_000, &["a", "b", "c"]);
    assert_eq!(told(&story.at(26_000, vec![])), "", "it holds");
    let confirm = patch(Verb::ConfirmLost, ("v1", "Node"), "", "f", &json!({}));
    let outcome = story.asks(26_001, vec![confirm]);
    assert_eq!(told(&outcome), "Accept 1, NodeLost 3, Place 3, Release 1, Stop 3");

    let mut story = Story::with_nodes(&names);
    story.renew(10_000, &["a", "b", "c"]);
    assert_eq!(told(&story.at(15_000, vec![])), "Hold 1");
    story.renew(16_000, &names);
    assert_eq!(told(&story.at(20_000, vec![])), "Release 1");
}

#[test]
fn a_rolling_update_keeps_its_bounds_and_undo_brings_the_old_template_back() {
    let mut story = Story::with_nodes(&["a", "b", "c"]);
    let apply = |image: &str| {
        vec![item(Verb::Apply, &rolling(deployment("default", "web", 4, 100, image), 1, 1))]
    };
    story.asks(1, apply("v1"));
    story.all_run(2);
    story.asks(3, apply("v2"));
    let mut ms = 4;
    while story.ready.len() < 8 {
        assert!(story.placed.len() <= 5, "desired and surge");
        let ready = story.placed.keys().filter(|uid| story.ready.contains(*uid)).count();
        assert!(ready >= 3, "desired less unavailable");
        story.all_run(ms);
        ms += 1;
        assert!(ms < 40, "the update ends");
    }
    story.all_run(ms);
    assert_eq!(story.placed.len(), 4);
    let undo = patch(
        Verb::RolloutUndo,
        ("apps/v1", "Deployment"),
        "default",
        "web",
        &json!({"toRevision": 0}),
    );
    let outcome = story.asks(ms + 1, vec![undo]);
    assert_eq!(reason(&outcome, Action::Rollout), "revision 3 begins");
    let placed = outcome.placements.iter().find_map(|change| change.placement.clone()).unwrap();
    assert!(placed.spec.contains("v1"));
}

#[test]
fn scaling_down_takes_the_one_that_is_not_ready_first() {
    let mut story = Story::with_nodes(&["a", "b", "c"]);
    story.asks(1, web(2, "v1"));
    story.all_run(2);
    let before = story.placed.clone();
    story.asks(3, web(3, "v1"));
    assert_eq!(told(&story.asks(4, web(2, "v1"))), "Accept 1, Stop 1");
    assert_eq!(story.placed, before);
}

#[test]
fn a_daemon_set_has_a_pod_on_every_node_and_on_one_that_joins() {
    let mut story = Story::with_nodes(&["a", "b"]);
    let apply = vec![item(Verb::Apply, &daemon_set("default", "logger", 100, "v1"))];
    assert_eq!(told(&story.asks(1, apply)), "Accept 1, Place 2");
    let outcome = story.at(2, vec![joins("c", 2_000)]);
    assert_eq!(told(&outcome), "Place 1");
    assert_eq!(outcome.decisions[0].causes[0].text, "node c reports itself ready");
}

#[test]
fn a_bare_pod_keeps_its_name_and_is_not_run_twice() {
    let mut story = Story::with_nodes(&["a"]);
    let outcome = story.asks(1, vec![item(Verb::Apply, &bare_pod("default", "tool", 100, "v1"))]);
    let placement = outcome.placements[0].placement.clone().unwrap();
    assert_eq!(placement.name.as_str(), "tool");
    let ended = observed(&placement.uid, "a", 1, PodPhase::Succeeded);
    assert_eq!(told(&story.at(2, vec![ended])), "");
}

#[test]
fn a_pod_that_fits_nowhere_says_why_once_and_is_placed_when_a_node_joins() {
    let mut story = Story::with_nodes(&["a", "b"]);
    let big = vec![item(Verb::Apply, &deployment("default", "big", 1, 3_000, "v1"))];
    let outcome = story.asks(1, big);
    assert_eq!(reason(&outcome, Action::Wait), "0/2 nodes are available: 2 Insufficient cpu.");
    assert_eq!(told(&story.at(2, vec![])), "");
    assert_eq!(told(&story.at(3, vec![joins("c", 4_000)])), "Place 1");
}

#[test]
fn deleting_a_namespace_deletes_what_is_in_it() {
    let mut story = Story::with_nodes(&["a"]);
    story.asks(
        1,
        vec![
            item(Verb::Apply, &namespace("team")),
            item(Verb::Apply, &deployment("team", "web", 2, 100, "v1")),
        ],
    );
    let outcome = story.asks(2, vec![item(Verb::Delete, &namespace("team"))]);
    assert_eq!(told(&outcome), "Accept 1, Stop 2");
    assert_eq!(outcome.resources.iter().filter(|(_, resource)| resource.is_none()).count(), 2);
}

#[test]
fn a_request_is_all_or_nothing() {
    let mut story = Story::with_nodes(&["a"]);
    let lost = deployment("nowhere", "web", 1, 100, "v1");
    let mut items = web(1, "v1");
    items.push(item(Verb::Apply, &lost));
    let outcome = story.asks(1, items);
    assert_eq!(told(&outcome), "Refuse 1");
    assert!(!outcome.verdicts[0].accepted);
    let codes: Vec<u16> = outcome.verdicts[0].items.iter().map(|item| item.code).collect();
    assert_eq!(codes, [0, 404]);
}

#[test]
fn pacing_spreads_starts_over_time() {
    let policy = Policy { starts_per_second: 2, starts_burst: 2, ..Policy::default() };
    let mut story = Story::with_policy(&["a"], policy);
    let first = story.asks(10_000, web(5, "v1"));
    assert_eq!(told(&first), "Accept 1, Place 2");
    assert_eq!(first.due_ms, Some(10_501), "when there is room for one");
    assert_eq!(told(&story.at(10_501, vec![])), "Place 1");
    story.renew(11_002, &["a"]);
    story.renew(11_600, &["a"]);
    assert_eq!(story.placed.len(), 5);
}

#[test]
fn no_deadline_fires_in_an_incomplete_epoch_and_a_takeover_begins_every_lease_anew() {
    let mut story = Story::with_nodes(&["a", "b", "c"]);
    let backlog = Epoch { complete: false, ..story.epoch(60_000, vec![]) };
    assert_eq!(told(&story.decide(backlog)), "");
    let takeover = Epoch { term: 2, renew_leases: true, ..story.epoch(61_000, vec![]) };
    assert_eq!(told(&story.decide(takeover)), "");
    let lost = Epoch { term: 2, ..story.epoch(76_000, vec![]) };
    assert_eq!(told(&story.decide(lost)), "Hold 1", "three of three at once");
}

#[test]
fn a_snapshot_tells_what_is_gone() {
    let mut story = Story::with_nodes(&["a"]);
    story.asks(1, web(1, "v1"));
    story.all_run(2);
    let uid = story.placed.keys().next().unwrap().clone();
    story.asks(3, web(0, "v1"));
    let snapshot = NodeSnapshot {
        node: node("a"),
        session: session("a"),
        sequence: 100,
        time_ms: 0,
        uids: Vec::new(),
    };
    let outcome = story.at(4, vec![Input::Snapshot(Box::new(snapshot))]);
    assert!(outcome.served.contains(&Served::PodGone(uid)));
}

#[test]
fn a_stopping_pod_is_not_restarted_and_so_placed_again() {
    let mut story = Story::with_nodes(&["a"]);
    let outcome = story.asks(1, web(1, "v1"));
    let name = outcome.placements[0].placement.as_ref().unwrap().name.to_string();
    story.asks(2, web(0, "v1"));
    let restart = patch(Verb::RestartPod, ("v1", "Pod"), "default", &name, &json!({}));
    assert_eq!(told(&story.asks(3, vec![restart])), "Refuse 1");
    assert!(story.placed.is_empty());
}

#[test]
fn a_return_under_a_hold_judges_nobody_before_all_renewals_are_read() {
    let names = ["a", "b", "c", "d"];
    let mut story = Story::with_nodes(&names);
    assert_eq!(told(&story.at(15_000, vec![])), "Hold 1");
    let confirm = patch(Verb::ConfirmLost, ("v1", "Node"), "", "a", &json!({}));
    story.asks(15_001, vec![confirm]);
    let returned = vec![Input::Lease(manifests::lease(&node("a"), &session("a"), 99))];
    let backlog = Epoch { complete: false, ..story.epoch(15_002, returned) };
    assert_eq!(told(&story.decide(backlog)), "NodeReturned 1");
}

fn snapshot(name: &str, sequence: i64, uids: Vec<PodUid>) -> Input {
    let (node, session) = (node(name), session(name));
    Input::Snapshot(Box::new(NodeSnapshot { node, session, sequence, time_ms: 0, uids }))
}

#[test]
fn a_pod_that_a_node_has_without_a_placement_is_told_once_and_marks_its_node() {
    let mut story = Story::with_nodes(&["a", "b"]);
    let stray = setpoint_schemas::samples::pod_observed().uid;
    let is_marked = |outcome: &Outcome| {
        outcome.served.iter().any(|served| match served {
            Served::Node(_, Some(node)) => {
                node.record.conditions.iter().any(|c| c.kind == "OrphanPods")
            }
            _ => false,
        })
    };
    let mut cold = |ms, inputs| {
        let epoch = Epoch { cold: true, ..story.epoch(ms, inputs) };
        story.decide(epoch)
    };
    let first = cold(1_000, vec![snapshot("a", 1, vec![stray.clone()])]);
    assert_eq!((told(&first), is_marked(&first)), (String::new(), false), "one may be late");
    let again = cold(1_100, vec![snapshot("a", 1, vec![stray.clone()])]);
    assert_eq!((told(&again), is_marked(&again)), (String::new(), false), "the same one again");
    let second = cold(7_000, vec![snapshot("a", 2, vec![stray.clone()])]);
    assert_eq!(told(&second), "Stop 1");
    assert_eq!(reason(&second, Action::Stop), "it is on node a without a placement");
    assert_eq!(second.decisions[0].pod, stray.to_string());
    assert!(is_marked(&second));
    assert_eq!(second.overview.unwrap().fleet.nodes.orphans, 1);
    let third = cold(8_000, vec![snapshot("a", 3, vec![stray])]);
    assert_eq!(told(&third), "", "said once");
    let over = cold(9_000, vec![snapshot("a", 4, Vec::new())]);
    assert_eq!((told(&over), is_marked(&over)), (String::new(), false));
    assert_eq!(over.overview.unwrap().fleet.nodes.orphans, 0);
}

#[test]
fn the_overview_counts_what_is_missing_stale_and_reserved() {
    let mut story = Story::with_nodes(&["a", "b"]);
    story.asks(1_000, web(3, "app:1"));
    story.all_run(2_000);
    let overview = |story: &mut Story, ms| {
        let epoch = Epoch { cold: true, ..story.epoch(ms, Vec::new()) };
        story.decide(epoch).overview.expect("a cold epoch has an overview").as_ref().clone()
    };
    let calm = overview(&mut story, 3_000);
    let fleet = calm.fleet;
    assert_eq!((fleet.workloads.desired, fleet.workloads.pods.available), (3, 3));
    assert_eq!((fleet.missing, fleet.excess, fleet.workloads.stale()), (0, 0, 0));
    assert_eq!((fleet.nodes.known, fleet.nodes.allocatable.cpu_milli), (2, 4_000));
    assert_eq!((fleet.nodes.requested.cpu_milli, fleet.nodes.requested.pods), (300, 3));
    assert_eq!(calm.namespaces["default"].ready, 3);

    story.asks(4_000, vec![item(Verb::Apply, &rolling_web(3, "app:2"))]);
    let rolling = overview(&mut story, 5_000);
    let outdated: Vec<_> = rolling.outdated.iter().map(|(key, n)| (key.to_string(), *n)).collect();
    assert_eq!(outdated, [("apps/Deployment/default/web".to_owned(), 3)]);
    let fleet = rolling.fleet;
    assert_eq!((fleet.excess, fleet.workloads.stale()), (1, 3), "one of the new, three old");
    story.asks(6_000, web(60, "app:2"));
    let short = overview(&mut story, 7_000).fleet;
    assert!(short.missing > 0, "sixty do not fit: {short:?}");
}

fn rolling_web(replicas: i64, image: &str) -> serde_json::Value {
    rolling(deployment("default", "web", replicas, 100, image), 1, 0)
}

#[test]
fn questions_are_answered_from_the_state_and_change_nothing() {
    let key = |name: &str| manifests_key("apps/Deployment/default", name);
    let mut story = Story::with_nodes(&["a", "b"]);
    let big = item(Verb::Apply, &deployment("default", "big", 1, 9_000, "v1"));
    story.asks(1, [web(2, "v1"), vec![big]].concat());
    let explained =
        |story: &Story, name: &str| story.engine.explain(&key(name)).expect("it is there");
    let starts = explained(&story, "web");
    assert_eq!(
        (starts.settled, &*starts.reason),
        (false, "all 2 pods are placed, 0 of them are available")
    );

    let waits = explained(&story, "big");
    assert_eq!(waits.reason, "0/2 nodes are available: 2 Insufficient cpu.");
    let said: Vec<_> = waits.nodes.iter().map(|n| (n.node.as_str(), n.fits)).collect();
    assert_eq!(said, [("a", false), ("b", false)]);
    assert_eq!(waits.nodes[0].refusals[0].1, ["Insufficient cpu"]);

    // The same request is foreseen and then decided: the same verdict, and until then no trace.
    let twice = item(Verb::Create, &deployment("default", "web", 5, 100, "v1"));
    let more = web(5, "v1");
    for (items, accepted, code) in [(vec![twice], false, 409), (more, true, 200)] {
        let request = manifests::request("later", items.clone());
        let foreseen = story.engine.foresee(&request);
        assert_eq!((foreseen.verdict.accepted, foreseen.verdict.items[0].code), (accepted, code));
        assert_eq!(foreseen.resources.len(), usize::from(accepted));
        assert_eq!(explained(&story, "web").desired, 2, "nothing came of it");
        let decided = story.asks(2, items);
        assert_eq!(decided.verdicts[0].items[0].code, code);
        assert_eq!(decided.verdicts[0].accepted, accepted);
    }
    story.all_run(3);
    assert_eq!(explained(&story, "web").reason, "settled: 5 of 5 pods are available");
    assert!(story.engine.explain(&key("nobody")).is_none());
}

fn manifests_key(kind: &str, name: &str) -> setpoint_schemas::ResourceKey {
    setpoint_schemas::ResourceKey::parse(&format!("{kind}/{name}")).expect("a key")
}
