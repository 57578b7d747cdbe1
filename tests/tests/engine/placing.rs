//! Where pods go, and what those that have no place are told.

use std::collections::BTreeSet;

use serde_json::json;
use setpoint_schemas::{Action, PodPhase, PodUid, Policy, Verb};
use setpoint_tests::manifests::{apart, daemon_set, deployment, even, item, near, patch};

use crate::story::{Story, joins, observed, reason, told, web};

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
fn a_daemon_set_has_a_pod_on_every_node_and_on_one_that_joins() {
    let mut story = Story::with_nodes(&["a", "b"]);
    let apply = vec![item(Verb::Apply, &daemon_set("default", "logger", 100, "v1"))];
    assert_eq!(told(&story.asks(1, apply)), "Accept 1, Place 2");
    let outcome = story.at(2, vec![joins("c", 2_000)]);
    assert_eq!(told(&outcome), "Place 1");
    assert_eq!(outcome.ledger()[0].causes[0].text, "node c reports itself ready");
}

#[test]
fn a_daemon_set_is_on_every_node_however_uneven_what_it_counts_is() {
    let mut story = Story::with_nodes(&["a"]);
    story.asks(1, web(3, "v1"));
    story.at(2, vec![joins("b", 2_000)]);
    let mut logger = even(daemon_set("default", "logger", 100, "v1"));
    let counted = &mut logger["spec"]["template"]["spec"]["topologySpreadConstraints"][0];
    counted["labelSelector"]["matchLabels"] = json!({"app": "web"});
    assert_eq!(told(&story.asks(3, vec![item(Verb::Apply, &logger)])), "Accept 1, Place 2");
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

/// Of so many pods whose names end in one of fourteen million ways some would share theirs.
const MANY_PODS: i64 = 10_000;

#[test]
fn no_two_pods_have_one_name_however_many_there_are() {
    let names: Vec<String> = (0..100).map(|number| format!("n{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (starts_per_second, starts_burst) = (1 << 30, 1 << 30);
    let policy = Policy { starts_per_second, starts_burst, ..Policy::default() };
    let mut story = Story::with_policy(&names, policy);
    let many = vec![item(Verb::Apply, &deployment("default", "many", MANY_PODS, 1, "v1"))];
    let outcome = story.asks(1, many);
    let placed = outcome.placements.iter().filter_map(|change| change.placement.as_ref());
    let names: Vec<&str> = placed.map(|placement| placement.name.as_str()).collect();
    assert_eq!(i64::try_from(names.len()), Ok(MANY_PODS));
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
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
fn each_pod_that_waits_is_told_with_its_reason_until_it_is_placed_or_not_wanted() {
    let mut story = Story::with_nodes(&["a"]);
    let big = |n| vec![item(Verb::Apply, &deployment("default", "big", n, 1_500, "v1"))];
    let outcome = story.asks(1, big(4));
    assert_eq!(told(&outcome), "Accept 1, Place 1, Wait 1", "the ledger says it once");
    let sentence = "0/1 nodes are available: 1 Insufficient cpu.";
    assert_eq!(story.waiting.len(), 3, "readers see each");
    assert!(story.waiting.values().all(|pod| pod.reason == sentence));
    let names: std::collections::BTreeSet<_> = story.waiting.values().map(|p| &p.name).collect();
    assert_eq!(names.len(), 3);

    let waited = story.waiting.clone();
    story.at(2, vec![joins("b", 2_000)]);
    let placed: Vec<_> = story.placed.keys().filter(|uid| waited.contains_key(*uid)).collect();
    assert_eq!(placed.len(), 1, "the pod that waited is the one that is placed");
    assert_eq!(story.waiting.len(), 2);
    story.asks(3, big(3));
    assert_eq!(story.waiting.len(), 1);
    let another = vec![item(Verb::Apply, &deployment("default", "big", 3, 1_600, "v2"))];
    story.asks(4, another);
    assert!(story.waiting.values().all(|pod| !waited.values().any(|old| old.name == pod.name)));
    story.asks(5, vec![item(Verb::Delete, &deployment("default", "big", 3, 0, ""))]);
    assert_eq!(story.waiting.len(), 0);
}

#[test]
fn a_daemon_set_waits_for_each_node_without_room_and_bears_a_cordon() {
    let mut story = Story::with_nodes(&["a", "b", "c"]);
    story.asks(1, vec![item(Verb::Apply, &apart(deployment("default", "web", 3, 1_950, "v1")))]);
    let apply = vec![item(Verb::Apply, &daemon_set("default", "logger", 100, "v1"))];
    assert_eq!(told(&story.asks(2, apply)), "Accept 1, Wait 3");
    let sentence = "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't match Pod's node affinity/selector.";
    assert_eq!(story.waiting.len(), 3);
    assert!(story.waiting.values().all(|pod| pod.reason == sentence));
    let waited = story.waiting.clone();
    assert_eq!(told(&story.at(3, vec![])), "");
    let status = story.status(4, "apps/DaemonSet/default/logger");
    assert_eq!(status["desiredNumberScheduled"], json!(3));

    let cordon = json!({"spec": {"unschedulable": true}});
    story.asks(5, vec![patch(Verb::MergePatch, ("v1", "Node"), "", "a", &cordon)]);
    story.asks(6, vec![item(Verb::Delete, &deployment("default", "web", 0, 0, ""))]);
    let gone: Vec<_> = ["a", "b", "c"].map(|name| crate::story::has(name, 50, &[])).to_vec();
    assert_eq!(told(&story.at(7, gone)), "Place 3", "on the cordoned node as well");
    assert!(waited.keys().eq(story.placed.keys()), "those that waited are those that are placed");
    assert_eq!(story.waiting.len(), 0);
}

#[test]
fn a_pod_that_wants_company_is_tried_again_when_its_company_is_placed() {
    let mut story = Story::with_nodes(&["a", "b"]);
    let side = near(deployment("default", "side", 2, 100, "v1"), "web");
    let outcome = story.asks(1, vec![item(Verb::Apply, &side)]);
    assert_eq!(told(&outcome), "Accept 1, Wait 1");
    assert!(reason(&outcome, Action::Wait).contains("pod affinity rules"));
    assert_eq!(told(&story.asks(2, web(1, "v1"))), "Accept 1, Place 3");
}

#[test]
fn a_spread_is_tried_again_when_another_pod_raises_its_least() {
    // The one node is full for the first, small pod of the spread only by what it is to hold.
    let mut story = Story::with_nodes(&["a", "b"]);
    let cordon = |name: &str, on: bool| {
        let body = json!({"spec": {"unschedulable": on}});
        vec![patch(Verb::MergePatch, ("v1", "Node"), "", name, &body)]
    };
    story.asks(1, cordon("b", true));
    let even = even(deployment("default", "web", 2, 100, "v1"));
    assert_eq!(told(&story.asks(2, vec![item(Verb::Apply, &even)])), "Accept 1, Place 1, Wait 1");
    // Another workload's pod counts for the spread, and it may go to the cordoned node.
    let mut other = deployment("default", "other", 1, 100, "v1");
    other["spec"]["template"]["metadata"]["labels"]["app"] = json!("web");
    let bears = json!([{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}]);
    other["spec"]["template"]["spec"]["tolerations"] = bears;
    other["spec"]["template"]["spec"]["nodeSelector"] = json!({"kubernetes.io/hostname": "b"});
    assert_eq!(told(&story.asks(3, vec![item(Verb::Apply, &other)])), "Accept 1, Place 2");
    assert_eq!(story.waiting.len(), 0);
}

#[test]
fn a_chain_longer_than_the_rounds_of_an_epoch_goes_on_in_the_next_without_an_event() {
    let mut story = Story::with_nodes(&["a"]);
    let app = |n: usize| format!("app-{n}");
    let chain: Vec<_> = (1..9)
        .map(|n| near(deployment("default", &app(n), 1, 50, "v1"), &app(n + 1)))
        .map(|workload| item(Verb::Apply, &workload))
        .collect();
    assert_eq!(told(&story.asks(1, chain)), "Accept 1, Wait 8");
    let mut outcome =
        story.asks(2, vec![item(Verb::Apply, &deployment("default", &app(9), 1, 50, "v1"))]);
    let mut ms = 2;
    while let Some(due_ms) = outcome.due_ms.filter(|due_ms| *due_ms < 100) {
        assert!(due_ms > ms, "time goes on");
        ms = due_ms;
        outcome = story.at(ms, vec![]);
    }
    assert!(ms > 2, "one epoch had too few rounds");
    assert_eq!((story.placed.len(), story.waiting.len()), (9, 0));
}

#[test]
fn a_namespace_that_gets_a_label_is_company() {
    let mut story = Story::with_nodes(&["a"]);
    let mut labelled = setpoint_tests::manifests::namespace("team");
    story.asks(1, vec![item(Verb::Apply, &labelled)]);
    let mut friend = deployment("team", "web", 1, 50, "v1");
    story.asks(2, vec![item(Verb::Apply, &friend)]);
    friend = near(deployment("default", "side", 1, 50, "v1"), "web");
    let term = "requiredDuringSchedulingIgnoredDuringExecution";
    friend["spec"]["template"]["spec"]["affinity"]["podAffinity"][term][0]["namespaceSelector"] =
        json!({"matchLabels": {"open": "yes"}});
    assert_eq!(told(&story.asks(3, vec![item(Verb::Apply, &friend)])), "Accept 1, Wait 1");
    labelled["metadata"]["labels"] = json!({"open": "yes"});
    assert_eq!(told(&story.asks(4, vec![item(Verb::Apply, &labelled)])), "Accept 1, Place 1");
}

#[test]
fn a_spread_counts_no_pod_that_stops() {
    let mut story = Story::with_nodes(&["a", "b"]);
    let apply = |object: &serde_json::Value| vec![item(Verb::Apply, object)];
    story.asks(1, apply(&even(deployment("default", "web", 2, 100, "v1"))));
    story.all_run(2);
    // The first node has less room than the other: only the skew speaks for it.
    let mut ballast = deployment("default", "ballast", 1, 1_500, "v1");
    ballast["spec"]["template"]["spec"]["nodeName"] = json!("a");
    story.asks(3, apply(&ballast));
    let web = |story: &Story| -> Vec<(PodUid, String)> {
        let pods = story.placed.iter().filter(|(uid, _)| story.ready.contains(*uid));
        pods.map(|(uid, node)| (uid.clone(), node.clone())).collect()
    };
    let (uid, _) = web(&story).into_iter().find(|(_, node)| node == "a").expect("one is there");
    let outcome = story.at(4, vec![observed(&uid, "a", 1_000, PodPhase::Failed)]);
    assert_eq!(told(&outcome), "Place 1, Stop 1");
    let placed = outcome.ledger().into_iter().find(|d| d.action == Action::Place);
    assert_eq!(placed.map(|d| d.node), Some("a".to_owned()), "the other has one that stays");
}

#[test]
fn a_daemon_set_that_waits_is_tried_again_where_room_was_made() {
    let mut story = Story::with_nodes(&["a", "b"]);
    let apply = |object: &serde_json::Value| vec![item(Verb::Apply, object)];
    story.asks(1, apply(&deployment("default", "big", 2, 1_500, "v1")));
    story.all_run(2);
    let logger = daemon_set("default", "logger", 1_000, "v1");
    assert_eq!(told(&story.asks(3, apply(&logger))), "Accept 1, Wait 2");
    let before = story.placed.clone();
    assert_eq!(
        told(&story.asks(4, apply(&deployment("default", "big", 1, 1_500, "v1")))),
        "Accept 1, Stop 1"
    );
    let stops = before.into_iter().find(|(uid, _)| !story.placed.contains_key(uid));
    let (uid, node) = stops.expect("one stops");
    assert_eq!(told(&story.at(5, vec![observed(&uid, &node, 1_001, PodPhase::Gone)])), "Place 1");
    assert_eq!(story.waiting.len(), 1);
}

#[test]
fn a_daemon_set_that_was_kept_away_is_tried_again_everywhere_when_who_did_so_is_gone() {
    let mut story = Story::with_nodes(&["a", "b"]);
    let apply = |object: &serde_json::Value| vec![item(Verb::Apply, object)];
    // Wherever it is, no pod of the logger is to be in the whole zone.
    let mut shy = deployment("default", "shy", 1, 100, "v1");
    shy["spec"]["template"]["spec"]["affinity"] = json!({"podAntiAffinity": {
    "requiredDuringSchedulingIgnoredDuringExecution": [
        {"labelSelector": {"matchLabels": {"app": "logger"}}, "topologyKey": "zone"},
    ]}});
    let in_zone = json!({"metadata": {"labels": {"zone": "z"}}});
    for (ms, name) in (1..).zip(["a", "b"]) {
        story.asks(ms, vec![patch(Verb::MergePatch, ("v1", "Node"), "", name, &in_zone)]);
    }
    story.asks(3, apply(&shy));
    story.all_run(4);
    let logger = daemon_set("default", "logger", 100, "v1");
    assert_eq!(told(&story.asks(5, apply(&logger))), "Accept 1, Wait 2");
    let (uid, node) = story.placed.clone().pop_first().expect("the shy one");
    story.asks(6, vec![item(Verb::Delete, &shy)]);
    assert_eq!(told(&story.at(7, vec![observed(&uid, &node, 1_000, PodPhase::Gone)])), "Place 2");
}

#[test]
fn what_nobody_has_room_for_leaves_a_node_as_it_was() {
    let mut story = Story::with_nodes(&["a"]);
    let apply = |object: &serde_json::Value| vec![item(Verb::Apply, object)];
    let mut vast = deployment("default", "vast", 3, 100, "v1");
    let spec = &mut vast["spec"]["template"]["spec"];
    spec["nodeName"] = json!("a");
    spec["containers"][0]["resources"]["requests"]["memory"] = json!("7Ei");
    story.asks(1, apply(&vast));
    assert_eq!(story.placed.len(), 3, "a pod that names its node goes past its room");
    let placed: Vec<PodUid> = story.placed.keys().cloned().collect();
    story.asks(2, vec![item(Verb::Delete, &vast)]);
    let gone = placed.iter().map(|uid| observed(uid, "a", 1_000, PodPhase::Gone)).collect();
    story.at(3, gone);
    let mut large = deployment("default", "large", 1, 100, "v1");
    let resources = &mut large["spec"]["template"]["spec"]["containers"][0]["resources"];
    resources["requests"]["memory"] = json!("1Pi");
    let outcome = story.asks(4, apply(&large));
    assert_eq!(reason(&outcome, Action::Wait), "0/1 nodes are available: 1 Insufficient memory.");
}
