//! Nodes: loss, return, and the doubt about ourselves.

use serde_json::json;
use setpoint_dataflow::{Epoch, Outcome, Served, WaitingPod};
use setpoint_schemas::{
    Action, Condition, ConditionStatus, DISK_PRESSURE, Input, NodeRecord, PodPhase, SessionId,
    Verb, WATCHED_LABEL,
};
use setpoint_tests::manifests::{self, daemon_set, item, patch};

use crate::story::{Story, node, observed, reason, session, told, web};

const SIX: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// Six nodes with a pod each, three of them silent from the start: held for that at 15 s.
fn held() -> Story {
    let mut story = Story::with_nodes(&SIX);
    story.asks(1, web(6, "v1"));
    story.all_run(2);
    story.renew(5_000, &["a", "b", "c"]);
    story.renew(10_000, &["a", "b", "c"]);
    assert_eq!(told(&story.at(15_000, vec![])), "Hold 1");
    story
}

#[test]
fn a_silent_node_is_lost_after_its_grace_and_its_pods_are_replaced_by_new_ones() {
    let mut story = Story::with_nodes(&["a", "b", "c"]);
    story.asks(1, web(3, "v1"));
    story.all_run(2);
    story.renew(5_000, &["a", "b"]);
    story.renew(10_000, &["a", "b"]);
    assert_eq!(told(&story.at(14_999, vec![])), "");
    let before = story.placed.clone();
    assert_eq!(told(&story.at(15_000, vec![])), "NodeLost 1, Place 1, Stop 1");
    let new: Vec<_> = story.placed.iter().filter(|(uid, _)| !before.contains_key(*uid)).collect();
    assert_eq!(new.len(), 1);
    assert!(["a", "b"].contains(&new[0].1.as_str()));
    let says = story.status(15_100, "core/Node/-/c");
    assert_eq!((&says["lost"], &says["lostMs"]), (&json!(true), &json!(15_000)), "since when");

    // It returns, says once more that the old pod runs, then that nothing is left of it.
    let old = before.iter().find(|(uid, _)| !story.placed.contains_key(*uid)).unwrap().0.clone();
    assert_eq!(told(&story.renew(16_000, &["a", "b", "c"])), "NodeReturned 1");
    assert_eq!(told(&story.at(16_001, vec![observed(&old, "c", 1_000, PodPhase::Running)])), "");
    let gone = story.at(16_002, vec![observed(&old, "c", 1_001, PodPhase::Gone)]);
    assert!(gone.served.contains(&Served::PodGone(old)));
    // Silent once more, it is lost once more.
    story.renew(21_000, &["a", "b"]);
    story.renew(26_000, &["a", "b"]);
    assert_eq!(told(&story.at(31_000, vec![])), "NodeLost 1");
}

#[test]
fn a_node_whose_disk_is_full_keeps_its_pods_and_takes_only_those_of_daemon_sets() {
    let mut story = Story::with_nodes(&["a", "b"]);
    story.asks(1, web(2, "v1"));
    story.all_run(2);
    assert_eq!(told(&story.at(3, vec![says_of_its_disk("a", ConditionStatus::True)])), "");
    story.asks(4, web(4, "v1"));
    let on_a = |story: &Story| story.placed.values().filter(|node| *node == "a").count();
    assert_eq!((on_a(&story), story.placed.len()), (1, 4), "what is new is on the other");
    let daemons = vec![item(Verb::Apply, &daemon_set("default", "logger", 100, "v1"))];
    assert_eq!(told(&story.asks(5, daemons)), "Accept 1, Place 2");
    story.all_run(6);

    story.at(7, vec![says_of_its_disk("b", ConditionStatus::True)]);
    story.asks(8, web(5, "v1"));
    let waiting: Vec<&WaitingPod> = story.waiting.values().collect();
    let why = "0/2 nodes are available: 2 node(s) had untolerated taint \
               {node.kubernetes.io/disk-pressure: }.";
    assert!(waiting.len() == 1 && waiting[0].reason.contains(why), "{waiting:?}");
    assert_eq!(told(&story.at(9, vec![says_of_its_disk("a", ConditionStatus::False)])), "Place 1");
    assert!(story.waiting.is_empty());
}

fn says_of_its_disk(name: &str, status: ConditionStatus) -> Input {
    let mut record = manifests::node(&node(name), &session(name), 2_000);
    record.conditions.push(Condition {
        kind: DISK_PRESSURE.to_owned(),
        status,
        reason: String::new(),
        message: String::new(),
        transition_ms: 0,
    });
    Input::Node(Box::new(record))
}

#[test]
fn mass_loss_holds_and_a_confirmed_loss_or_a_return_releases() {
    let mut story = held();
    story.renew(15_001, &["a", "b", "c"]);
    story.renew(20_000, &["a", "b", "c"]);
    story.renew(25_000, &["a", "b", "c"]);
    assert_eq!(told(&story.at(26_000, vec![])), "", "it holds");
    let confirm = patch(Verb::ConfirmLost, ("v1", "Node"), "", "f", &json!({}));
    let outcome = story.asks(26_001, vec![confirm]);
    assert_eq!(told(&outcome), "Accept 1, NodeLost 1, Place 1, Release 1, Stop 1");
    for ms in [30_000, 35_000, 40_000] {
        story.renew(ms, &["a", "b", "c"]);
    }
    assert_eq!(told(&story.at(41_000, vec![])), "", "nobody said that of the others");
    assert_eq!(told(&story.at(41_001, vec![])), "NodeLost 2, Place 2, Stop 2");

    let mut story = Story::with_nodes(&SIX);
    story.renew(5_000, &["a", "b", "c"]);
    story.renew(10_000, &["a", "b", "c"]);
    assert_eq!(told(&story.at(15_000, vec![])), "Hold 1");
    story.renew(16_000, &SIX);
    assert_eq!(told(&story.at(20_000, vec![])), "Release 1");
}

#[test]
fn who_is_still_silent_when_a_hold_ends_has_a_whole_grace_period_from_there() {
    let mut story = held();
    // One comes back: two of six are too few to doubt, and were doubted until now.
    story.renew(15_001, &["a", "b", "c", "d"]);
    assert_eq!(told(&story.renew(20_000, &["a", "b", "c", "d"])), "Release 1");
    for ms in [25_000, 30_000, 34_998] {
        assert_eq!(told(&story.renew(ms, &["a", "b", "c", "d"])), "", "{ms}");
    }
    assert_eq!(told(&story.renew(34_999, &["e"])), "", "later than the others, and in time");
    assert_eq!(told(&story.at(35_000, vec![])), "NodeLost 1, Place 1, Stop 1");
    assert!(story.placed.values().all(|node| node != "f"));
}

/// What readers were told of a node in an epoch: why it is doubted, if it is.
fn doubt(outcome: &Outcome, name: &str) -> Option<Option<String>> {
    outcome.served.iter().rev().find_map(|served| match served {
        Served::Node(node, Some(told)) if node.as_str() == name => Some(told.doubt.clone()),
        _ => None,
    })
}

#[test]
fn a_silent_node_under_a_hold_is_doubted_until_it_is_heard_and_takes_nothing_new() {
    let mut story = Story::with_nodes(&SIX);
    story.renew(5_000, &["a", "b", "c"]);
    story.renew(10_000, &["a", "b", "c"]);
    let held = story.at(15_000, vec![]);
    let why = doubt(&held, "d").flatten().expect("it is told");
    let hold = "node d does not renew its lease, and replacements are held: 3 of 6 nodes stopped";
    assert!(why.starts_with(hold), "{why}");
    assert_eq!(doubt(&held, "a"), None);
    let shown = |story: &Story, name| doubt(&story.engine.everything(), name).flatten();
    assert_eq!(shown(&story, "d"), Some(why));

    story.asks(15_001, web(9, "v1"));
    let on = |name: &str| story.placed.values().filter(|node| *node == name).count();
    assert_eq!(["a", "b", "c", "d", "e", "f"].map(on), [3, 3, 3, 0, 0, 0]);

    let back = story.renew(15_002, &["a", "b", "c", "d"]);
    assert_eq!((doubt(&back, "d"), shown(&story, "d")), (Some(None), None), "it is heard");
    let released = story.renew(20_000, &["a", "b", "c", "d"]);
    assert_eq!(told(&released), "Release 1");
    let why = doubt(&released, "e").flatten().expect("still silent");
    assert!(why.contains("the hold of replacements is over"), "{why}");
    assert_eq!(shown(&story, "e"), Some(why));
    story.renew(25_000, &["a", "b", "c", "d", "e"]);
    assert_eq!(shown(&story, "e"), None);
    let _ = story.renew(30_000, &["a", "b", "c", "d", "e"]);
    let lost = story.renew(35_000, &["a", "b", "c", "d", "e"]);
    assert_eq!((told(&lost), doubt(&lost, "f")), ("NodeLost 1".to_owned(), Some(None)));
}

#[test]
fn no_deadline_fires_in_an_incomplete_epoch_and_a_takeover_begins_every_lease_anew() {
    let mut story = Story::with_nodes(&["a", "b", "c"]);
    let backlog = Epoch { complete: false, ..story.epoch(60_000, vec![]) };
    assert_eq!(told(&story.decide(backlog)), "");
    let takeover = Epoch { term: 2, renew_leases: true, ..story.epoch(61_000, vec![]) };
    assert_eq!(told(&story.decide(takeover)), "");
    let lost = Epoch { term: 2, ..story.epoch(76_000, vec![]) };
    assert_eq!(told(&story.decide(lost)), "Hold 1", "three of three at once");
}

#[test]
fn a_word_from_a_backlog_was_said_when_the_backlog_began() {
    let mut story = Story::with_nodes(&["a", "b"]);
    story.renew(8_000, &["b"]);
    story.renew(9_000, &["a"]);
    // Our API answers nobody from 14.5 s on; what a said before that is taken in late.
    let backlog = Epoch { complete: false, behind: true, ..story.epoch(15_000, vec![]) };
    story.decide(backlog);
    let late = vec![Input::Lease(manifests::lease(&node("a"), &session("a"), 14_001))];
    let backlog = Epoch { complete: false, behind: true, ..story.epoch(16_000, late) };
    story.decide(backlog);
    assert_eq!(told(&story.at(20_000, vec![])), "", "the backlog ends");
    assert_eq!(told(&story.at(23_000, vec![])), "Hold 1", "b is no more silent than a");
}

#[test]
fn after_a_backlog_as_long_as_a_silence_every_lease_begins_anew() {
    let backlog = |story: &mut Story, ms, heard: &[&str]| {
        let lease = |name: &&str| Input::Lease(manifests::lease(&node(name), &session(name), ms));
        let inputs = heard.iter().map(lease).collect();
        let epoch = Epoch { complete: false, behind: true, ..story.epoch(ms, inputs) };
        story.decide(epoch);
    };
    let mut heard = Story::with_nodes(&["a", "b", "c"]);
    backlog(&mut heard, 5_000, &[]);
    backlog(&mut heard, 12_000, &["a"]);
    assert_eq!(told(&heard.renew(15_000, &["a"])), "", "b and c may wait on the log still");
    for ms in [20_000, 25_000] {
        assert_eq!(told(&heard.renew(ms, &["a"])), "");
    }
    assert_eq!(
        told(&heard.renew(30_000, &["a"])),
        "NodeLost 2",
        "a grace period later they do not"
    );

    let mut silent = Story::with_nodes(&["a", "b", "c"]);
    backlog(&mut silent, 5_000, &[]);
    assert_eq!(told(&silent.at(15_000, vec![])), "Hold 1", "nobody spoke in it");
}

#[test]
fn a_return_under_a_hold_judges_nobody_before_all_renewals_are_read() {
    let names = ["a", "b", "c", "d"];
    let mut story = Story::with_nodes(&names);
    assert_eq!(told(&story.at(15_000, vec![])), "Hold 1");
    let confirm = patch(Verb::ConfirmLost, ("v1", "Node"), "", "a", &json!({}));
    story.asks(15_001, vec![confirm]);
    let returned = vec![Input::Lease(manifests::lease(&node("a"), &session("a"), 99))];
    let backlog = Epoch { complete: false, ..story.epoch(15_002, returned) };
    assert_eq!(told(&story.decide(backlog)), "NodeReturned 1");
}

/// A node as the life of its agent that started then says it.
fn life(name: &str, started_ms: i64) -> (SessionId, Input) {
    let session = SessionId::parse(&format!("{name}-at-{started_ms}")).expect("a session");
    let record = manifests::node(&node(name), &session, 2_000);
    (session, Input::Node(Box::new(NodeRecord { started_ms, ..record })))
}

#[test]
fn what_an_earlier_life_of_an_agent_said_does_not_replace_the_present_one() {
    let mut story = Story::with_nodes(&[]);
    let ((first, early), (second, present)) = (life("a", 100), life("a", 200));
    story.at(1, vec![present]);
    let late = story.at(2, vec![early]);
    assert_eq!(late.served, [], "it is late, and changes nothing");
    let lease = |session, ms| vec![Input::Lease(manifests::lease(&node("a"), session, ms))];
    for ms in [5_000, 10_000, 15_000, 20_000] {
        story.at(ms, lease(&second, ms));
    }
    assert_eq!(told(&story.at(30_000, lease(&first, 99))), "", "nor is its lease counted");
    assert!(told(&story.at(35_001, vec![])).contains("Hold"), "nobody was heard since 20 s");
}

#[test]
fn an_outage_of_our_api_alone_loses_no_node_however_small_the_fleet() {
    for count in 1..=5 {
        let names = &["a", "b", "c", "d", "e"][..count];
        let mut story = Story::with_nodes(names);
        story.asks(1, web(4, "v1"));
        story.all_run(2);
        story.renew(5_000, names);
        // Each renews at another time: the last of them nearly an interval after the first.
        for (at, name) in names.iter().enumerate() {
            story.renew(10_000 + 900 * at as i64, &[name]);
        }
        let held = story.at(25_000, vec![]);
        assert_eq!(told(&held), "Hold 1", "{count} nodes");
        assert!(reason(&held, Action::Hold).contains(&format!("none of {count} nodes was heard")));
        assert_eq!(told(&story.at(60_000, vec![])), "", "it holds");
        // The API answers again, and one agent is quicker than the others.
        let back = story.renew(61_000, &names[..1]);
        assert_eq!(told(&back), "Release 1");
        assert!(back.served.contains(&Served::Hold(None)));
        story.renew(66_000, &names[..1]);
        story.renew(71_000, &names[..1]);
        assert_eq!(told(&story.at(75_999, vec![])), "", "the others have a whole grace period");
        story.renew(75_999, names);
        assert_eq!(told(&story.at(76_000, vec![])), "");
        assert_eq!(story.placed.len(), 4);
    }
}

#[test]
fn who_is_still_silent_a_grace_period_after_an_outage_is_lost() {
    let mut story = Story::with_nodes(&["a", "b"]);
    assert_eq!(told(&story.at(15_000, vec![])), "Hold 1");
    assert_eq!(told(&story.renew(20_000, &["a"])), "Release 1");
    for ms in [25_000, 30_000] {
        assert_eq!(told(&story.renew(ms, &["a"])), "");
    }
    assert_eq!(told(&story.renew(35_000, &["a"])), "NodeLost 1");
}

#[test]
fn a_short_outage_gives_every_lease_a_whole_grace_period() {
    let mut story = Story::with_nodes(&["a", "b"]);
    story.renew(5_000, &["a", "b"]);
    // Heard again before any lease ended, but too late for b to be heard in time as well.
    story.renew(19_900, &["a"]);
    assert_eq!(told(&story.at(20_100, vec![])), "");
    story.renew(24_900, &["a", "b"]);
    assert_eq!(told(&story.at(25_000, vec![])), "");
}

#[test]
fn a_confirmed_loss_is_refused_of_a_node_that_renews_its_lease() {
    let mut story = Story::with_nodes(&["a", "b"]);
    story.renew(5_000, &["a", "b"]);
    let confirm = |story: &mut Story, ms: i64, force: bool| {
        let item = patch(Verb::ConfirmLost, ("v1", "Node"), "", "a", &json!({}));
        let id = format!("confirm-{ms}");
        let request = setpoint_schemas::Request { force, ..manifests::request(&id, vec![item]) };
        let outcome = story.at(ms, vec![Input::Request(Box::new(request))]);
        let verdict = outcome.verdicts[0].items[0].clone();
        (told(&outcome), verdict.code, verdict.message)
    };
    let (told_now, code, why) = confirm(&mut story, 7_000, false);
    assert_eq!((&*told_now, code), ("Refuse 1", 409));
    assert_eq!(
        why,
        "Node \"a\" is not lost: it renewed its lease 2 s ago; drain it, or stop its agent, or insist with --force"
    );
    assert_eq!(confirm(&mut story, 7_001, true).0, "Accept 1, NodeLost 1");
    // Of a node that is overdue it is believed at once.
    story.renew(10_000, &["b", "a"]);
    story.renew(15_000, &["b"]);
    assert_eq!(confirm(&mut story, 19_000, false).0, "Accept 1, NodeLost 1");
    assert_eq!(confirm(&mut story, 19_500, false), ("Accept 1".to_owned(), 200, String::new()));
}

#[test]
fn a_pod_that_names_its_node_waits_for_it_when_it_is_lost() {
    let mut story = Story::with_nodes(&["a", "b", "c"]);
    let mut bound = manifests::deployment("default", "bound", 1, 100, "v1");
    bound["spec"]["template"]["spec"]["nodeName"] = json!("c");
    story.asks(1, vec![item(Verb::Apply, &bound)]);
    story.all_run(2);
    story.renew(5_000, &["a", "b"]);
    story.renew(10_000, &["a", "b"]);
    assert_eq!(told(&story.at(15_000, vec![])), "NodeLost 1, Stop 1, Wait 1");
    let why: Vec<&str> = story.waiting.values().map(|pod| &*pod.reason).collect();
    let named = "2 node(s) didn't match the requested node name";
    assert_eq!(
        why,
        [format!("0/3 nodes are available: 1 node(s) were not ready, {named}.")],
        "it is not placed there again and again"
    );
    assert_eq!(told(&story.at(15_001, vec![])), "");
    assert_eq!(told(&story.renew(16_000, &["a", "b", "c"])), "NodeReturned 1, Place 1");
}

#[test]
fn nothing_is_placed_on_a_node_that_is_only_watched() {
    let mut story = Story::with_nodes(&["a"]);
    let mut record = manifests::node(&node("w"), &session("w"), 2_000);
    record.labels.insert(WATCHED_LABEL.to_owned(), "true".to_owned());
    story.at(1, vec![Input::Node(Box::new(record))]);
    let logger = daemon_set("default", "logger", 100, "v1");
    assert_eq!(told(&story.asks(2, vec![item(Verb::Apply, &logger)])), "Accept 1, Place 1");
    let mut bound = manifests::bare_pod("default", "bound", 100, "v1");
    bound["spec"]["nodeName"] = json!("w");
    assert_eq!(told(&story.asks(3, vec![item(Verb::Apply, &bound)])), "Accept 1, Wait 1");
    assert!(story.placed.values().all(|node| node == "a"));
}
