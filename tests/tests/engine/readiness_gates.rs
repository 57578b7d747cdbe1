//! Readiness gates: a pod is ready when its containers are and the conditions that others set of it are true.

use serde_json::{Value, json};
use setpoint_dataflow::Outcome;
use setpoint_schemas::{CONDITIONS_GONE_BY, Placement, PodPhase, PodUid, RequestItem, Verb};
use setpoint_tests::manifests::{deployment, item, patch};

use crate::story::{Story, observed, told};

const WEB: &str = "apps/Deployment/default/web";

fn gated(image: &str) -> Value {
    let mut web = deployment("default", "web", 1, 100, image);
    web["spec"]["template"]["spec"]["readinessGates"] =
        json!([{"conditionType": "example.com/in"}]);
    web
}

fn placement(story: &Story, uid: &PodUid) -> Placement {
    let placed = story.compacted_placements().into_iter().map(|placed| placed.placement);
    placed.into_iter().find(|placement| placement.uid == *uid).expect("it is placed")
}

/// Somebody sets these conditions of a pod.
fn sets(story: &mut Story, ms: i64, uid: &PodUid, verb: Verb, conditions: &Value) -> Outcome {
    let item = write(story, uid, verb, &json!({"conditions": conditions}));
    story.asks(ms, vec![item])
}

/// A write to the status of a pod.
fn write(story: &Story, uid: &PodUid, verb: Verb, body: &Value) -> RequestItem {
    let name = placement(story, uid).name.to_string();
    let item = patch(verb, ("v1", "Pod"), "default", &name, body);
    RequestItem { subresource: "status".to_owned(), ..item }
}

fn is_in(status: &str) -> Value {
    json!([{"type": "example.com/in", "status": status}])
}

fn ready(story: &mut Story, ms: i64) -> i64 {
    story.status(ms, WEB)["readyReplicas"].as_i64().unwrap_or(0)
}

#[test]
fn a_pod_is_ready_when_its_gates_are_open_and_an_update_waits_for_that() {
    let mut story = Story::with_nodes(&["a"]);
    story.asks(1, vec![item(Verb::Apply, &gated("v1"))]);
    let uid = story.only_pod();
    story.all_run(2);
    assert_eq!(ready(&mut story, 3), 0, "its containers are ready and its gate is closed");
    let outcome = sets(&mut story, 4, &uid, Verb::StrategicMergePatch, &is_in("False"));
    assert_eq!(told(&outcome), "Accept 1");
    assert_eq!(ready(&mut story, 5), 0);
    let outcome = sets(&mut story, 6, &uid, Verb::StrategicMergePatch, &is_in("True"));
    let change = &outcome.placements[..];
    assert!(change.len() == 1 && change[0].placement.is_some(), "its placement says it");
    let kept = placement(&story, &uid);
    assert_eq!((kept.generation, kept.gates_are_open()), (1, true), "nothing is restarted");
    assert_eq!(kept.conditions()[0].last_transition_time, "1970-01-01T00:00:00Z");
    assert_eq!(ready(&mut story, 7), 1);
    let again = sets(&mut story, 8, &uid, Verb::StrategicMergePatch, &is_in("True"));
    assert!(again.placements.is_empty(), "what is so already is not said again");

    // The new pod has a gate of its own, which nobody has opened yet.
    let outcome = story.asks(9, vec![item(Verb::Apply, &gated("v2"))]);
    assert_eq!(told(&outcome), "Accept 1, Place 1, Rollout 1");
    assert_eq!(told(&story.all_run(10)), "", "the old one serves on");
    let fresh = story.placed.keys().find(|placed| **placed != uid).expect("the new one").clone();
    let outcome = sets(&mut story, 11, &fresh, Verb::StrategicMergePatch, &is_in("True"));
    assert_eq!(told(&outcome), "Accept 1, Stop 1");

    // It closes again, and stays so whatever its containers say.
    let outcome = sets(&mut story, 12, &fresh, Verb::Update, &json!([]));
    assert_eq!(told(&outcome), "Accept 1");
    let sequence = story.next_sequence();
    let again = observed(&fresh, "a", sequence, PodPhase::Running);
    story.at(13, vec![again]);
    assert_eq!(ready(&mut story, 14), 0);
}

#[test]
fn conditions_of_a_pod_without_gates_are_kept_and_change_nothing() {
    let mut story = Story::with_nodes(&["a"]);
    story.asks(1, vec![item(Verb::Apply, &deployment("default", "web", 1, 100, "v1"))]);
    let uid = story.only_pod();
    story.all_run(2);
    let both = json!([{"type": "a", "status": "False"}, {"type": "Ready", "status": "False"}]);
    sets(&mut story, 3, &uid, Verb::StrategicMergePatch, &both);
    let kept: Vec<String> =
        placement(&story, &uid).conditions().into_iter().map(|condition| condition.kind).collect();
    assert_eq!(kept, ["a"], "what follows from observation is nobody's to set");
    assert_eq!(ready(&mut story, 4), 1);
    let bad = json!([{"type": "a", "status": "perhaps"}]);
    let outcome = sets(&mut story, 5, &uid, Verb::StrategicMergePatch, &bad);
    assert!(!outcome.verdicts[0].accepted && outcome.verdicts[0].items[0].code == 422);
}

#[test]
fn a_leader_that_begins_anew_knows_the_gates_that_were_opened() {
    let mut story = Story::with_nodes(&["a"]);
    story.asks(1, vec![item(Verb::Apply, &gated("v1"))]);
    let uid = story.only_pod();
    story.all_run(2);
    sets(&mut story, 3, &uid, Verb::StrategicMergePatch, &is_in("True"));
    let placements = story.compacted_placements();
    story.rebuilt(4, placements);
    assert_eq!(placement(&story, &uid).conditions().len(), 1);
    let sequence = story.next_sequence();
    let runs = observed(&uid, "a", sequence, PodPhase::Running);
    story.at(5, vec![runs]);
    assert_eq!(ready(&mut story, 6), 1);
}

#[test]
fn two_writers_of_one_pods_conditions_do_not_undo_each_other() {
    let mut story = Story::with_nodes(&["a"]);
    story.asks(1, vec![item(Verb::Apply, &gated("v1"))]);
    let uid = story.only_pod();
    story.all_run(2);
    let one = |kind: &str| json!([{"type": kind, "status": "True"}]);
    let kinds = |story: &Story| -> Vec<String> {
        placement(story, &uid).conditions().into_iter().map(|condition| condition.kind).collect()
    };
    // Two items of one request.
    let two = ["b", "a"].map(|kind| {
        write(&story, &uid, Verb::StrategicMergePatch, &json!({"conditions": one(kind)}))
    });
    let outcome = story.asks(3, two.to_vec());
    assert!(outcome.verdicts[0].accepted, "{:?}", outcome.verdicts);
    assert_eq!(kinds(&story), ["a", "b"], "the second saw what the first set");
    // Two writers that both went by what was before.
    let gone_by = placement(&story, &uid).conditions();
    let says = |story: &Story, conditions: Value| {
        let body = json!({"conditions": conditions, CONDITIONS_GONE_BY: gone_by});
        write(story, &uid, Verb::Update, &body)
    };
    let (first, second) = (says(&story, one("c")), says(&story, one("d")));
    assert!(story.asks(4, vec![first]).verdicts[0].accepted, "nobody was before it");
    let refused = story.asks(5, vec![second]);
    let answer = &refused.verdicts[0].items[0];
    assert_eq!((refused.verdicts[0].accepted, answer.code), (false, 409), "{}", answer.message);
    assert!(answer.message.contains("the object has been modified"), "{}", answer.message);
    assert_eq!(kinds(&story), ["c"]);
}
