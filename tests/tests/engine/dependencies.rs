//! Workloads that wait for others before their pods are started: what Compose calls `depends_on`.

use serde_json::{Value, json};
use setpoint_dataflow::Outcome;
use setpoint_schemas::{
    Action, Input, Observation, PodObserved, PodPhase, PodUid, ResourceKey, Verb,
};
use setpoint_tests::manifests::{daemon_set, deployment, item};

use crate::story::{Story, node, observed, reason, session, told};

fn service(name: &str, image: &str) -> Value {
    deployment("default", name, 1, 100, image)
}

/// A service that ends.
fn one_shot(name: &str, image: &str) -> Value {
    let mut object = service(name, image);
    object["metadata"]["annotations"] = json!({"setpoint.dev/runs-once": "true"});
    object["spec"]["template"]["spec"]["restartPolicy"] = json!("Never");
    object
}

/// It waits until the Deployment of this name is so far.
fn after(mut object: Value, name: &str, condition: &str, more: &Value) -> Value {
    let mut one = json!({"kind": "Deployment", "name": name, "condition": condition});
    for (field, value) in more.as_object().into_iter().flatten() {
        one[field] = value.clone();
    }
    object["metadata"]["annotations"] =
        json!({"setpoint.dev/depends-on": json!([one]).to_string()});
    object
}

fn apply(story: &mut Story, ms: i64, objects: &[Value]) -> Outcome {
    story.asks(ms, objects.iter().map(|object| item(Verb::Apply, object)).collect())
}

fn none() -> Value {
    json!({})
}

/// The only pod of this workload.
fn pod_of(story: &Story, workload: &str) -> PodUid {
    let placements = story.compacted_placements().into_iter().map(|placed| placed.placement);
    let name = format!("/{workload}");
    let mut pods = placements.filter(|placement| placement.pattern.workload.ends_with(&name));
    let pod = pods.next().expect("it has a pod");
    assert!(pods.next().is_none(), "it has one");
    pod.uid
}

/// It runs and is not ready.
fn has_begun(story: &mut Story, uid: &PodUid) -> Input {
    let on = story.placed[uid].clone();
    let sequence = story.next_sequence();
    Input::Pod(Observation::of(&PodObserved {
        uid: uid.clone(),
        node: node(&on),
        session: session(&on),
        sequence,
        phase: PodPhase::Running,
        ready: false,
        ..setpoint_schemas::samples::pod_observed()
    }))
}

fn is(story: &mut Story, uid: &PodUid, phase: PodPhase) -> Input {
    let on = story.placed[uid].clone();
    observed(uid, &on, story.next_sequence(), phase)
}

#[test]
fn who_depends_on_another_starts_when_that_is_healthy_and_goes_on_when_it_is_not_any_more() {
    let mut story = Story::with_nodes(&["a"]);
    let web = after(service("web", "v1"), "db", "healthy", &none());
    let outcome = apply(&mut story, 1, &[web.clone()]);
    assert_eq!(told(&outcome), "Accept 1, Wait 1");
    let absent = "waits until Deployment db is healthy (it is not there)";
    assert_eq!(reason(&outcome, Action::Wait), absent);
    let waits: Vec<_> = story.waiting.values().cloned().collect();
    assert!(waits.len() == 1 && waits[0].gated && waits[0].reason == absent, "{waits:?}");

    let outcome = apply(&mut story, 2, &[service("db", "v1")]);
    assert_eq!(told(&outcome), "Accept 1, Place 1, Wait 1");
    let held = "waits until Deployment db is healthy";
    assert_eq!(reason(&outcome, Action::Wait), held);
    let status = story.status(3, "apps/Deployment/default/web");
    let conditions = status["conditions"].as_array().expect("conditions");
    let waiting = conditions.iter().find(|condition| condition["type"] == "Waiting");
    assert_eq!(waiting.map(|condition| &condition["message"]), Some(&json!(held)), "{status}");
    assert!(conditions.iter().all(|condition| condition["type"] != "ReplicaFailure"), "{status}");

    let db = pod_of(&story, "db");
    let begun = has_begun(&mut story, &db);
    assert_eq!(told(&story.at(4, vec![begun])), "", "it runs and is not ready");
    assert_eq!(told(&story.all_run(5)), "Place 1");
    assert!(story.waiting.is_empty());
    assert!(story.placed.contains_key(&waits[0].uid), "the one that waited");

    story.all_run(6);
    let begun = has_begun(&mut story, &db);
    assert_eq!(told(&story.at(7, vec![begun])), "", "what fails later stops nobody");
    let mut more = web;
    more["spec"]["replicas"] = json!(2);
    assert_eq!(told(&apply(&mut story, 8, &[more])), "Accept 1, Place 1", "nor holds it back");
}

#[test]
fn who_waits_only_for_the_start_does_not_wait_for_health() {
    let mut story = Story::with_nodes(&["a"]);
    let web = after(service("web", "v1"), "db", "started", &none());
    let outcome = apply(&mut story, 1, &[service("db", "v1"), web]);
    assert_eq!(told(&outcome), "Accept 1, Place 1, Wait 1");
    assert_eq!(reason(&outcome, Action::Wait), "waits until Deployment db has started");
    let db = pod_of(&story, "db");
    let begun = has_begun(&mut story, &db);
    assert_eq!(told(&story.at(2, vec![begun])), "Place 1");
}

#[test]
fn who_waits_for_an_end_waits_for_a_good_one_and_a_changed_one_shot_runs_again() {
    let mut story = Story::with_nodes(&["a"]);
    let web = after(service("web", "v1"), "migrate", "completed", &none());
    let outcome = apply(&mut story, 1, &[one_shot("migrate", "v1"), web]);
    assert_eq!(told(&outcome), "Accept 1, Place 1, Wait 1");
    let migrate = pod_of(&story, "migrate");
    let running = is(&mut story, &migrate, PodPhase::Running);
    assert_eq!(told(&story.at(2, vec![running])), "", "it has not ended");
    let failed = is(&mut story, &migrate, PodPhase::Failed);
    let outcome = story.at(3, vec![failed]);
    assert_eq!(told(&outcome), "Wait 1");
    let why = "waits until Deployment migrate has completed successfully (it has failed)";
    assert_eq!(reason(&outcome, Action::Wait), why);

    let outcome = apply(&mut story, 4, &[one_shot("migrate", "v2")]);
    assert_eq!(told(&outcome), "Accept 1, Place 1, Rollout 1, Stop 1, Wait 1");
    let migrate = pod_of(&story, "migrate");
    let ended = is(&mut story, &migrate, PodPhase::Succeeded);
    assert_eq!(told(&story.at(5, vec![ended])), "Place 1");
}

#[test]
fn what_is_not_required_is_not_waited_for_in_vain() {
    let mut story = Story::with_nodes(&["a"]);
    let optional = json!({"required": false});
    let web = after(service("web", "v1"), "migrate", "completed", &optional);
    assert_eq!(told(&apply(&mut story, 1, &[web])), "Accept 1, Place 1", "it is not there");

    let mut story = Story::with_nodes(&["a"]);
    let web = after(service("web", "v1"), "migrate", "completed", &optional);
    let outcome = apply(&mut story, 1, &[one_shot("migrate", "v1"), web]);
    assert_eq!(told(&outcome), "Accept 1, Place 1, Wait 1", "while there is hope it is");
    let migrate = pod_of(&story, "migrate");
    let failed = is(&mut story, &migrate, PodPhase::Failed);
    assert_eq!(told(&story.at(2, vec![failed])), "Place 1");
}

#[test]
fn who_runs_once_is_there_when_it_is_done_and_has_failed_when_its_pod_has() {
    let key = "apps/Deployment/default/migrate";
    for (phase, updated, available, progress) in [
        (PodPhase::Succeeded, 1, 1, "NewReplicaSetAvailable"),
        (PodPhase::Failed, 0, 0, "UpdateFailed"),
    ] {
        let mut story = Story::with_nodes(&["a"]);
        apply(&mut story, 1, &[one_shot("migrate", "v1")]);
        let migrate = pod_of(&story, "migrate");
        let ended = is(&mut story, &migrate, phase);
        story.at(2, vec![ended]);
        let status = story.status(3, key);
        let count = |name: &str| status[name].as_i64().expect("a number");
        let counts = (count("replicas"), count("updatedReplicas"), count("availableReplicas"));
        assert_eq!(counts, (updated, updated, available), "{status}");
        let conditions = status["conditions"].as_array().expect("conditions");
        let progressing =
            conditions.iter().find(|c| c["type"] == "Progressing").expect("it is told");
        assert_eq!(progressing["reason"], progress, "{status}");
        let explained = story.engine.explain(&ResourceKey::parse(key).expect("a key"));
        let explained = explained.expect("it is there");
        let fails = explained.reason.ends_with("failed, and what runs once is not started again");
        assert!(explained.settled && fails == (phase == PodPhase::Failed), "{}", explained.reason);
    }
}

#[test]
fn an_update_waits_for_the_update_of_what_it_depends_on_and_the_old_runs_on() {
    let mut story = Story::with_nodes(&["a"]);
    let both = |image: &str| {
        [service("db", image), after(service("web", image), "db", "healthy", &none())]
    };
    apply(&mut story, 1, &both("v1"));
    story.all_run(2);
    story.all_run(3);
    let outcome = apply(&mut story, 4, &both("v2"));
    assert_eq!(told(&outcome), "Accept 1, Place 1, Rollout 2, Wait 1");
    assert_eq!(reason(&outcome, Action::Wait), "waits until Deployment db is healthy");
    assert!(story.waiting.is_empty(), "no pod is missing");
    assert_eq!(story.placed.len(), 3);
    assert_eq!(told(&story.all_run(5)), "Place 1, Stop 1", "the new web, and the old db");
}

#[test]
fn who_is_restarted_with_another_begins_a_revision_when_that_one_is_changed_by_someone() {
    for restart in [true, false] {
        let mut story = Story::with_nodes(&["a"]);
        let web = after(service("web", "v1"), "db", "healthy", &json!({"restart": restart}));
        apply(&mut story, 1, &[service("db", "v1"), web]);
        story.all_run(2);
        story.all_run(3);
        let outcome = apply(&mut story, 4, &[service("db", "v2")]);
        if !restart {
            assert_eq!(told(&outcome), "Accept 1, Place 1, Rollout 1");
            continue;
        }
        assert_eq!(told(&outcome), "Accept 1, Place 1, Rollout 3, Wait 1");
        let said = outcome.decisions.iter().map(|decision| decision.record().reason);
        let why = "Deployment db changed, and it is to be restarted with it";
        assert!(said.into_iter().any(|reason| reason == why));
        assert_eq!(told(&story.all_run(5)), "Place 1, Stop 1", "the new web, and the old db");
    }
}

#[test]
fn a_daemon_set_waits_everywhere_and_a_leader_that_begins_anew_holds_nobody_back_who_runs() {
    let mut story = Story::with_nodes(&["a", "b"]);
    let agent = after(daemon_set("default", "agent", 100, "v1"), "db", "healthy", &none());
    let outcome = apply(&mut story, 1, &[agent, service("db", "v1")]);
    assert_eq!(told(&outcome), "Accept 1, Place 1, Wait 1");
    assert_eq!(told(&story.all_run(2)), "Place 2");
    story.all_run(3);
    let placements = story.compacted_placements();
    let outcome = story.rebuilt(4, placements);
    assert!(!told(&outcome).contains("Wait"), "{}", told(&outcome));
    assert!(!told(&outcome).contains("Stop"), "{}", told(&outcome));
}

#[test]
fn who_waited_for_longer_than_its_deadline_has_all_of_its_time_when_it_begins() {
    let mut story = Story::with_living_nodes(&["a"]);
    let mut web = after(service("web", "v1"), "db", "healthy", &none());
    web["spec"]["progressDeadlineSeconds"] = json!(10);
    apply(&mut story, 1, &[service("db", "v1"), web]);
    for ms in [5_000, 10_000, 15_000] {
        assert_eq!(told(&story.at(ms, vec![])), "", "it is not late while it waits");
    }
    assert_eq!(told(&story.all_run(20_000)), "Place 1");
    assert_eq!(told(&story.at(25_000, vec![])), "");
    let outcome = story.at(30_001, vec![]);
    assert_eq!(reason(&outcome, Action::Rollout), "no progress for 10 s: ProgressDeadlineExceeded");
}
