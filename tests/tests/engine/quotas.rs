//! Quotas: what is made up to them and not beyond, who waits for room, and what is said of it.

use serde_json::{Value, json};
use setpoint_dataflow::Outcome;
use setpoint_schemas::{Action, Decision, PodPhase, PodUid, Verb};
use setpoint_tests::manifests::{
    bare_pod, claim, cron_job, daemon_set, deployment, item, of_class, of_priority, patch,
    priority_class, quota, stateful_set, with_own_claim,
};

use crate::story::{Story, observed, reason, told};

const KEY: &str = "core/ResourceQuota/default/q";
const MINUTE: i64 = 60_000;

/// A story in which these are bounded.
fn bounded(nodes: &[&str], hard: &Value) -> Story {
    let mut story = Story::with_living_nodes(nodes);
    apply(&mut story, 1, &[quota(hard)]);
    story
}

fn apply(story: &mut Story, ms: i64, objects: &[Value]) -> Outcome {
    story.asks(ms, objects.iter().map(|object| item(Verb::Apply, object)).collect())
}

fn app(name: &str, replicas: i64) -> Value {
    deployment("default", name, replicas, 100, "v1")
}

fn config(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1"},
        "metadata": {"name": name, "namespace": "default"}})
}

/// What is said by the rule of quotas.
fn said(outcome: &Outcome) -> Vec<Decision> {
    outcome.ledger().into_iter().filter(|decision| decision.rule == "quota").collect()
}

/// The first that is said by it, without the name of the pod.
fn why(outcome: &Outcome) -> String {
    let first = said(outcome).first().expect("something is said").reason.clone();
    assert!(first.starts_with("pods \"web-"), "{first}");
    first.split_once("\" is ").expect("it is forbidden").1.to_owned()
}

fn answers(outcome: &Outcome) -> Vec<(u16, &str)> {
    let items = &outcome.verdicts[0].items;
    items.iter().map(|item| (item.code, item.message.as_str())).collect()
}

fn used(story: &mut Story, ms: i64) -> Value {
    story.status(ms, KEY)["used"].clone()
}

fn gone(story: &mut Story, ms: i64, uid: &PodUid, on: &str) -> Outcome {
    let sequence = story.next_sequence();
    story.at(ms, vec![observed(uid, on, sequence, PodPhase::Gone)])
}

#[test]
fn pods_are_made_up_to_the_quota_and_the_workload_says_why_there_are_no_more() {
    let mut story = bounded(&["a"], &json!({"pods": "2", "requests.cpu": "1"}));
    let outcome = apply(&mut story, 2, &[app("web", 3)]);
    assert_eq!(told(&outcome), "Accept 1, Place 2, Wait 1");
    let refused = "forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2";
    assert_eq!(why(&outcome), refused);
    assert_eq!(said(&outcome)[0].pod, "", "a pod that is not made is nobody");
    assert!(story.waiting.is_empty(), "and nobody sees it");
    assert_eq!(used(&mut story, 3), json!({"pods": "2", "requests.cpu": "200m"}));
    let status = story.status(4, "apps/Deployment/default/web");
    let failure = &status["conditions"][2];
    assert_eq!(failure["type"], "ReplicaFailure");
    assert_eq!(failure["reason"], "FailedCreate");
    assert!(failure["message"].as_str().expect("a text").ends_with(refused));

    // Nothing else happens until there is room, and then the pod comes at once.
    assert_eq!(told(&story.at(5, vec![])), "");
    let outcome = apply(&mut story, 6, &[quota(&json!({"pods": "3"}))]);
    assert_eq!(told(&outcome), "Accept 1, Place 1");
    assert_eq!(story.status(7, KEY), json!({"hard": {"pods": "3"}, "used": {"pods": "3"}}));
    let status = story.status(8, "apps/Deployment/default/web");
    assert_eq!(status["conditions"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_quota_that_is_lowered_stops_nobody_and_one_that_goes_keeps_nobody() {
    let mut story = bounded(&["a"], &json!({"pods": "3"}));
    apply(&mut story, 2, &[app("web", 3)]);
    assert_eq!(told(&apply(&mut story, 3, &[quota(&json!({"pods": "1"}))])), "Accept 1");
    let outcome = apply(&mut story, 4, &[app("web", 4)]);
    assert_eq!(told(&outcome), "Accept 1, Wait 1");
    assert_eq!(used(&mut story, 5), json!({"pods": "3"}));
    let outcome = story.asks(6, vec![item(Verb::Delete, &quota(&json!({})))]);
    assert_eq!(told(&outcome), "Accept 1, Place 1");
}

#[test]
fn a_pod_that_stops_counts_until_it_is_gone() {
    let mut story = bounded(&["a"], &json!({"pods": "2"}));
    apply(&mut story, 2, &[app("api", 2)]);
    let before = story.placed.clone();
    assert_eq!(told(&apply(&mut story, 3, &[app("web", 1)])), "Accept 1, Wait 1");
    let scale = json!({"spec": {"replicas": 1}});
    let scale = patch(Verb::MergePatch, ("apps/v1", "Deployment"), "default", "api", &scale);
    assert_eq!(told(&story.asks(4, vec![scale])), "Accept 1, Stop 1");
    assert_eq!(used(&mut story, 5), json!({"pods": "2"}));
    let mut stopped = before.keys().filter(|uid| !story.placed.contains_key(*uid));
    let stopped = stopped.next().expect("one stopped").clone();
    assert_eq!(told(&gone(&mut story, 6, &stopped, "a")), "Place 1");
    assert_eq!(used(&mut story, 7), json!({"pods": "2"}));
}

#[test]
fn a_pod_of_a_lost_node_leaves_its_place_in_the_quota_to_the_one_that_replaces_it() {
    let mut story = Story::with_nodes(&["a", "b", "c"]);
    apply(&mut story, 1, &[quota(&json!({"pods": "3"})), app("web", 3)]);
    story.all_run(2);
    story.renew(5_000, &["a", "b"]);
    story.renew(10_000, &["a", "b"]);
    assert_eq!(told(&story.at(15_000, vec![])), "NodeLost 1, Place 1, Stop 1");
    assert_eq!(used(&mut story, 15_001), json!({"pods": "3"}));
    story.renew(16_000, &["a", "b", "c"]);
    assert_eq!(used(&mut story, 16_001), json!({"pods": "4"}), "it may still run there");
}

#[test]
fn a_pod_has_to_say_what_is_bounded() {
    let mut story = bounded(&["a"], &json!({"limits.cpu": "1", "limits.memory": "1Gi"}));
    let outcome = apply(&mut story, 2, &[app("web", 1)]);
    assert_eq!(
        why(&outcome),
        "forbidden: failed quota: q: must specify limits.cpu for: main; limits.memory for: main"
    );
    let mut web = app("web", 2);
    web["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"] =
        json!({"cpu": "600m", "memory": "64Mi"});
    let outcome = apply(&mut story, 3, &[web]);
    assert_eq!(
        why(&outcome),
        "forbidden: exceeded quota: q, requested: limits.cpu=600m, used: limits.cpu=600m, limited: limits.cpu=1"
    );
    assert_eq!(
        used(&mut story, 4),
        json!({"limits.cpu": "600m", "limits.memory": "64Mi"}),
        "of two that would fit alone one is made"
    );
}

#[test]
fn a_daemon_set_has_as_many_pods_as_it_may() {
    let mut story = bounded(&["a", "b"], &json!({"pods": "1"}));
    let outcome = apply(&mut story, 2, &[daemon_set("default", "web", 100, "v1")]);
    assert_eq!(told(&outcome), "Accept 1, Place 1, Wait 1");
    assert!(story.waiting.is_empty());
    let outcome = story.asks(3, vec![item(Verb::Delete, &quota(&json!({})))]);
    assert_eq!(told(&outcome), "Accept 1, Place 1");
}

#[test]
fn a_stateful_set_goes_on_when_there_is_room() {
    let mut story = bounded(&["a"], &json!({"pods": "1"}));
    let mut set = stateful_set("default", "web", 2, 100, "v1");
    set["spec"]["podManagementPolicy"] = json!("Parallel");
    let outcome = apply(&mut story, 2, &[set]);
    assert_eq!(told(&outcome), "Accept 1, Place 1, Wait 1");
    assert!(said(&outcome)[0].reason.starts_with("pods \"web-1\" is forbidden: exceeded quota: q"));
    let outcome = apply(&mut story, 3, &[quota(&json!({"pods": "2"}))]);
    assert_eq!(told(&outcome), "Accept 1, Place 1");
}

#[test]
fn a_set_waits_for_room_for_its_claims() {
    let mut story = bounded(&["a"], &json!({"requests.storage": "2Gi"}));
    let other = claim("default", "other", "ReadWriteOnce");
    apply(&mut story, 2, std::slice::from_ref(&other));
    let mut set = with_own_claim(stateful_set("default", "db", 2, 100, "v1"), "data");
    set["spec"]["podManagementPolicy"] = json!("Parallel");
    let outcome = apply(&mut story, 3, &[set]);
    assert_eq!(told(&outcome), "Accept 1, Place 1, Wait 1");
    assert_eq!(
        said(&outcome)[0].reason,
        "failed to create PVC data-db-1: persistentvolumeclaims \"data-db-1\" is forbidden: exceeded \
         quota: q, requested: requests.storage=1Gi, used: requests.storage=2Gi, limited: \
         requests.storage=2Gi"
    );
    assert_eq!(used(&mut story, 4), json!({"requests.storage": "2Gi"}));
    assert_eq!(told(&story.at(5, vec![])), "");
    let outcome = story.asks(6, vec![item(Verb::Delete, &other)]);
    assert_eq!(told(&outcome), "Accept 1, Place 1", "what goes makes room");
    assert_eq!(used(&mut story, 7), json!({"requests.storage": "2Gi"}));
}

/// Many more than there is room for.
const WAITERS: usize = 200;
/// A look at who has what it wants, at who is called, and at each once more.
const LOOKS_MAX: u64 = 6;

#[test]
fn room_for_one_costs_a_look_at_one_however_many_wait() {
    let mut story = bounded(&["a"], &json!({"pods": "1"}));
    let name = |number: usize| format!("web-{number:03}");
    let one = |number: usize| deployment("default", &name(number), 1, 1, "v1");
    let all: Vec<Value> = (0..WAITERS).map(one).collect();
    let waits = format!("Accept 1, Place 1, Wait {}", WAITERS - 1);
    assert_eq!(told(&apply(&mut story, 2, &all)), waits);
    apply(&mut story, 3, &[app("a-late", 1)]);
    for served in 1..5 {
        let ms = 10 * served as i64;
        let uid = story.only_pod();
        story.asks(ms, vec![item(Verb::Delete, &one(served - 1))]);
        let before = story.engine.work().workloads;
        let outcome = gone(&mut story, ms + 1, &uid, "a");
        assert_eq!(told(&outcome), "Place 1");
        let resource = outcome.ledger()[0].resource.clone();
        assert!(resource.ends_with(&name(served)), "who waits longest is first, not {resource}");
        let looks = story.engine.work().workloads - before;
        assert!(looks <= LOOKS_MAX, "{looks} looks");
    }
}

#[test]
fn objects_beyond_a_quota_are_refused() {
    let hard = json!({"configmaps": "1", "count/deployments.apps": "1",
        "requests.storage": "1Gi", "persistentvolumeclaims": "5"});
    let mut story = bounded(&["a"], &hard);
    assert_eq!(answers(&apply(&mut story, 2, &[config("a")])), [(201, "")]);
    let refused = "configmaps \"b\" is forbidden: exceeded quota: q, requested: configmaps=1, \
                   used: configmaps=1, limited: configmaps=1";
    assert_eq!(answers(&apply(&mut story, 3, &[config("b")])), [(403, refused)]);
    let mut changed = config("a");
    changed["data"]["a"] = json!("2");
    assert_eq!(answers(&apply(&mut story, 4, &[changed])), [(200, "")], "a change makes nothing");
    let swap = vec![item(Verb::Delete, &config("a")), item(Verb::Apply, &config("b"))];
    assert_eq!(told(&story.asks(5, swap)), "Accept 1", "what goes makes room for what comes");

    let outcome = apply(&mut story, 6, &[app("web", 1), app("api", 1)]);
    let refused = "deployments.apps \"api\" is forbidden: exceeded quota: q, \
                   requested: count/deployments.apps=1, used: count/deployments.apps=1, \
                   limited: count/deployments.apps=1";
    assert_eq!(answers(&outcome), [(0, ""), (403, refused)], "two together are too many");

    let data = claim("default", "data", "ReadWriteOnce");
    assert_eq!(answers(&apply(&mut story, 7, &[data])), [(201, "")]);
    let more = json!({"spec": {"resources": {"requests": {"storage": "2Gi"}}}});
    let of = ("v1", "PersistentVolumeClaim");
    let outcome = story.asks(8, vec![patch(Verb::MergePatch, of, "default", "data", &more)]);
    let refused = "persistentvolumeclaims \"data\" is forbidden: exceeded quota: q, \
                   requested: requests.storage=1Gi, used: requests.storage=1Gi, \
                   limited: requests.storage=1Gi";
    assert_eq!(answers(&outcome), [(403, refused)]);
    assert_eq!(
        used(&mut story, 9),
        json!({"configmaps": "1", "count/deployments.apps": "0",
            "requests.storage": "1Gi", "persistentvolumeclaims": "1"})
    );
}

#[test]
fn a_bare_pod_beyond_a_quota_is_refused() {
    let mut story = bounded(&["a"], &json!({"pods": "2"}));
    let pod = |name: &str| bare_pod("default", name, 100, "v1");
    let refused = |name: &str, used: i64| {
        format!(
            "pods {name:?} is forbidden: exceeded quota: q, requested: pods=1, used: pods={used}, \
             limited: pods=2"
        )
    };
    let outcome = apply(&mut story, 2, &[pod("a"), pod("b"), pod("c")]);
    let third = refused("c", 2);
    assert_eq!(answers(&outcome), [(0, ""), (0, ""), (403, third.as_str())]);
    assert_eq!(told(&apply(&mut story, 3, &[pod("a"), pod("b")])), "Accept 1, Place 2");
    assert_eq!(answers(&apply(&mut story, 4, &[pod("c")])), [(403, third.as_str())]);
    assert_eq!(answers(&apply(&mut story, 5, &[pod("a")])), [(200, "")], "what is there stays");
}

#[test]
fn of_the_pods_only_those_in_scope_count() {
    let mut story = Story::with_living_nodes(&["a"]);
    let mut high = quota(&json!({"pods": "1"}));
    high["spec"]["scopeSelector"] = json!({"matchExpressions": [
        {"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}]});
    apply(&mut story, 1, &[high, priority_class("high", 10)]);
    apply(&mut story, 2, &[app("api", 3)]);
    assert_eq!(story.placed.len(), 3, "without the class there is no bound");
    let outcome = apply(&mut story, 3, &[of_class(app("web", 2), "high")]);
    assert_eq!(told(&outcome), "Accept 1, Place 1, Wait 1");
    assert_eq!(used(&mut story, 4), json!({"pods": "1"}));
}

#[test]
fn nobody_has_to_go_for_pods_that_may_not_be_made() {
    let mut story = Story::with_living_nodes(&["a", "b"]);
    let half = |name: &str, replicas: i64, priority: i64| {
        of_priority(deployment("default", name, replicas, 1_500, "v1"), priority)
    };
    let mut low = half("low", 2, 0);
    low["metadata"]["namespace"] = json!("team");
    apply(&mut story, 1, &[setpoint_tests::manifests::namespace("team"), low]);
    apply(&mut story, 2, &[quota(&json!({"pods": "1"}))]);
    let outcome = apply(&mut story, 3, &[half("web", 2, 10)]);
    let stopped = outcome.ledger().into_iter().filter(|d| d.action == Action::Stop).count();
    assert_eq!(stopped, 1, "room is made for the one that may be made");
}

#[test]
fn a_schedule_starts_no_job_beyond_a_quota() {
    let mut story = bounded(&["a"], &json!({"count/jobs.batch": "1"}));
    apply(&mut story, 2, &[cron_job("default", "tick", "* * * * *", &json!({}))]);
    assert_eq!(said(&story.at(MINUTE, vec![])), []);
    let outcome = story.at(2 * MINUTE, vec![]);
    assert_eq!(
        reason(&outcome, Action::Wait),
        "jobs.batch \"tick-2\" is forbidden: exceeded quota: q, requested: count/jobs.batch=1, \
         used: count/jobs.batch=1, limited: count/jobs.batch=1"
    );
}

#[test]
fn a_leader_from_the_compacted_topics_counts_the_same() {
    let mut story = bounded(&["a"], &json!({"pods": "2", "configmaps": "4"}));
    apply(&mut story, 2, &[app("web", 3), config("a")]);
    let before = story.status(3, KEY);
    let placements = story.compacted_placements();
    story.rebuilt(10, placements);
    // A leader that begins anew grants no start at first.
    let outcome = story.at(3_000, vec![]);
    assert_eq!(said(&outcome).len(), 1, "it says once more what is waited for");
    assert_eq!(story.placed.len(), 2);
    assert_eq!(story.status(3_001, KEY), before);
    let outcome = apply(&mut story, 5_000, &[quota(&json!({"pods": "3"}))]);
    assert_eq!(told(&outcome), "Accept 1, Place 1");
}
