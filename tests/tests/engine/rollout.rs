//! Updates: their bounds, their pace, what is said of them.

use serde_json::{Value, json};
use setpoint_schemas::{Action, RequestItem, Verb};
use setpoint_tests::manifests::{deployment, item, patch, rolling, undo_web};

use crate::story::{Story, reason, told, web};

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
    let outcome = story.asks(ms + 1, vec![undo_web()]);
    assert_eq!(reason(&outcome, Action::Rollout), "revision 3 begins");
    let placed = outcome.placements.iter().find_map(|change| change.placement.clone()).unwrap();
    assert!(placed.pattern.spec.contains("v1"));
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
fn an_update_pauses_between_its_batches() {
    let mut story = Story::with_nodes(&["a", "b", "c"]);
    let apply = |image: &str| {
        let mut web = rolling(deployment("default", "web", 4, 100, image), 0, 2);
        web["metadata"]["annotations"] = json!({"setpoint.dev/update-delay-ms": "60000"});
        vec![item(Verb::Apply, &web)]
    };
    assert_eq!(told(&story.asks(1, apply("v1"))), "Accept 1, Place 4", "not the first time");
    story.all_run(2);
    assert_eq!(told(&story.asks(3, apply("v2"))), "Accept 1, Place 2, Rollout 1, Stop 2");
    assert_eq!(told(&story.all_run(1_000)), "");
    assert_eq!(told(&story.at(60_999, vec![])).replace("Hold 1", ""), "");
    let names = ["a", "b", "c"];
    assert_eq!(told(&story.renew(61_000, &names)).replace("Release 1, ", ""), "Place 2, Stop 2");
    assert_eq!(told(&story.all_run(61_001)), "");
    assert_eq!(told(&story.renew(122_000, &names)).replace("Release 1", ""), "", "it is over");
}

/// Type, status and reason of each condition.
fn conditions(status: &Value) -> Vec<String> {
    let text =
        |condition: &Value, field: &str| condition[field].as_str().unwrap_or_default().to_owned();
    let fields = ["type", "status", "reason"];
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    conditions.iter().map(|c| fields.map(|field| text(c, field)).join(" ")).collect()
}

const WEB: &str = "apps/Deployment/default/web";

fn limited(image: &str) -> Vec<RequestItem> {
    let mut web = deployment("default", "web", 2, 100, image);
    web["spec"]["progressDeadlineSeconds"] = json!(10);
    web["spec"]["minReadySeconds"] = json!(2);
    vec![item(Verb::Apply, &web)]
}

#[test]
fn an_update_without_progress_exceeds_its_deadline_once_and_progress_mends_it() {
    let mut story = Story::with_nodes(&["a"]);
    story.asks(1, limited("v1"));
    let waits =
        ["Available False MinimumReplicasUnavailable", "Progressing True ReplicaSetUpdated"];
    assert_eq!(conditions(&story.status(2, WEB)), waits);
    story.renew(5_000, &["a"]);
    assert_eq!(told(&story.at(10_000, vec![])), "");
    let outcome = story.renew(10_001, &["a"]);
    assert_eq!(reason(&outcome, Action::Rollout), "no progress for 10 s: ProgressDeadlineExceeded");
    let stuck = "Progressing False ProgressDeadlineExceeded";
    assert_eq!(conditions(&story.status(10_002, WEB))[1], stuck);
    assert_eq!(told(&story.renew(15_000, &["a"])), "", "it is said once");

    story.all_run(16_000);
    let status = story.status(16_001, WEB);
    assert_eq!(conditions(&status)[1], waits[1], "ready pods are progress");
    assert_eq!((&status["readyReplicas"], &status["availableReplicas"]), (&json!(2), &json!(0)));
    story.renew(18_000, &["a"]);
    let status = story.status(18_001, WEB);
    assert_eq!(status["availableReplicas"], json!(2), "ready for minReadySeconds");
    let done =
        ["Available True MinimumReplicasAvailable", "Progressing True NewReplicaSetAvailable"];
    assert_eq!(conditions(&status), done);

    // What befalls a complete revision is no update: it does not exceed any deadline.
    let gone: Vec<_> = story.placed.keys().cloned().collect();
    let gone = gone
        .iter()
        .map(|uid| crate::story::observed(uid, "a", 1_000, setpoint_schemas::PodPhase::Gone));
    let gone = gone.collect();
    story.at(19_000, gone);
    story.renew(24_000, &["a"]);
    story.renew(30_000, &["a"]);
    assert_eq!(told(&story.renew(36_000, &["a"])), "");
    assert_eq!(conditions(&story.status(36_001, WEB)), [waits[0], done[1]]);
}

#[test]
fn a_paused_update_is_not_late_and_its_deadline_begins_when_it_goes_on() {
    let mut story = Story::with_nodes(&["a"]);
    story.asks(0, limited("v1"));
    let pause = |on: bool| {
        let body = json!({"spec": {"paused": on}});
        vec![patch(Verb::MergePatch, ("apps/v1", "Deployment"), "default", "web", &body)]
    };
    story.asks(1_000, pause(true));
    story.renew(5_000, &["a"]);
    story.renew(10_000, &["a"]);
    assert_eq!(told(&story.renew(15_000, &["a"])), "");
    assert_eq!(conditions(&story.status(15_001, WEB))[1], "Progressing Unknown DeploymentPaused");
    story.asks(16_000, pause(false));
    story.renew(20_000, &["a"]);
    assert_eq!(told(&story.renew(25_000, &["a"])), "");
    assert_eq!(told(&story.renew(26_000, &["a"])), "Rollout 1");
}

#[test]
fn fewer_revisions_are_kept_as_soon_as_the_limit_is_lower() {
    let mut story = Story::with_nodes(&["a"]);
    let apply = |image: &str, limit: i64| {
        let mut web = deployment("default", "web", 1, 100, image);
        web["spec"]["revisionHistoryLimit"] = json!(limit);
        vec![item(Verb::Apply, &web)]
    };
    let kept = |outcome: &setpoint_dataflow::Outcome| {
        let revisions = outcome.served.iter().find_map(|served| match served {
            setpoint_dataflow::Served::Revisions(_, revisions) => Some(revisions.clone()),
            _ => None,
        });
        revisions.unwrap().iter().map(|revision| revision.number).collect::<Vec<_>>()
    };
    story.asks(1, apply("v1", 2));
    story.asks(2, apply("v2", 2));
    assert_eq!(kept(&story.asks(3, apply("v3", 2))), [1, 2, 3]);
    assert_eq!(kept(&story.asks(4, apply("v4", 2))), [2, 3, 4]);
    assert_eq!(kept(&story.asks(5, apply("v4", 0))), [4], "the template is the same");
    assert_eq!(told(&story.asks(6, vec![undo_web()])), "Refuse 1");
}

#[test]
fn a_leader_that_is_rebuilt_knows_since_when_an_update_made_no_progress() {
    let mut story = Story::with_living_nodes(&["a"]);
    story.asks(1, limited("v1"));
    story.status(2, WEB);
    let placements = story.compacted_placements();
    story.rebuilt(5_000, placements);
    assert_eq!(told(&story.at(10_000, vec![])), "");
    let outcome = story.at(10_001, vec![]);
    assert_eq!(reason(&outcome, Action::Rollout), "no progress for 10 s: ProgressDeadlineExceeded");
    story.status(10_002, WEB);
    let placements = story.compacted_placements();
    story.rebuilt(11_000, placements);
    [15_000, 20_000].into_iter().for_each(|ms| drop(story.at(ms, vec![])));
    let outcome = story.at(25_000, vec![]);
    assert_eq!(reason(&outcome, Action::Rollout), "", "and that it was said");
}
