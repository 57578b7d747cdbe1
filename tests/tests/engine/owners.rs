//! Owners and what they own, finalizers, and how what is deleted goes.

use serde_json::{Value, json};
use setpoint_dataflow::Outcome;
use setpoint_schemas::{PodPhase, RequestItem, Resource, ResourceKey, Verb};
use setpoint_tests::manifests::{cron_job, deployment, item, job, patch};

use crate::story::{Story, has, observed, told};

const WEB: &str = "apps/Deployment/default/web";

fn key(name: &str) -> String {
    format!("core/ConfigMap/default/{name}")
}

fn config(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1"},
        "metadata": {"name": name, "namespace": "default"}})
}

fn finalized(mut object: Value, finalizers: &[&str]) -> Value {
    object["metadata"]["finalizers"] = json!(finalizers);
    object
}

fn found(story: &Story, key: &str) -> Option<Resource> {
    let key = ResourceKey::parse(key).expect("a key");
    let all = story.engine.everything().resources;
    let resource = all.into_iter().find(|(found, _)| *found == key)?.1?;
    Some(Resource::clone(&resource))
}

fn body(story: &Story, key: &str) -> Value {
    let resource = found(story, key).unwrap_or_else(|| panic!("{key} is there"));
    serde_json::from_str(&resource.body).expect("JSON")
}

/// The object owned by these, each of which waits for it.
fn owned(story: &Story, mut object: Value, by: &[&str]) -> Value {
    let reference = |key: &&str| {
        let owner = found(story, key).unwrap_or_else(|| panic!("{key} is there"));
        json!({"apiVersion": owner.api_version, "kind": owner.kind, "name": owner.name,
            "uid": owner.uid, "blockOwnerDeletion": true})
    };
    object["metadata"]["ownerReferences"] = by.iter().map(reference).collect();
    object
}

fn apply(object: &Value) -> RequestItem {
    item(Verb::Apply, object)
}

/// The deletion of a ConfigMap; an empty policy says nothing.
fn delete(name: &str, policy: &str) -> Vec<RequestItem> {
    delete_of(("v1", "ConfigMap"), name, policy)
}

fn delete_of(kind: (&str, &str), name: &str, policy: &str) -> Vec<RequestItem> {
    let options = match policy {
        "" => json!({}),
        policy => json!({"propagationPolicy": policy}),
    };
    vec![patch(Verb::Delete, kind, "default", name, &options)]
}

/// Changes the metadata of a ConfigMap.
fn describe(name: &str, metadata: &Value) -> Vec<RequestItem> {
    let change = json!({"metadata": metadata});
    vec![patch(Verb::MergePatch, ("v1", "ConfigMap"), "default", name, &change)]
}

fn answer(outcome: &Outcome) -> (u16, &str, &str) {
    let item = &outcome.verdicts[0].items[0];
    (item.code, item.result, &item.message)
}

/// The names of what is gone, in the order in which it went.
fn gone(outcome: &Outcome) -> Vec<&str> {
    let gone = outcome.resources.iter().filter(|(_, resource)| resource.is_none());
    gone.map(|(key, _)| &*key.name).collect()
}

#[test]
fn a_finalizer_keeps_what_is_deleted_until_the_last_one_is_taken_away() {
    let mut story = Story::with_nodes(&["a"]);
    story.asks(1, vec![apply(&finalized(config("a"), &["x.y/z", "x.y/w"]))]);
    let outcome = story.asks(2, delete("a", ""));
    let holds = "finalizers hold it until they are taken away: x.y/z, x.y/w";
    assert_eq!(answer(&outcome), (200, "deleted", holds));
    let marked = found(&story, &key("a")).expect("it stays");
    assert_eq!((marked.deleted_ms, marked.generation), (Some(2), 2));

    let again = story.asks(3, delete("a", ""));
    assert_eq!((answer(&again).0, again.resources.len()), (200, 0), "again changes nothing");
    let more = story.asks(4, describe("a", &json!({"finalizers": ["x.y/z", "x.y/new"]})));
    assert_eq!(
        (answer(&more).0, answer(&more).2),
        (
            422,
            "ConfigMap \"a\" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if \
             the object is being deleted, found new finalizers []string{\"x.y/new\"}"
        )
    );
    let labelled = story.asks(5, describe("a", &json!({"labels": {"b": "c"}})));
    assert_eq!(answer(&labelled).1, "configured", "all else of it may change");
    story.asks(6, describe("a", &json!({"finalizers": ["x.y/w"]})));
    assert!(found(&story, &key("a")).is_some(), "one is left");
    let last = story.asks(7, describe("a", &json!({"finalizers": null})));
    assert_eq!((answer(&last).1, gone(&last)), ("deleted", vec!["a"]));
    let other = story.asks(8, vec![apply(&config("a"))]);
    assert_eq!(answer(&other).1, "created", "another of its name may come");
}

#[test]
fn what_is_owned_goes_after_its_last_owner() {
    let mut story = Story::with_nodes(&["a"]);
    story.asks(1, vec![apply(&config("o")), apply(&config("p"))]);
    let one = owned(&story, config("one"), &[&key("o")]);
    let both = owned(&story, config("both"), &[&key("o"), &key("p")]);
    story.asks(2, vec![apply(&one), apply(&both)]);
    let below = owned(&story, config("below"), &[&key("one")]);
    story.asks(3, vec![apply(&below)]);
    let outcome = story.asks(4, delete("o", "Background"));
    assert_eq!(gone(&outcome), ["o", "one", "below"]);
    assert_eq!(told(&outcome), "Accept 1, Rollout 2");
    let why = outcome.decisions.iter().map(|decision| decision.record().reason);
    let why: Vec<String> = why.filter(|reason| reason.contains("nobody owns it")).collect();
    assert_eq!(why[0], "nobody owns it any more, ConfigMap \"o\" is gone: it is deleted");
    let left = body(&story, &key("both"))["metadata"]["ownerReferences"].clone();
    assert_eq!((left[0]["name"].clone(), left[1].clone()), (json!("p"), Value::Null));
    assert_eq!(gone(&story.asks(5, delete("p", ""))), ["p", "both"]);
}

#[test]
fn who_names_an_owner_that_is_not_there_is_owned_by_nobody() {
    let mut story = Story::with_nodes(&["a"]);
    story.asks(1, vec![apply(&config("o"))]);
    let former = owned(&story, config("d"), &[&key("o")]);
    story.asks(2, delete("o", ""));
    // Another of that name is not it.
    story.asks(3, vec![apply(&config("o"))]);
    let outcome = story.asks(4, vec![apply(&former)]);
    assert_eq!((answer(&outcome).1, gone(&outcome)), ("created", vec!["d"]));
    let now = owned(&story, config("d"), &[&key("o")]);
    assert_eq!(gone(&story.asks(5, vec![apply(&now)])), [""; 0]);
}

#[test]
fn what_is_to_go_before_its_owner_goes_before_it_and_pods_do() {
    let mut story = Story::with_nodes(&["a"]);
    story.asks(1, vec![apply(&deployment("default", "web", 2, 100, "v1"))]);
    let blocks = owned(&story, finalized(config("held"), &["x.y/z"]), &[WEB]);
    let other = owned(&story, config("other"), &[WEB]);
    story.asks(2, vec![apply(&blocks), apply(&other)]);
    let outcome = story.asks(3, delete_of(("apps/v1", "Deployment"), "web", "Foreground"));
    assert_eq!(gone(&outcome), ["other"]);
    assert_eq!(told(&outcome), "Accept 1, Rollout 2, Stop 2", "its pods are stopped");
    let marked = found(&story, WEB).expect("it is served until all is gone");
    assert_eq!(marked.deleted_ms, Some(3));
    assert_eq!(body(&story, WEB)["metadata"]["finalizers"], json!(["foregroundDeletion"]));

    let scaled = json!({"spec": {"replicas": 5}});
    let scale = patch(Verb::MergePatch, ("apps/v1", "Deployment"), "default", "web", &scaled);
    assert_eq!(told(&story.asks(4, vec![scale])), "Accept 1", "no pod is made any more");
    assert_eq!(gone(&story.at(5, vec![has("a", 50, &[])])), [""; 0], "one still blocks");
    let outcome = story.asks(6, describe("held", &json!({"finalizers": null})));
    assert_eq!(gone(&outcome), ["held", "web"]);
    let again = story.asks(7, vec![apply(&deployment("default", "web", 1, 100, "v1"))]);
    assert_eq!(told(&again), "Accept 1, Place 1");
}

#[test]
fn pods_are_the_last_that_an_owner_waits_for_and_a_leader_without_memory_knows_it() {
    for is_rebuilt in [false, true] {
        let mut story = Story::with_nodes(&["a"]);
        story.asks(1, vec![apply(&deployment("default", "web", 1, 100, "v1"))]);
        let one = owned(&story, config("one"), &[WEB]);
        story.asks(2, vec![apply(&one)]);
        story.asks(3, delete_of(("apps/v1", "Deployment"), "web", "Foreground"));
        assert!(found(&story, WEB).is_some() && found(&story, &key("one")).is_none());
        let outcome = match is_rebuilt {
            true => story.rebuilt(20_000, Vec::new()),
            false => story.at(4, vec![has("a", 50, &[])]),
        };
        assert_eq!(gone(&outcome), ["web"], "rebuilt {is_rebuilt}");
    }
}

#[test]
fn what_is_let_go_stays_and_pods_cannot_be() {
    let mut story = Story::with_nodes(&["a"]);
    story.asks(
        1,
        vec![apply(&config("o")), apply(&cron_job("default", "tick", "@yearly", &json!({})))],
    );
    let one = owned(&story, config("one"), &[&key("o")]);
    let made =
        owned(&story, job("default", "made", 100, &json!({})), &["batch/CronJob/default/tick"]);
    story.asks(
        2,
        vec![apply(&one), apply(&made), apply(&deployment("default", "web", 1, 100, "v1"))],
    );
    assert_eq!(gone(&story.asks(3, delete("o", "Orphan"))), ["o"]);
    assert_eq!(body(&story, &key("one"))["metadata"]["ownerReferences"], Value::Null);
    let outcome = story.asks(4, delete_of(("batch/v1", "CronJob"), "tick", "Orphan"));
    assert_eq!(gone(&outcome), ["tick"]);
    assert!(found(&story, "batch/Job/default/made").is_some(), "a Job runs on");
    let outcome = story.asks(5, delete_of(("apps/v1", "Deployment"), "web", "Orphan"));
    assert_eq!(
        (answer(&outcome).0, answer(&outcome).2),
        (
            422,
            "Deployment \"web\" is invalid: propagationPolicy: Invalid value: \"Orphan\": its pods belong to \
             it and cannot run on without it; delete it with Background or Foreground"
        )
    );
}

/// So many ConfigMaps, each owned by the one before it, and what was decided when the first came to be owned by the
/// last.
fn circle(length: usize) -> (Story, Vec<String>, Outcome) {
    let mut story = Story::with_nodes(&["a"]);
    let names: Vec<String> = (0..length).map(|n| format!("c{n}")).collect();
    story.asks(1, vec![apply(&config("c0"))]);
    for pair in names.windows(2) {
        let next = owned(&story, config(&pair[1]), &[&key(&pair[0])]);
        story.asks(2, vec![apply(&next)]);
    }
    let last = key(names.last().expect("one"));
    let closed = owned(&story, config("c0"), &[&last]);
    let outcome = story.asks(3, vec![apply(&closed)]);
    (story, names, outcome)
}

#[test]
fn circles_of_owners_live_and_go_as_others_do() {
    for policy in ["Background", "Foreground"] {
        for length in 2..=4 {
            let (mut story, names, outcome) = circle(length);
            assert_eq!(gone(&outcome), [""; 0], "all live");
            let outcome = story.asks(4, delete("c0", policy));
            let mut went = gone(&outcome);
            went.sort_unstable();
            assert_eq!(went, names, "{policy} of {length}");
            assert_ne!(outcome.due_ms, Some(4), "and nothing is left to look at");
        }
    }
}

#[test]
fn who_waits_for_itself_is_not_waited_for() {
    for length in 1..=4 {
        let (mut story, names, _) = circle(length);
        let all = names.iter().flat_map(|name| delete(name, "Foreground")).collect();
        let outcome = story.asks(4, all);
        assert!(names.iter().all(|name| found(&story, &key(name)).is_none()), "{length}");
        assert_ne!(outcome.due_ms, Some(4), "and nothing is left to look at");
    }
}

/// As many as three epochs look at, with an engine restored from its checkpoint beside in each.
#[test]
fn an_epoch_looks_at_so_many_and_the_next_one_goes_on() {
    let mut story = Story::with_nodes(&["a"]);
    story.asks(1, vec![apply(&config("o"))]);
    let all: Vec<RequestItem> = (0..2_300)
        .map(|number| apply(&owned(&story, config(&format!("d{number}")), &[&key("o")])))
        .collect();
    story.asks(2, all);
    let outcome = story.asks(3, delete("o", ""));
    assert_eq!((gone(&outcome).len(), outcome.due_ms), (1 + 1_000, Some(3)));
    let outcome = story.at(4, vec![]);
    assert_eq!((gone(&outcome).len(), outcome.due_ms), (1_000, Some(4)));
    let outcome = story.at(5, vec![]);
    assert_eq!(gone(&outcome).len(), 300);
    assert_ne!(outcome.due_ms, Some(5), "nothing is left");
}

#[test]
fn a_workload_that_finalizers_keep_makes_no_pods_and_stops_none() {
    let mut story = Story::with_nodes(&["a"]);
    let web = deployment("default", "web", 2, 100, "v1");
    story.asks(1, vec![apply(&finalized(web, &["x.y/z"]))]);
    story.all_run(2);
    let outcome = story.asks(3, delete_of(("apps/v1", "Deployment"), "web", ""));
    assert_eq!(told(&outcome), "Accept 1", "its pods run on");
    let scaled = json!({"spec": {"replicas": 5}});
    let scale = patch(Verb::MergePatch, ("apps/v1", "Deployment"), "default", "web", &scaled);
    assert_eq!(told(&story.asks(4, vec![scale])), "Accept 1");
    let uid = story.placed.keys().next().expect("a pod").clone();
    let failed = observed(&uid, "a", story.next_sequence(), PodPhase::Failed);
    assert_eq!(told(&story.at(5, vec![failed])), "", "none is made in its place");
    assert_eq!(told(&story.at(9_000, vec![])), "", "nor later");
    let free = json!({"metadata": {"finalizers": null}});
    let free = patch(Verb::MergePatch, ("apps/v1", "Deployment"), "default", "web", &free);
    let outcome = story.asks(9_001, vec![free]);
    assert_eq!((gone(&outcome), told(&outcome)), (vec!["web"], "Accept 1, Stop 2".to_owned()));
}

#[test]
fn a_cron_job_that_finalizers_keep_starts_nothing() {
    let mut story = Story::with_living_nodes(&["a"]);
    let tick = cron_job("default", "tick", "* * * * *", &json!({}));
    story.asks(1, vec![apply(&finalized(tick, &["x.y/z"]))]);
    story.asks(2, delete_of(("batch/v1", "CronJob"), "tick", ""));
    story.at(180_000, vec![]);
    let all = story.engine.everything().resources;
    assert!(all.iter().all(|(key, _)| &*key.kind.kind != "Job"));
}

#[test]
fn how_it_is_deleted_may_be_said_anew_and_an_apply_does_not_unsay_it() {
    let mut story = Story::with_nodes(&["a"]);
    story.asks(1, vec![apply(&finalized(config("o"), &["x.y/z"]))]);
    let blocks = owned(&story, finalized(config("held"), &["x.y/z"]), &[&key("o")]);
    story.asks(2, vec![apply(&blocks)]);
    story.asks(3, delete("o", "Foreground"));
    let names = |story: &Story| body(story, &key("o"))["metadata"]["finalizers"].clone();
    assert_eq!(names(&story), json!(["x.y/z", "foregroundDeletion"]));
    story.asks(4, vec![apply(&finalized(config("o"), &["x.y/z"]))]);
    assert_eq!(names(&story), json!(["x.y/z", "foregroundDeletion"]));
    story.asks(5, delete("o", "Background"));
    assert_eq!(names(&story), json!(["x.y/z"]));
    assert_eq!(gone(&story.asks(6, describe("o", &json!({"finalizers": null})))), ["o"]);
    assert!(found(&story, &key("held")).is_some_and(|held| held.deleted_ms.is_some()));
}
