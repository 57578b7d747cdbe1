//! Priority classes: looked up, filled in, refused.

use serde_json::{Value, json};
use setpoint_dataflow::Outcome;
use setpoint_schemas::{Resource, Verb};
use setpoint_tests::manifests::{bare_pod, deployment, item, of_class, priority_class};

use crate::story::{Story, told};

fn apply(story: &mut Story, ms: i64, objects: &[Value]) -> Outcome {
    story.asks(ms, objects.iter().map(|object| item(Verb::Apply, object)).collect())
}

fn body(outcome: &Outcome, kind: &str) -> Value {
    let found = |resource: &&Resource| resource.kind == kind;
    let mut resources = outcome.resources.iter().filter_map(|(_, resource)| resource.as_deref());
    let found = resources.rfind(found).expect("it was put");
    serde_json::from_str(&found.body).expect("JSON")
}

/// Code and message of each item.
fn answers(outcome: &Outcome) -> Vec<(u16, String)> {
    let items = outcome.verdicts.iter().flat_map(|verdict| &verdict.items);
    items.map(|item| (item.code, item.message.clone())).collect()
}

#[test]
fn a_pod_gets_what_its_class_gives_and_one_of_an_unknown_class_is_refused() {
    let mut story = Story::with_nodes(&["a"]);
    let pod = of_class(bare_pod("default", "p", 100, "v1"), "high");
    let refused = r#"Pod "p" is forbidden: no PriorityClass with name high was found"#;
    let outcome = apply(&mut story, 1, std::slice::from_ref(&pod));
    assert_eq!(answers(&outcome), [(403, refused.to_owned())]);
    let outcome = apply(&mut story, 2, &[priority_class("high", 70), pod.clone()]);
    let spec = body(&outcome, "Pod")["spec"].clone();
    assert_eq!(spec["priority"], 70);
    assert_eq!(spec["preemptionPolicy"], "PreemptLowerPriority");
    // What was filled in stays when the same is applied again, and when the class is gone.
    story.asks(3, vec![item(Verb::Delete, &priority_class("high", 70))]);
    assert_eq!(answers(&apply(&mut story, 4, &[pod])), [(200, String::new())]);
}

#[test]
fn a_pod_without_a_class_gets_the_default_one_and_there_is_only_one() {
    let mut story = Story::with_nodes(&["a"]);
    let mut usual = priority_class("usual", -5);
    usual["globalDefault"] = json!(true);
    let outcome = apply(&mut story, 1, &[usual, bare_pod("default", "p", 100, "v1")]);
    let spec = body(&outcome, "Pod")["spec"].clone();
    assert_eq!((&spec["priority"], &spec["priorityClassName"]), (&json!(-5), &json!("usual")));
    let mut other = priority_class("other", 1);
    other["globalDefault"] = json!(true);
    let (code, message) = answers(&apply(&mut story, 2, &[other])).remove(0);
    assert_eq!(code, 403);
    assert!(message.contains("PriorityClass usual is already marked as default"), "{message}");
}

#[test]
fn the_classes_of_the_system_are_there_and_stay() {
    let mut story = Story::with_nodes(&["a"]);
    let delete = item(Verb::Delete, &priority_class("system-node-critical", 0));
    let (code, message) = answers(&story.asks(1, vec![delete])).remove(0);
    assert_eq!(code, 403);
    assert!(
        message.ends_with("this is a system priority class and cannot be deleted"),
        "{message}"
    );
    let pod = of_class(bare_pod("default", "p", 100, "v1"), "system-cluster-critical");
    let spec = body(&apply(&mut story, 2, &[pod]), "Pod")["spec"].clone();
    assert_eq!(spec["priority"], 2_000_000_000);
}

#[test]
fn a_workload_of_an_unknown_class_waits_for_it_and_keeps_what_it_was_given() {
    let mut story = Story::with_nodes(&["a"]);
    let web = of_class(deployment("default", "web", 1, 100, "v1"), "high");
    assert_eq!(told(&apply(&mut story, 1, &[web])), "Accept 1, Wait 1");
    let reasons: Vec<String> = story.waiting.values().map(|pod| pod.reason.clone()).collect();
    assert_eq!(reasons, ["no PriorityClass with name high was found"]);
    let outcome = apply(&mut story, 2, &[priority_class("high", 70)]);
    assert_eq!(told(&outcome), "Accept 1, Place 1");
    let placement = outcome.placements[0].placement.clone().expect("it was placed");
    let spec: Value = serde_json::from_str(&placement.pattern.spec).expect("JSON");
    assert_eq!((&spec["priority"], &spec["priorityClassName"]), (&json!(70), &json!("high")));
    story.asks(3, vec![item(Verb::Delete, &priority_class("high", 70))]);
    let scale = json!({"spec": {"replicas": 2}});
    let scale = setpoint_tests::manifests::patch(
        Verb::MergePatch,
        ("apps/v1", "Deployment"),
        "default",
        "web",
        &scale,
    );
    assert_eq!(told(&story.asks(4, vec![scale])), "Accept 1, Place 1");
}
