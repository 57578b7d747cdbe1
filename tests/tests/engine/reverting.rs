//! Updates that fail go back, and what was gone back to is pinned.

use serde_json::{Value, json};
use setpoint_dataflow::{Outcome, Served};
use setpoint_schemas::{Action, Input, Observation, PodObserved, PodPhase, RequestItem, Verb};
use setpoint_tests::manifests::{deployment, item, patch, undo_web};

use crate::story::{Story, node, reason, session, told};

const WEB: &str = "apps/Deployment/default/web";

/// The Deployment `web` with a deadline of ten seconds, of this image, with these annotations of its
/// updates.
fn watched(image: &str, annotations: &[(&str, &str)]) -> Value {
    let mut web = deployment("default", "web", 2, 100, image);
    web["spec"]["progressDeadlineSeconds"] = json!(10);
    for (name, value) in annotations {
        web["metadata"]["annotations"][format!("setpoint.dev/{name}")] = json!(value);
    }
    web
}

fn apply(web: &Value) -> Vec<RequestItem> {
    vec![item(Verb::Apply, web)]
}

pub(crate) const BACK: (&str, &str) = ("update-failure-action", "rollback");
pub(crate) const MONITOR: (&str, &str) = ("update-monitor-ms", "5000");

/// This image is what its template says now.
fn image_of(story: &Story) -> String {
    let all = story.engine.everything().resources;
    let web = all.into_iter().find(|(key, _)| key.to_string() == WEB).and_then(|(_, web)| web);
    let body: Value = serde_json::from_str(&web.expect("web").body).expect("JSON");
    let image = &body["spec"]["template"]["spec"]["containers"][0]["image"];
    image.as_str().expect("an image").to_owned()
}

/// The first condition of this type: status, reason, message.
pub(crate) fn condition(status: &Value, kind: &str) -> String {
    let all = status["conditions"].as_array().cloned().unwrap_or_default();
    let found = all.iter().find(|condition| condition["type"] == kind);
    let text = |c: &Value, field: &str| c[field].as_str().unwrap_or_default().to_owned();
    found
        .map_or_else(String::new, |c| ["status", "reason", "message"].map(|f| text(c, f)).join(" "))
}

/// What the ledger says by this rule.
pub(crate) fn said(outcome: &Outcome, rule: &str) -> Vec<String> {
    let ledger = outcome.ledger();
    ledger.iter().filter(|d| d.rule == rule).map(|d| d.reason.clone()).collect()
}

/// What a pod of the image says: it runs well, or it crashes.
fn pods_are(story: &mut Story, ms: i64, which: impl Fn(&str) -> Option<&'static str>) -> Outcome {
    let placements = story.engine.everything().placements;
    let mut inputs = Vec::new();
    for placement in placements.into_iter().filter_map(|change| change.placement) {
        let reason = which(&placement.pattern.spec);
        let sequence = story.next_sequence();
        let sample = setpoint_schemas::samples::pod_observed();
        let on = placement.node.to_string();
        inputs.push(Input::Pod(Observation::of(&PodObserved {
            uid: placement.uid.clone(),
            node: node(&on),
            session: session(&on),
            sequence,
            phase: PodPhase::Running,
            ready: reason.is_none(),
            reason: reason.unwrap_or_default().to_owned(),
            containers: Vec::new(),
            ..sample
        })));
    }
    story.at(ms, inputs)
}

pub(crate) fn all_well(story: &mut Story, ms: i64) -> Outcome {
    pods_are(story, ms, |_| None)
}

/// Those of the bad image crash.
pub(crate) fn bad_crash(story: &mut Story, ms: i64) -> Outcome {
    pods_are(story, ms, |spec| spec.contains("bad").then_some("CrashLoopBackOff"))
}

#[test]
fn an_update_past_its_deadline_goes_back_where_that_is_asked_for() {
    for (annotations, image) in [(vec![BACK], "v1"), (vec![], "bad")] {
        let mut story = Story::with_living_nodes(&["a"]);
        story.asks(1, apply(&watched("v1", &annotations)));
        all_well(&mut story, 2);
        story.asks(3, apply(&watched("bad", &annotations)));
        bad_crash(&mut story, 4);
        story.at(5_000, vec![]);
        let outcome = story.at(10_010, vec![]);
        assert_eq!(said(&outcome, "progress_deadline").len(), 1);
        assert_eq!(image_of(&story), image);
        if image == "v1" {
            let why = "revision 2 failed: it made no progress for 10 s; back to the template of revision 1";
            assert_eq!(said(&outcome, "auto_revert"), [why]);
            assert!(said(&outcome, "rollout").contains(&"revision 3 begins".to_owned()));
            all_well(&mut story, 10_011);
            all_well(&mut story, 10_012);
            let status = story.status(10_013, WEB);
            let pinned =
                "True Reverted revision 2 failed: it made no progress for 10 s; revision 3 stays";
            assert_eq!(condition(&status, "Pinned"), pinned);
            assert!(condition(&status, "Progressing").starts_with("True NewReplicaSetAvailable"));
            assert_eq!(status["updatedReplicas"], json!(2));
        }
    }
}

#[test]
fn too_many_pods_that_fail_as_they_begin_end_an_update_long_before_its_deadline() {
    let ratio = |share: &'static str| ("update-max-failure-ratio", share);
    for (share, image) in [("0", "v1"), ("0.5", "bad")] {
        let annotations = [BACK, MONITOR, ratio(share)];
        let mut story = Story::with_living_nodes(&["a"]);
        story.asks(1, apply(&watched("v1", &annotations)));
        all_well(&mut story, 2);
        // By default of two pods one is started first.
        story.asks(3, apply(&watched("bad", &annotations)));
        let outcome = bad_crash(&mut story, 4);
        assert_eq!(image_of(&story), image, "a share of {share}");
        let why = "revision 2 failed: 1 of 2 new pods failed as they began, the last: CrashLoopBackOff; \
                   back to the template of revision 1";
        let expected = if share == "0" { vec![why] } else { vec![] };
        assert_eq!(said(&outcome, "auto_revert"), expected);
    }
}

#[test]
fn a_pod_that_fails_later_than_it_is_watched_ends_no_update() {
    let mut story = Story::with_living_nodes(&["a"]);
    let annotations = [BACK, MONITOR];
    story.asks(1, apply(&watched("v1", &annotations)));
    all_well(&mut story, 2);
    story.at(5_003, vec![]);
    story.asks(5_004, apply(&watched("bad", &annotations)));
    // It runs, and is not ready.
    pods_are(&mut story, 5_005, |spec| spec.contains("bad").then_some("Unready"));
    story.at(9_000, vec![]);
    assert_eq!(said(&bad_crash(&mut story, 10_006), "auto_revert"), [""; 0]);
    assert_eq!(image_of(&story), "bad");
}

#[test]
fn a_failed_update_stands_still_where_that_is_asked_for_until_another_template_comes() {
    let annotations = [("update-failure-action", "pause"), MONITOR];
    let mut story = Story::with_living_nodes(&["a"]);
    story.asks(1, apply(&watched("v1", &annotations)));
    all_well(&mut story, 2);
    story.asks(3, apply(&watched("bad", &annotations)));
    let outcome = bad_crash(&mut story, 4);
    assert_eq!(said(&outcome, "update_failed").len(), 1);
    assert_eq!(told(&all_well(&mut story, 5)), "", "nothing more is replaced");
    let status = story.status(6, WEB);
    assert!(condition(&status, "Progressing").starts_with("False UpdateFailed"), "{status}");
    assert_eq!(said(&story.at(30_000, vec![]), "progress_deadline"), [""; 0], "it is not late");
    assert!(told(&story.asks(30_001, apply(&watched("v3", &annotations)))).contains("Rollout 1"));
    all_well(&mut story, 30_002);
    assert!(condition(&story.status(30_003, WEB), "Progressing").starts_with("True"));
}

#[test]
fn there_is_no_way_back_from_the_way_back() {
    let annotations = [BACK, MONITOR];
    let mut story = Story::with_living_nodes(&["a"]);
    story.asks(1, apply(&watched("v1", &annotations)));
    all_well(&mut story, 2);
    story.at(5_003, vec![]);
    story.asks(5_004, apply(&watched("v2", &annotations)));
    for ms in 5_005..5_010 {
        all_well(&mut story, ms);
    }
    story.at(10_020, vec![]);
    story.asks(10_021, apply(&watched("bad", &annotations)));
    bad_crash(&mut story, 10_022);
    assert_eq!(image_of(&story), "v2", "the last that was healthy");
    // Nothing of it runs well any more: it stays all the same.
    pods_are(&mut story, 10_023, |_| Some("CrashLoopBackOff"));
    story.at(20_024, vec![]);
    story.at(30_025, vec![]);
    assert_eq!(image_of(&story), "v2");
}

#[test]
fn what_was_gone_back_from_is_not_taken_again_from_its_manifest() {
    let annotations = [BACK];
    let mut story = Story::with_living_nodes(&["a"]);
    story.asks(1, apply(&watched("v1", &annotations)));
    all_well(&mut story, 2);
    story.asks(3, apply(&watched("bad", &annotations)));
    bad_crash(&mut story, 4);
    story.at(5_000, vec![]);
    story.at(10_010, vec![]);
    // Who syncs applies the same again, and scales by it.
    let mut synced = watched("bad", &annotations);
    synced["spec"]["replicas"] = json!(3);
    for (ms, result) in [(10_011, "configured"), (10_012, "unchanged")] {
        let outcome = story.asks(ms, apply(&synced));
        let verdict = &outcome.verdicts[0].items[0];
        assert_eq!(verdict.result, result);
        assert_eq!(
            verdict.message,
            "spec.template stays at revision 3: revision 2 failed: it made no progress for 10 s; \
             apply another template, or `rollout undo --to-revision 2`"
        );
        assert_eq!(image_of(&story), "v1");
    }
    let undone = told(&story.asks(10_013, vec![undo_web()]));
    assert!(undone.contains("Refuse 1"), "what failed is passed over: {undone}");
    // A restart changes nothing of that.
    let again = json!({"kubectl.kubernetes.io/restartedAt": "now"});
    let again = json!({"spec": {"template": {"metadata": {"annotations": again}}}});
    let web = |verb: Verb, body: &Value| {
        vec![patch(verb, ("apps/v1", "Deployment"), "default", "web", body)]
    };
    story.asks(10_014, web(Verb::MergePatch, &again));
    story.asks(10_015, apply(&synced));
    assert_eq!(image_of(&story), "v1");
    // By its number it is taken, and is not pinned against then.
    story.asks(10_016, web(Verb::RolloutUndo, &json!({"toRevision": 2})));
    assert_eq!(image_of(&story), "bad");
    story.asks(10_017, apply(&watched("v1", &annotations)));
    assert_eq!(image_of(&story), "v1");
}

#[test]
fn an_undo_is_pinned_until_another_template_is_applied_or_the_manifest_has_caught_up() {
    for (between, message) in [
        ("v3", ""),
        ("v1", "spec.template is that of revision 3 again, which is not pinned any more"),
    ] {
        let mut story = Story::with_living_nodes(&["a"]);
        story.asks(1, apply(&watched("v1", &[])));
        story.asks(2, apply(&watched("v2", &[])));
        story.asks(3, vec![undo_web()]);
        assert_eq!(image_of(&story), "v1");
        let outcome = story.asks(4, apply(&watched("v2", &[])));
        assert!(outcome.verdicts[0].items[0].message.starts_with(
            "spec.template stays at revision 3: revision 2 was undone; apply another template"
        ));
        assert_eq!(image_of(&story), "v1");
        let status = story.status(5, WEB);
        assert_eq!(
            condition(&status, "Pinned"),
            "True Undone revision 2 was undone; revision 3 stays"
        );
        let outcome = story.asks(6, apply(&watched(between, &[])));
        assert_eq!(outcome.verdicts[0].items[0].message, message);
        assert_eq!(condition(&story.status(7, WEB), "Pinned"), "");
        story.asks(8, apply(&watched("v2", &[])));
        assert_eq!(image_of(&story), "v2", "after {between}");
    }
}

#[test]
fn a_leader_that_is_rebuilt_knows_what_was_healthy_and_what_is_barred() {
    let annotations = [BACK];
    let mut story = Story::with_living_nodes(&["a"]);
    story.asks(1, apply(&watched("v1", &annotations)));
    all_well(&mut story, 2);
    story.status(3, WEB);
    story.asks(4, apply(&watched("bad", &annotations)));
    let placements = story.compacted_placements();
    story.rebuilt(5, placements);
    story.at(10_006, vec![]);
    story.at(15_010, vec![]);
    assert_eq!(image_of(&story), "v1", "its deadline began anew, and it went back");
    let placements = story.compacted_placements();
    story.rebuilt(15_020, placements);
    story.asks(15_021, apply(&watched("bad", &annotations)));
    assert_eq!(image_of(&story), "v1");
    let all = story.engine.everything().served;
    let histories = all.into_iter().filter_map(|served| match served {
        Served::Revisions(_, history) => Some(history),
        _ => None,
    });
    let marks: Vec<(i64, bool, bool)> =
        histories.flatten().map(|r| (r.number, r.healthy, r.barred)).collect();
    assert_eq!(marks, [(2, false, true), (3, true, false)]);
}

#[test]
fn wrong_words_and_kinds_whose_updates_are_not_watched_are_refused_by_the_annotation() {
    let mut story = Story::with_living_nodes(&["a"]);
    let outcome = story.asks(1, apply(&watched("v1", &[("update-failure-action", "revert")])));
    assert_eq!(
        reason(&outcome, Action::Refuse),
        "Deployment \"web\" is invalid: metadata.annotations[setpoint.dev/update-failure-action]: \
         must be continue, pause or rollback"
    );
    let mut set = watched("v1", &[BACK]);
    set["kind"] = json!("ReplicaSet");
    set["spec"].as_object_mut().map(|spec| spec.remove("progressDeadlineSeconds"));
    let outcome = story.asks(2, apply(&set));
    let only = "only updates of a Deployment, a StatefulSet or a DaemonSet are watched";
    assert!(reason(&outcome, Action::Refuse).ends_with(only), "{outcome:?}");
}
