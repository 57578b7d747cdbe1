//! LimitRanges: what pods have by them, who is not made, and what stays as it is.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use setpoint_dataflow::Outcome;
use setpoint_schemas::{Decision, PodUid, ResourceKey, Verb};
use setpoint_tests::manifests::{
    bare_pod, claim, daemon_set, deployment, item, limit_range, patch, quota, stateful_set,
    with_own_claim,
};

use crate::story::{Story, told};

fn apply(story: &mut Story, ms: i64, objects: &[Value]) -> Outcome {
    story.asks(ms, objects.iter().map(|object| item(Verb::Apply, object)).collect())
}

fn delete(story: &mut Story, ms: i64, object: &Value) -> Outcome {
    story.asks(ms, vec![item(Verb::Delete, object)])
}

fn of_containers(limit: Value) -> Value {
    let mut limit = limit;
    limit["type"] = json!("Container");
    limit_range("limits", &json!([limit]))
}

fn app(replicas: i64) -> Value {
    deployment("default", "web", replicas, 100, "v1")
}

/// The same with these resources of its container.
fn with(mut object: Value, resources: Value) -> Value {
    object["spec"]["template"]["spec"]["containers"][0]["resources"] = resources;
    object
}

fn scale(replicas: i64) -> Value {
    json!({"spec": {"replicas": replicas}})
}

fn scaled(story: &mut Story, ms: i64, replicas: i64) -> Outcome {
    let of = ("apps/v1", "Deployment");
    story.asks(ms, vec![patch(Verb::MergePatch, of, "default", "web", &scale(replicas))])
}

/// What the containers of the placed pods have.
fn resources(story: &Story) -> BTreeMap<PodUid, Value> {
    let placed = story.engine.everything().placements.into_iter();
    let of = placed.filter_map(|change| {
        let placement = change.placement?;
        let spec: Value = serde_json::from_str(&placement.pattern.spec).expect("JSON");
        Some((change.uid, spec["containers"][0]["resources"].clone()))
    });
    of.collect()
}

/// The same, without whose they are.
fn all_resources(story: &Story) -> Vec<Value> {
    let mut all: Vec<Value> = resources(story).into_values().collect();
    all.sort_by_key(Value::to_string);
    all
}

fn said(outcome: &Outcome, rule: &str) -> Vec<Decision> {
    outcome.ledger().into_iter().filter(|decision| decision.rule == rule).collect()
}

/// What is said by this rule first, without the name of the pod.
fn why(outcome: &Outcome, rule: &str) -> String {
    let first = said(outcome, rule).first().expect("something is said").reason.clone();
    first.split_once("\" is ").expect("it is refused").1.to_owned()
}

fn answers(outcome: &Outcome) -> Vec<(u16, &str)> {
    let items = &outcome.verdicts[0].items;
    items.iter().map(|item| (item.code, item.message.as_str())).collect()
}

#[test]
fn new_pods_have_the_defaults_and_those_that_run_stay_as_they_are() {
    let mut story = Story::with_living_nodes(&["a"]);
    apply(&mut story, 1, &[app(1)]);
    story.all_run(2);
    let own = json!({"requests": {"cpu": "100m", "memory": "16Mi"}});
    let range = of_containers(json!({"default": {"cpu": "500m"}}));
    assert_eq!(told(&apply(&mut story, 3, &[range])), "Accept 1", "nobody is stopped");
    assert_eq!(told(&scaled(&mut story, 4, 2)), "Accept 1, Place 1");
    assert_eq!(told(&story.all_run(5)), "", "and nothing rolls");
    let mut filled = own.clone();
    filled["limits"] = json!({"cpu": "500m"});
    assert_eq!(all_resources(&story), [filled.clone(), own.clone()]);

    // Another LimitRange is for the pods after it.
    let range = of_containers(json!({"default": {"cpu": "700m"}}));
    assert_eq!(told(&apply(&mut story, 6, &[range])), "Accept 1");
    assert_eq!(told(&scaled(&mut story, 7, 3)), "Accept 1, Place 1");
    assert_eq!(told(&story.all_run(8)), "");
    let mut later = own.clone();
    later["limits"] = json!({"cpu": "700m"});
    assert_eq!(all_resources(&story), [filled, later, own]);
}

#[test]
fn a_leader_from_the_compacted_topics_knows_what_each_pod_has() {
    let mut story = Story::with_living_nodes(&["a"]);
    apply(&mut story, 1, &[app(1)]);
    let range = of_containers(json!({"default": {"cpu": "500m"}}));
    apply(&mut story, 2, &[range]);
    scaled(&mut story, 3, 2);
    story.all_run(4);
    let before = resources(&story);
    let placements = story.compacted_placements();
    story.rebuilt(10, placements);
    assert_eq!(told(&story.at(3_000, vec![])), "");
    assert_eq!(resources(&story), before);
    scaled(&mut story, 6_000, 3);
    story.at(9_000, vec![]);
    let new = resources(&story);
    assert!(before.iter().all(|(uid, had)| new.get(uid) == Some(had)));
    let limits: Vec<Value> = new.values().map(|all| all["limits"]["cpu"].clone()).collect();
    let with_default = limits.iter().filter(|cpu| **cpu == "500m").count();
    assert_eq!((limits.len(), with_default), (3, 2));
}

#[test]
fn what_is_filled_in_is_reserved_and_counts_in_quotas() {
    let mut story = Story::with_living_nodes(&["a"]);
    let range = of_containers(json!({"defaultRequest": {"cpu": "600m"}}));
    apply(&mut story, 1, &[range.clone(), quota(&json!({"requests.cpu": "1"}))]);
    let bare = with(app(2), json!({}));
    let outcome = apply(&mut story, 2, std::slice::from_ref(&bare));
    assert_eq!(told(&outcome), "Accept 1, Place 1, Wait 1");
    assert_eq!(
        why(&outcome, "quota"),
        "forbidden: exceeded quota: q, requested: requests.cpu=600m, used: requests.cpu=600m, \
         limited: requests.cpu=1"
    );
    assert_eq!(all_resources(&story), [json!({"requests": {"cpu": "600m"}})]);
    // Without the LimitRange nothing says any more what the next one asks for.
    let outcome = delete(&mut story, 3, &range);
    assert_eq!(told(&outcome), "Accept 1, Wait 1");
    assert_eq!(
        why(&outcome, "quota"),
        "forbidden: failed quota: q: must specify requests.cpu for: main"
    );
    let outcome = delete(&mut story, 4, &quota(&json!({})));
    assert_eq!(told(&outcome), "Accept 1, Place 1");
    // A node of two cores: each new one takes eight tenths of one.
    let range = of_containers(json!({"defaultRequest": {"cpu": "800m"}}));
    apply(&mut story, 5, &[range]);
    let outcome = scaled(&mut story, 6, 4);
    assert_eq!(told(&outcome), "Accept 1, Place 1, Wait 1");
}

#[test]
fn pods_outside_a_limit_range_are_not_made_and_the_workload_says_why() {
    let mut story = Story::with_living_nodes(&["a"]);
    let most = |cpu: &str| of_containers(json!({"max": {"cpu": cpu}}));
    apply(&mut story, 1, &[most("800m")]);
    let large = with(app(2), json!({"limits": {"cpu": "1600m"}}));
    let outcome = apply(&mut story, 2, &[large]);
    assert_eq!(told(&outcome), "Accept 1, Wait 1");
    let forbidden = "forbidden: maximum cpu usage per Container is 800m, but limit is 1600m";
    assert_eq!(why(&outcome, "limit_range"), forbidden);
    assert!(said(&outcome, "limit_range")[0].reason.starts_with("pods \"web-"));
    assert!(story.waiting.is_empty(), "a pod that is not made is nobody");
    let status = story.status(3, "apps/Deployment/default/web");
    let failure = &status["conditions"][2];
    assert_eq!(
        (&failure["type"], &failure["reason"]),
        (&json!("ReplicaFailure"), &json!("FailedCreate"))
    );
    assert!(failure["message"].as_str().expect("a text").ends_with(forbidden));
    assert_eq!(told(&story.at(4, vec![])), "");
    assert_eq!(told(&apply(&mut story, 5, &[most("2")])), "Accept 1, Place 1, Wait 1", "one fits");
}

#[test]
fn what_is_filled_in_must_not_contradict_what_is_said() {
    let mut story = Story::with_living_nodes(&["a"]);
    let outcome = apply(&mut story, 1, &[of_containers(json!({"default": {"cpu": "50m"}}))]);
    assert_eq!(told(&outcome), "Accept 1");
    let outcome = apply(&mut story, 2, &[app(1)]);
    assert_eq!(
        why(&outcome, "limit_range"),
        "invalid: spec.containers[0].resources.requests: Invalid value: \"100m\": must be less than \
         or equal to cpu limit of 50m"
    );
}

#[test]
fn a_daemon_set_waits_on_every_node_until_it_may() {
    let mut story = Story::with_living_nodes(&["a", "b"]);
    let range = of_containers(json!({"min": {"cpu": "200m"}}));
    apply(&mut story, 1, std::slice::from_ref(&range));
    let outcome = apply(&mut story, 2, &[daemon_set("default", "web", 100, "v1")]);
    assert_eq!(told(&outcome), "Accept 1, Wait 2");
    assert_eq!(told(&delete(&mut story, 3, &range)), "Accept 1, Place 2");
}

#[test]
fn a_bare_pod_is_filled_in_or_refused_with_the_request() {
    let mut story = Story::with_living_nodes(&["a"]);
    let before = bare_pod("default", "before", 100, "v1");
    apply(&mut story, 1, std::slice::from_ref(&before));
    let range = of_containers(json!({"default": {"cpu": "500m"}, "max": {"cpu": "800m"}}));
    apply(&mut story, 2, &[range]);
    let pod = bare_pod("default", "tool", 100, "v1");
    assert_eq!(answers(&apply(&mut story, 3, std::slice::from_ref(&pod))), [(201, "")]);
    let key = ResourceKey::parse("core/Pod/default/tool").expect("a key");
    let all = story.engine.everything().resources;
    let body = all.into_iter().find(|(found, _)| *found == key).and_then(|(_, found)| found);
    let body: Value = serde_json::from_str(&body.expect("it is there").body).expect("JSON");
    let filled = json!({"limits": {"cpu": "500m"}, "requests": {"cpu": "100m", "memory": "16Mi"}});
    assert_eq!(body["spec"]["containers"][0]["resources"], filled);
    assert!(all_resources(&story).contains(&filled));
    for pod in [pod, before] {
        assert_eq!(answers(&apply(&mut story, 4, &[pod])), [(200, "")], "what is there stays");
    }
    let mut large = bare_pod("default", "large", 100, "v1");
    large["spec"]["containers"][0]["resources"]["limits"] = json!({"cpu": "1600m"});
    let refused = "pods \"large\" is forbidden: maximum cpu usage per Container is 800m, but limit is \
                   1600m";
    assert_eq!(answers(&apply(&mut story, 5, &[large])), [(403, refused)]);
    let hungry = bare_pod("default", "hungry", 600, "v1");
    let refused = "Pod \"hungry\" is invalid: spec.containers[0].resources.requests: Invalid value: \
                   \"600m\": must be less than or equal to cpu limit of 500m";
    assert_eq!(answers(&apply(&mut story, 6, &[hungry])), [(422, refused)]);
}

#[test]
fn claims_keep_within_limit_ranges_those_of_sets_as_well() {
    let mut story = Story::with_living_nodes(&["a"]);
    let of_claims = |most: &str| {
        limit_range("limits", &json!([{"type": "PersistentVolumeClaim", "max": {"storage": most}}]))
    };
    apply(&mut story, 1, &[of_claims("512Mi")]);
    let refused = |name: &str| {
        format!(
            "persistentvolumeclaims {name:?} is forbidden: maximum storage usage per \
             PersistentVolumeClaim is 512Mi, but request is 1Gi"
        )
    };
    let data = claim("default", "data", "ReadWriteOnce");
    let why = refused("data");
    assert_eq!(answers(&apply(&mut story, 2, &[data])), [(403, why.as_str())]);
    let set = with_own_claim(stateful_set("default", "db", 1, 100, "v1"), "data");
    let outcome = apply(&mut story, 3, &[set]);
    assert_eq!(told(&outcome), "Accept 1, Wait 1");
    let why = format!("failed to create PVC data-db-0: {}", refused("data-db-0"));
    assert_eq!(said(&outcome, "limit_range")[0].reason, why);
    assert!(story.waiting.is_empty());
    assert_eq!(told(&apply(&mut story, 4, &[of_claims("2Gi")])), "Accept 1, Place 1");
}
