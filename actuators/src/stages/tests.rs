//! Whose time has come, and how pods end, case by case.

use std::sync::Arc;

use setpoint_schemas::{Container, Hook, Lifecycle};

use super::*;
use crate::life::Life;
use crate::restart::History;
use crate::samples::{container, observed, placement};

/// The pod `a` with these init containers, a sidecar being one whose name begins with `s`, and these
/// containers.
fn pod(policy: &str, inits: &[&str], mains: &[&str]) -> DesiredPod {
    let mut pod = DesiredPod::of(&placement("a", 1, policy, mains));
    let init = |name: &&str| Container {
        name: (*name).to_owned(),
        restart_policy: name.starts_with('s').then(|| "Always".to_owned()),
        ..Container::default()
    };
    Arc::make_mut(&mut pod.spec).init_containers = inits.iter().map(init).collect();
    pod
}

fn seen(states: &[(&str, &str)]) -> Observed {
    observed("a", 1, states.iter().map(|(name, state)| container(name, state)).collect())
}

#[test]
fn containers_begin_one_after_the_other_and_then_together() {
    let table: [(&[(&str, &str)], &[&str]); 10] = [
        (&[], &["i", "s", "j", "m", "n"]),
        (&[("i", "running")], &["i", "s", "j", "m", "n"]),
        (&[("i", "1")], &["i", "s", "j", "m", "n"]),
        (&[("i", "0")], &["s", "j", "m", "n"]),
        (&[("i", "0"), ("s", "running")], &["j", "m", "n"]),
        (&[("i", "0"), ("s", "running"), ("j", "running")], &["j", "m", "n"]),
        (&[("i", "0"), ("s", "1"), ("j", "0")], &["m", "n"]),
        (&[("i", "0"), ("s", "running"), ("j", "0")], &["m", "n"]),
        // The runtime has nothing left of what was before.
        (&[("s", "running"), ("j", "0")], &["m", "n"]),
        (&[("m", "running")], &["s", "m", "n"]),
    ];
    let pod = pod("Always", &["i", "s", "j"], &["m", "n"]);
    let all = ["i", "s", "j", "m", "n"];
    for (states, rest) in table {
        let runs = seen(states);
        let stages = Stages::of(&pod, Some(&runs), None);
        let held = stages.held();
        // Of the rest the first alone may start, until the init containers are passed.
        let may: Vec<&str> = all.into_iter().filter(|name| !held.contains(*name)).collect();
        let begun = |name: &str| states.iter().any(|(seen, _)| *seen == name);
        let first: Vec<&str> = match rest {
            ["m", ..] | ["s", "m", ..] => rest.to_vec(),
            _ => rest[..1].to_vec(),
        };
        let fresh: Vec<&str> = may.iter().filter(|name| !begun(name)).copied().collect();
        let expected: Vec<&str> = first.iter().filter(|name| !begun(name)).copied().collect();
        assert_eq!(fresh, expected, "{states:?}");
        assert_eq!(stages.lacks(&held), !fresh.is_empty(), "{states:?}");
    }
}

#[test]
fn a_pod_fails_here_when_a_container_was_restarted_as_often_as_it_allows() {
    let mut placed = placement("a", 1, "Always", &["m", "n"]);
    let pattern = Arc::make_mut(&mut placed.pattern);
    pattern.annotations.insert("setpoint.dev/restart-attempts".to_owned(), "1".to_owned());
    let pod = DesiredPod::of(&placed);
    let runs = seen(&[("m", "1"), ("n", "running")]);
    let ended_ms = runs.containers[0].finished_ms;
    let mut book = Book::new(1, 0);
    let ends = |book: &Book| {
        let conclusion = Stages::of(&pod, Some(&runs), Some(book)).conclusion(ended_ms);
        conclusion.map(|end| (end.phase, end.reason))
    };
    assert_eq!(ends(&book), None, "one restart it has");
    let once = History { restarts: 1, row: 1, counted: 1, since_ms: 1, answered_ms: ended_ms };
    book.histories.insert("m".to_owned(), once);
    assert_eq!(ends(&book), None, "that is under way");
    book.histories.insert("m".to_owned(), History { answered_ms: ended_ms - 1, ..once });
    let end = ends(&book).expect("it was tried often enough");
    assert_eq!(end, (PodPhase::Failed, "RestartsExhausted"));
}

#[test]
fn what_comes_behind_a_sidecar_waits_until_it_has_started() {
    let pod = pod("Always", &["s"], &["m"]);
    let mut runs = seen(&[("s", "running")]);
    runs.containers[0].started = false;
    assert!(Stages::of(&pod, Some(&runs), None).held().contains("m"));
    runs.containers[0].started = true;
    assert!(Stages::of(&pod, Some(&runs), None).held().is_empty());
}

#[test]
fn what_comes_behind_a_container_with_a_hook_waits_until_it_was_run() {
    let mut pod = pod("Always", &[], &["m", "n"]);
    let post_start = Some(Hook::default());
    let lifecycle = Lifecycle { post_start, ..Lifecycle::default() };
    Arc::make_mut(&mut pod.spec).containers[0].lifecycle = Some(lifecycle);
    let runs = seen(&[("m", "running")]);
    let mut book = Book::new(1, 0);
    assert!(Stages::of(&pod, Some(&runs), Some(&book)).held().contains("n"));
    book.greeted.insert("m".to_owned(), Life { id: String::new(), started_ms: 1 });
    let stages = Stages::of(&pod, Some(&runs), Some(&book));
    assert!(stages.held().is_empty(), "it was run in a former life");
    let main = &pod.spec.containers[0];
    assert!(stages.is_to_be_greeted(main, &runs.containers[0]), "and is run in this one, too");
}

#[test]
fn a_pod_ends_by_its_containers_and_never_by_its_sidecars() {
    use PodPhase::{Failed, Succeeded};
    let table: [(&str, &[(&str, &str)], Option<PodPhase>); 9] = [
        ("Never", &[("i", "1")], Some(Failed)),
        ("OnFailure", &[("i", "1")], None),
        ("Always", &[("i", "1")], None),
        ("Never", &[("i", "0"), ("s", "running"), ("m", "running")], None),
        ("Never", &[("i", "0"), ("s", "running"), ("m", "0")], Some(Succeeded)),
        ("Never", &[("i", "0"), ("s", "1"), ("m", "0")], Some(Succeeded)),
        ("OnFailure", &[("i", "0"), ("s", "running"), ("m", "1")], None),
        ("Never", &[("i", "0"), ("s", "running"), ("m", "1")], Some(Failed)),
        ("Always", &[("i", "0"), ("s", "running"), ("m", "0")], None),
    ];
    for (policy, states, expected) in table {
        let (pod, runs) = (pod(policy, &["i", "s"], &["m"]), seen(states));
        let stages = Stages::of(&pod, Some(&runs), None);
        let phase = stages.conclusion(2_000).map(|conclusion| conclusion.phase);
        assert_eq!(phase, expected, "{policy} {states:?}");
    }
}

#[test]
fn a_pod_whose_time_is_over_has_failed_unless_it_has_ended_by_itself() {
    let mut pod = pod("OnFailure", &[], &["m"]);
    Arc::make_mut(&mut pod.spec).active_deadline_seconds = Some(5);
    let mut book = Book::new(1, 0);
    book.taken_ms = Some(1_000);
    let reason = |state: &str, now_ms: i64| {
        let runs = seen(&[("m", state)]);
        let conclusion = Stages::of(&pod, Some(&runs), Some(&book)).conclusion(now_ms);
        conclusion.map(|conclusion| (conclusion.phase, conclusion.reason))
    };
    assert_eq!(reason("running", 5_999), None);
    assert_eq!(reason("running", 6_000), Some((PodPhase::Failed, DEADLINE_EXCEEDED)));
    assert_eq!(reason("waiting", 6_000), Some((PodPhase::Failed, DEADLINE_EXCEEDED)));
    assert_eq!(reason("0", 6_000), Some((PodPhase::Succeeded, "")));
}

#[test]
fn a_pod_that_its_node_evicts_has_failed_however_its_containers_end() {
    let pod = pod("Never", &[], &["m"]);
    let book = Book { evicted: Some("too large".to_owned()), ..Book::new(1, 0) };
    for state in ["waiting", "running", "0", "137"] {
        let runs = seen(&[("m", state)]);
        let conclusion = Stages::of(&pod, Some(&runs), Some(&book)).conclusion(2_000);
        let found = conclusion.expect("it ends");
        let expected = (PodPhase::Failed, EVICTED, "too large");
        assert_eq!((found.phase, found.reason, found.message), expected, "{state}");
    }
}
