//! What nodes say of pods, in time and late.

use serde_json::json;
use setpoint_dataflow::{Epoch, Remains, Served};
use setpoint_schemas::{Input, NodeSnapshot, PodObserved, PodPhase, PodUid, SessionId, Verb};
use setpoint_tests::manifests::{self, bare_pod, item, patch};

use crate::story::{Story, has, node, observed, told, web};

#[test]
fn a_bare_pod_keeps_its_name_and_is_not_run_twice() {
    let mut story = Story::with_nodes(&["a"]);
    let outcome = story.asks(1, vec![item(Verb::Apply, &bare_pod("default", "tool", 100, "v1"))]);
    let placement = outcome.placements[0].placement.clone().unwrap();
    assert_eq!(placement.name.as_str(), "tool");
    let ended = observed(&placement.uid, "a", 1, PodPhase::Succeeded);
    assert_eq!(told(&story.at(2, vec![ended])), "");
}

#[test]
fn a_pod_that_has_ended_stays_so_when_its_node_has_nothing_left_of_it() {
    let mut story = Story::with_nodes(&["a"]);
    story.asks(1, vec![item(Verb::Apply, &bare_pod("default", "tool", 100, "v1"))]);
    let uid = story.only_pod();
    story.at(2, vec![observed(&uid, "a", 1, PodPhase::Failed)]);
    let outcome = story.at(3, vec![has("a", 9, &[])]);
    assert!(!outcome.served.contains(&Served::PodGone(uid.clone())), "it is served as it ended");
    story.asks(4, vec![item(Verb::Delete, &bare_pod("default", "tool", 100, "v1"))]);
    let outcome = story.at(5, vec![has("a", 10, &[])]);
    assert!(outcome.served.contains(&Served::PodGone(uid)), "and goes when it is deleted");
}

#[test]
fn a_snapshot_tells_what_is_gone() {
    let mut story = Story::with_nodes(&["a"]);
    story.asks(1, web(1, "v1"));
    story.all_run(2);
    let uid = story.placed.keys().next().unwrap().clone();
    story.asks(3, web(0, "v1"));
    let outcome = story.at(4, vec![has("a", 100, &[])]);
    assert!(outcome.served.contains(&Served::PodGone(uid)));
}

/// A later life of the agent of `a`, which says that its pod is so.
fn later_life(uid: &PodUid, phase: PodPhase) -> (Input, Input) {
    let life = SessionId::parse("a-s2").expect("a session");
    let Input::Pod(word) = observed(uid, "a", 1, phase) else { unreachable!("it is of a pod") };
    let word = PodObserved { session: life.clone(), ..word.whole() };
    let word = Input::Pod(word.into());
    (Input::Node(Box::new(manifests::node(&node("a"), &life, 2_000))), word)
}

#[test]
fn what_a_session_says_before_its_record_is_read_counts_once_it_is() {
    let mut story = Story::with_nodes(&["a"]);
    story.asks(1, web(1, "v1"));
    story.all_run(2);
    let (record, word) = later_life(&story.only_pod(), PodPhase::Failed);
    let early = Epoch { complete: false, ..story.epoch(3, vec![word]) };
    let early = story.decide(early);
    assert_eq!((told(&early), early.due_ms), (String::new(), Some(3 + 100)), "soon looked at");
    let another = Epoch { complete: false, ..story.epoch(4, vec![]) };
    assert_eq!(told(&story.decide(another)), "", "still to be read");
    assert_eq!(told(&story.at(5, vec![record])), "Place 1, Stop 1", "it ended for good");

    // All that it has, as well: nothing is left of the pod that stops.
    let stopping = story.only_pod();
    story.asks(6, web(0, "v1"));
    let Input::Snapshot(none) = has("a", 9, &[]) else { unreachable!("it is one") };
    let life = SessionId::parse("a-s3").unwrap();
    let none = Input::Snapshot(Box::new(NodeSnapshot { session: life.clone(), ..*none }));
    let early = Epoch { complete: false, ..story.epoch(7, vec![none]) };
    story.decide(early);
    let record = Input::Node(Box::new(manifests::node(&node("a"), &life, 2_000)));
    assert!(story.at(8, vec![record]).served.contains(&Served::PodGone(stopping)));
}

#[test]
fn what_an_unregistered_session_said_is_forgotten_once_everything_is_read() {
    let mut story = Story::with_nodes(&["a"]);
    story.asks(1, web(1, "v1"));
    story.all_run(2);
    let (record, word) = later_life(&story.only_pod(), PodPhase::Failed);
    let early = Epoch { complete: false, ..story.epoch(3, vec![word.clone()]) };
    story.decide(early);
    assert_eq!(told(&story.at(4, vec![word])), "", "late words of a life that is over");
    assert_eq!(told(&story.at(5, vec![record])), "", "nothing is kept of them");
}

#[test]
fn a_stopping_pod_is_not_restarted_and_so_placed_again() {
    let mut story = Story::with_nodes(&["a"]);
    let outcome = story.asks(1, web(1, "v1"));
    let name = outcome.placements[0].placement.as_ref().unwrap().name.to_string();
    story.asks(2, web(0, "v1"));
    let restart = patch(Verb::RestartPod, ("v1", "Pod"), "default", &name, &json!({}));
    assert_eq!(told(&story.asks(3, vec![restart])), "Refuse 1");
    assert!(story.placed.is_empty());
}

#[test]
fn a_late_word_of_a_pod_that_is_gone_revives_nothing() {
    let mut story = Story::with_nodes(&["a"]);
    story.asks(1, web(1, "v1"));
    let uid = story.only_pod();
    let ready = |story: &mut Story, ms| {
        let status = story.status(ms, "apps/Deployment/default/web");
        status["readyReplicas"].as_i64()
    };
    story.at(2, vec![observed(&uid, "a", 4, PodPhase::Running)]);
    assert_eq!(ready(&mut story, 3), Some(1));
    story.at(4, vec![observed(&uid, "a", 7, PodPhase::Gone)]);
    assert_eq!(ready(&mut story, 5), Some(0));
    let late = story.at(6, vec![observed(&uid, "a", 6, PodPhase::Running)]);
    assert_eq!(late.served, [], "older than its end");
    assert_eq!(ready(&mut story, 7), Some(0));
    story.at(8, vec![observed(&uid, "a", 8, PodPhase::Running)]);
    assert_eq!(ready(&mut story, 9), Some(1), "its agent started it again");
}

#[test]
fn absence_in_a_snapshot_is_as_good_as_gone() {
    let mut story = Story::with_nodes(&["a"]);
    story.asks(1, web(1, "v1"));
    let uid = story.only_pod();
    // Neither seen before nor in the list: what was said before the list is late.
    story.at(2, vec![has("a", 9, &[])]);
    let late = story.at(3, vec![observed(&uid, "a", 8, PodPhase::Running)]);
    assert_eq!(late.served, []);
    // A list of before does not undo what was said since, wherever it was stuck.
    story.at(4, vec![observed(&uid, "a", 10, PodPhase::Running)]);
    let late = story.at(5, vec![has("a", 9, &[])]);
    assert!(!late.served.contains(&Served::PodGone(uid.clone())));
    let gone = story.at(6, vec![has("a", 11, &[])]);
    assert!(gone.served.contains(&Served::PodGone(uid)), "readers see it pending again");
}

/// Who is gone for good and has no tombstone yet, as a line each.
fn remains(of: &[Remains]) -> Vec<String> {
    let line = |remains: &Remains| match remains {
        Remains::Pod { uid, node } => format!("pod {uid} on {node}"),
        Remains::Node(node) => format!("node {node}"),
    };
    of.iter().map(line).collect()
}

#[test]
fn a_pod_that_is_gone_for_good_remains_until_its_tombstone_is_read() {
    let mut story = Story::with_nodes(&["a", "b"]);
    story.asks(1, web(1, "v1"));
    story.all_run(2);
    let (uid, on) = story.placed.first_key_value().map(|(u, n)| (u.clone(), n.clone())).unwrap();
    let other = if on == "a" { "b" } else { "a" };
    let gone = observed(&uid, &on, 50, PodPhase::Gone);
    assert_eq!(remains(&story.at(3, vec![gone]).remains), [""; 0], "it starts there again");
    let false_word = observed(&uid, other, 51, PodPhase::Running);
    let told = story.at(4, vec![false_word]).remains;
    assert_eq!(remains(&told), [format!("pod {uid} on {other}")], "it was never placed there");
    // A tombstone says nothing of the pod itself.
    story.at(5, vec![observed(&uid, &on, 52, PodPhase::Running), Input::PodRemoved(uid.clone())]);
    let status = story.status(6, "apps/Deployment/default/web");
    assert_eq!(status["readyReplicas"], 1);
    assert_eq!(remains(&story.engine.remains()), [""; 0]);

    story.asks(7, web(0, "v1"));
    let gone = story.at(8, vec![observed(&uid, &on, 53, PodPhase::Gone)]);
    assert_eq!(remains(&gone.remains), [format!("pod {uid} on {on}")]);
    let late = story.at(9, vec![observed(&uid, &on, 40, PodPhase::Running)]);
    assert_eq!(remains(&late.remains), [""; 0], "once is enough");
    assert_eq!(remains(&story.engine.remains()), [format!("pod {uid} on {on}")]);
    story.at(10, vec![Input::PodRemoved(uid.clone())]);
    assert_eq!(remains(&story.engine.remains()), [""; 0]);
    let later = story.at(11, vec![observed(&uid, &on, 41, PodPhase::Running)]);
    assert_eq!(remains(&later.remains), [format!("pod {uid} on {on}")], "it is there once more");
}

#[test]
fn absence_in_a_snapshot_leaves_remains_as_an_end_does() {
    let mut story = Story::with_nodes(&["a"]);
    story.asks(1, web(1, "v1"));
    story.all_run(2);
    let uid = story.only_pod();
    story.asks(3, web(0, "v1"));
    let absent = story.at(4, vec![has("a", 100, &[])]);
    assert_eq!(remains(&absent.remains), [format!("pod {uid} on a")]);
}

#[test]
fn a_lost_node_that_was_deleted_remains_until_its_tombstone_is_read_and_its_pods_go_with_it() {
    let mut story = Story::with_nodes(&["a", "b", "c"]);
    story.asks(1, web(3, "v1"));
    story.all_run(2);
    let on_c = story.placed.iter().find(|(_, node)| *node == "c").unwrap().0.clone();
    let delete = |name| patch(Verb::Delete, ("v1", "Node"), "", name, &json!({}));
    assert_eq!(remains(&story.asks(3, vec![delete("c")]).remains), [""; 0], "it lives");
    story.renew(5_000, &["a", "b"]);
    story.renew(10_000, &["a", "b"]);
    assert_eq!(remains(&story.renew(15_000, &["a"]).remains), ["node c"]);
    let removed = story.at(15_001, vec![Input::NodeRemoved(node("c"))]);
    assert!(removed.served.contains(&Served::Node(node("c"), None)));
    assert_eq!(remains(&removed.remains), [format!("pod {on_c} on c")]);
    assert_eq!(remains(&story.engine.remains()), [format!("pod {on_c} on c")]);

    // One that comes back is there again, with a resource, and what was decided of it is undone.
    story.renew(20_000, &["a"]);
    story.renew(25_000, &["a"]);
    assert_eq!(remains(&story.at(25_000, vec![]).remains), [""; 0]);
    assert_eq!(remains(&story.asks(25_001, vec![delete("b")]).remains), ["node b"]);
    story.renew(25_002, &["a", "b"]);
    let resources = story.engine.everything().resources;
    assert!(resources.iter().any(|(key, _)| &*key.kind.kind == "Node" && &*key.name == "b"));
    assert_eq!(remains(&story.engine.remains()), [format!("pod {on_c} on c")]);
}
