//! A bare Pod that changes while it runs: it goes on where it is, as what it says now.

use serde_json::{Value, json};
use setpoint_dataflow::{Epoch, Outcome};
use setpoint_schemas::{Placement, PodPhase, Verb};
use setpoint_tests::manifests::{bare_pod, deployment, item, near, patch};

use crate::story::{Story, observed, told};

/// Says this of the Pod `tool`.
fn says(story: &mut Story, ms: i64, body: &Value) -> Outcome {
    let item = patch(Verb::MergePatch, ("v1", "Pod"), "default", "tool", body);
    story.asks(ms, vec![item])
}

fn answer(outcome: &Outcome) -> (u16, &str) {
    let item = &outcome.verdicts[0].items[0];
    (item.code, &item.message)
}

/// The only placement of the Pod `tool`.
fn placed(story: &Story) -> Placement {
    let all = story.compacted_placements().into_iter().map(|placed| placed.placement);
    let mut tools: Vec<Placement> = all.filter(|p| p.name.as_str() == "tool").collect();
    assert_eq!(tools.len(), 1, "{tools:?}");
    tools.remove(0)
}

/// A story with the Pod `tool` on its node, which runs.
fn with_tool() -> Story {
    let mut story = Story::with_nodes(&["a"]);
    story.asks(1, vec![item(Verb::Apply, &bare_pod("default", "tool", 100, "v1"))]);
    story.all_run(2);
    story
}

#[test]
fn labels_and_annotations_of_a_pod_that_runs_are_told_to_its_node_and_nothing_is_restarted() {
    let mut story = with_tool();
    let before = placed(&story);
    let outcome = says(
        &mut story,
        3,
        &json!({"metadata": {"labels": {"tier": "front"}, "annotations": {"a/b": "c"}}}),
    );
    assert_eq!(answer(&outcome).0, 200);
    assert_eq!(outcome.placements.len(), 1);
    let after = placed(&story);
    assert_eq!(after.pattern.labels.get("tier").map(String::as_str), Some("front"));
    assert_eq!(after.pattern.annotations.get("a/b").map(String::as_str), Some("c"));
    assert_eq!(
        (&after.uid, &after.node, after.generation, after.placed_ms),
        (&before.uid, &before.node, before.generation, before.placed_ms)
    );
    let outcome = says(&mut story, 5, &json!({"metadata": {"labels": {"tier": "front"}}}));
    assert_eq!(outcome.placements.len(), 0, "the same again is no news");
}

#[test]
fn who_wants_to_be_near_a_label_comes_when_a_pod_that_runs_bears_it() {
    let mut story = with_tool();
    let web = near(deployment("default", "web", 1, 100, "v1"), "front");
    let outcome = story.asks(3, vec![item(Verb::Apply, &web)]);
    assert_eq!(told(&outcome), "Accept 1, Wait 1");
    says(&mut story, 4, &json!({"metadata": {"labels": {"app": "front"}}}));
    story.at(5, vec![]);
    assert_eq!((story.placed.len(), story.waiting.len()), (2, 0));
}

#[test]
fn a_deadline_is_set_and_lowered_and_tolerations_are_added() {
    let mut story = with_tool();
    let bears = json!([{"key": "out", "operator": "Exists", "effect": "NoExecute"}]);
    let spec = json!({"spec": {"activeDeadlineSeconds": 60, "tolerations": bears}});
    assert_eq!(answer(&says(&mut story, 3, &spec)), (200, ""));
    let placement = placed(&story);
    let placed: Value = serde_json::from_str(&placement.pattern.spec).expect("a spec");
    assert_eq!(placed["activeDeadlineSeconds"], json!(60));
    assert_eq!((&placed["tolerations"], placement.generation), (&bears, 1));

    let longer = says(&mut story, 4, &json!({"spec": {"activeDeadlineSeconds": 61}}));
    let why = "Pod \"tool\" is invalid: spec.activeDeadlineSeconds: Invalid value: 61: must be less \
               than or equal to previous value";
    assert_eq!(answer(&longer), (422, why));
    let none = says(&mut story, 5, &json!({"spec": {"tolerations": []}}));
    let why = "Pod \"tool\" is invalid: spec.tolerations: Forbidden: existing toleration can not be \
               modified except its tolerationSeconds";
    assert_eq!(answer(&none), (422, why));
    assert_eq!(answer(&says(&mut story, 6, &json!({"spec": {"activeDeadlineSeconds": 5}}))).0, 200);
}

#[test]
fn who_bears_a_taint_by_then_stays_and_an_engine_rebuilt_knows_it() {
    let mut story = with_tool();
    let bears = json!([{"key": "out", "operator": "Exists", "effect": "NoExecute"}]);
    says(&mut story, 3, &json!({"spec": {"tolerations": bears}}));
    let placements = story.compacted_placements();
    story.rebuilt(4, placements);
    let taints = json!({"spec": {"taints": [{"key": "out", "value": "x", "effect": "NoExecute"}]}});
    let taint = patch(Verb::MergePatch, ("v1", "Node"), "", "a", &taints);
    assert_eq!(told(&story.asks(5, vec![taint])), "Accept 1", "nobody stops");
    assert_eq!(story.placed.len(), 1);
}

#[test]
fn a_pod_that_has_ended_is_labelled_too_and_does_not_run_again() {
    let mut story = Story::with_nodes(&["a"]);
    let mut tool = bare_pod("default", "tool", 100, "v1");
    tool["spec"]["restartPolicy"] = json!("Never");
    story.asks(1, vec![item(Verb::Apply, &tool)]);
    let uid = story.only_pod();
    story.at(2, vec![observed(&uid, "a", 1, PodPhase::Succeeded)]);
    says(&mut story, 3, &json!({"metadata": {"labels": {"tier": "front"}}}));
    assert_eq!(told(&story.at(4, vec![])), "");
    let after = placed(&story);
    assert_eq!(after.pattern.labels.get("tier").map(String::as_str), Some("front"));
    assert_eq!((after.uid, story.placed.len()), (uid, 1));
}

#[test]
fn a_pod_that_changes_twice_in_one_epoch_is_counted_once_and_its_successor_too() {
    let mut story = with_tool();
    let labelled = |tier: &str| {
        let body = json!({"metadata": {"labels": {"tier": tier}}});
        patch(Verb::MergePatch, ("v1", "Pod"), "default", "tool", &body)
    };
    story.asks(3, vec![labelled("front"), labelled("back")]);
    let after = placed(&story);
    assert_eq!(after.pattern.labels.get("tier").map(String::as_str), Some("back"));
    // How many pods there are on nodes, beyond what is wanted, and missing.
    let counted = |story: &mut Story, ms| {
        let epoch = Epoch { cold: true, ..story.epoch(ms, Vec::new()) };
        let overview = story.decide(epoch).overview.expect("a cold epoch has an overview");
        let fleet = &overview.fleet;
        (fleet.nodes.requested.pods, fleet.excess, fleet.missing)
    };
    assert_eq!(counted(&mut story, 4), (1, 0, 0));

    story.asks(5, vec![item(Verb::Delete, &bare_pod("default", "tool", 100, "v1"))]);
    let sequence = story.next_sequence();
    story.at(6, vec![observed(&after.uid, "a", sequence, PodPhase::Gone)]);
    assert_eq!(counted(&mut story, 7), (0, 0, 0), "nothing is left of it");
    let outcome = story.asks(8, vec![item(Verb::Apply, &bare_pod("default", "tool", 100, "v1"))]);
    assert_eq!(told(&outcome), "Accept 1, Place 1");
    story.all_run(9);
    let ran_on = counted(&mut story, 10);
    assert_eq!(ran_on, (1, 0, 0));
    let placements = story.compacted_placements();
    story.rebuilt(11, placements);
    assert_eq!(counted(&mut story, 12), ran_on, "an engine rebuilt counts the same");
}
