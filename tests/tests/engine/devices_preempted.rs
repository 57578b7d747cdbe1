//! Preemption for devices: who leaves which, and that what is promised of them is kept.

use serde_json::Value;
use setpoint_dataflow::Outcome;
use setpoint_schemas::{Action, GPU, GPU_MILLI, PodPhase, PodUid};
use setpoint_tests::manifests::of_priority;

use crate::devices::{apply, fleet, given, train};
use crate::story::{Story, observed, told};

/// One pod of this name that asks for so much of this, of this priority.
fn pod(name: &str, resource: &str, amount: i64, priority: i64) -> Value {
    let mut pod = of_priority(train(1, resource, amount), priority);
    pod["metadata"]["name"] = name.into();
    pod
}

/// A node with these devices and these pods, each placed after the one before, all of them ready.
fn full(devices: &[&str], pods: &[Value]) -> Story {
    let mut story = fleet(&[("a", devices)]);
    for (ms, pod) in (2..).zip(pods) {
        assert_eq!(told(&story.asks(ms, apply(pod))), "Accept 1, Place 1");
    }
    story.all_run(50);
    story
}

/// The pods that were preempted, with the names of their workloads, by these names.
fn victims(outcome: &Outcome) -> Vec<(String, PodUid)> {
    let stops = outcome.ledger().into_iter();
    let stops = stops.filter(|d| d.rule == "preemption" && d.action == Action::Stop);
    let name = |of: &str| of.rsplit('/').next().unwrap_or_default().to_owned();
    let uid = |text: &str| PodUid::parse(text).expect("a uid");
    let mut victims: Vec<_> = stops.map(|d| (name(&d.resource), uid(&d.pod))).collect();
    victims.sort();
    victims
}

fn names(victims: &[(String, PodUid)]) -> Vec<&str> {
    victims.iter().map(|(name, _)| name.as_str()).collect()
}

fn gone(story: &mut Story, ms: i64, uid: &PodUid) -> Outcome {
    story.at(ms, vec![observed(uid, "a", 1_000, PodPhase::Gone)])
}

#[test]
fn the_lowest_leaves_a_whole_device_and_nobody_else_goes() {
    let pods = [pod("high", GPU, 1, 7), pod("low", GPU, 1, 0)];
    let mut story = full(&["0", "1"], &pods);
    let outcome = story.asks(60, apply(&pod("top", GPU, 1, 10)));
    let victims = victims(&outcome);
    assert_eq!(names(&victims), ["low"]);
    let outcome = gone(&mut story, 61, &victims[0].1);
    assert_eq!(
        (told(&outcome).as_str(), given(&outcome)),
        ("Place 1", vec!["a 1 1000".to_owned()])
    );
}

#[test]
fn as_much_of_a_device_is_left_as_is_needed_and_no_more() {
    let pods = [
        pod("half", GPU_MILLI, 470, 0),
        pod("third", GPU_MILLI, 300, 5),
        pod("fifth", GPU_MILLI, 200, 5),
    ];
    let mut story = full(&["0"], &pods);
    let outcome = story.asks(60, apply(&pod("top", GPU_MILLI, 500, 10)));
    let victims = victims(&outcome);
    assert_eq!(names(&victims), ["half"]);
    let outcome = gone(&mut story, 61, &victims[0].1);
    assert_eq!((told(&outcome).as_str(), given(&outcome)), ("Place 1", vec!["a 0 500".to_owned()]));
}

#[test]
fn enough_in_sum_over_all_devices_is_not_enough_on_one() {
    let shares = [pod("first", GPU_MILLI, 600, 0), pod("second", GPU_MILLI, 600, 5)];
    let mut story = full(&["0", "1"], &shares);
    let outcome = story.asks(60, apply(&pod("top", GPU_MILLI, 700, 10)));
    assert_eq!(names(&victims(&outcome)), ["first"], "though 800 are left, 400 on each");
}

#[test]
fn what_is_promised_of_devices_is_nobody_elses_meanwhile() {
    let pods = [pod("whole", GPU, 1, 0), pod("share", GPU_MILLI, 600, 0)];
    let mut story = full(&["0", "1"], &pods);
    let outcome = story.asks(60, apply(&pod("top", GPU, 2, 10)));
    let victims = victims(&outcome);
    assert_eq!(names(&victims), ["share", "whole"]);
    gone(&mut story, 61, &victims[0].1);
    let outcome = story.asks(62, apply(&pod("late", GPU_MILLI, 300, 10)));
    assert_eq!(told(&outcome), "Accept 1, Wait 1", "a device is empty, and promised");
    let outcome = gone(&mut story, 63, &victims[1].1);
    let both = vec!["a 0 1000".to_owned(), "a 1 1000".to_owned()];
    assert_eq!((told(&outcome).as_str(), given(&outcome)), ("Place 1", both));
}

#[test]
fn who_is_promised_a_device_loses_it_to_a_higher_one() {
    let mut story = full(&["0"], &[pod("low", GPU, 1, 0)]);
    let victims = victims(&story.asks(60, apply(&pod("high", GPU, 1, 10))));
    let outcome = story.asks(61, apply(&pod("top", GPU_MILLI, 300, 20)));
    let ledger = outcome.ledger();
    let lost = ledger.iter().find(|d| d.reason.starts_with("the room on a that was kept"));
    assert!(lost.is_some(), "{ledger:?}");
    let outcome = gone(&mut story, 62, &victims[0].1);
    assert_eq!(given(&outcome), ["a 0 300"]);
}
