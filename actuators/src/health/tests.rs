//! What probes change, case by case.

use std::sync::Arc;

use setpoint_schemas::Probe;

use super::*;
use crate::desired::Authority;
use crate::samples::{container, observed, placement, uid};

fn life(id: &str, started_ms: i64) -> Life {
    Life { id: id.to_owned(), started_ms }
}

fn health(started: bool, ready: bool, message: &str) -> Health {
    let (life, message, failed) = (life("", 500), message.to_owned(), None);
    Health { life, started, ready, message, failed }
}

/// The pod `a` with one container that has these probes.
fn desired(startup: bool, readiness: bool) -> Desired {
    let mut desired = Desired::of(Authority::Full, &[placement("a", 1, "OnFailure", &["main"])]);
    let pod = desired.pods.get_mut(&uid("a")).expect("it is there");
    let container = &mut Arc::make_mut(&mut pod.spec).containers[0];
    container.startup_probe = startup.then(Probe::default);
    container.readiness_probe = readiness.then(Probe::default);
    desired
}

fn told(state: &str, desired: &Desired, books: &Books, healths: &Healths) -> ContainerObserved {
    let mut seen = [observed("a", 1, vec![container("main", state)])];
    tell(&mut seen, desired, books, healths);
    seen[0].containers[0].clone()
}

#[test]
fn a_container_with_probes_is_ready_when_they_say_so() {
    let nobody = Healths::default();
    let said = |one: Health| {
        let mut healths = Healths::default();
        assert!(healths.set(&uid("a"), "main", one));
        healths
    };
    let other_life = Health { life: life("", 499), ..health(true, true, "") };
    let table = [
        ((false, false), nobody.clone(), (true, true)),
        ((false, true), nobody.clone(), (true, false)),
        ((true, false), nobody.clone(), (false, false)),
        ((false, true), said(health(true, true, "")), (true, true)),
        ((true, true), said(health(true, false, "no")), (true, false)),
        ((false, true), said(other_life), (true, false)),
    ];
    for ((startup, readiness), healths, expected) in table {
        let seen = told("running", &desired(startup, readiness), &Books::in_memory(), &healths);
        let context = format!("startup {startup} readiness {readiness} {healths:?}");
        assert_eq!((seen.started, seen.ready), expected, "{context}");
    }
}

#[test]
fn what_failed_is_told_beside_it() {
    let mut healths = Healths::default();
    healths.set(&uid("a"), "main", health(true, false, "Readiness probe failed: no"));
    let seen = told("running", &desired(false, true), &Books::in_memory(), &healths);
    assert_eq!(seen.message, "Readiness probe failed: no");
}

#[test]
fn an_end_that_was_asked_for_counts_as_failed_in_that_life_alone() {
    let (desired, healths) = (desired(false, false), Healths::default());
    let mut books = Books::in_memory();
    let mut ended = |started_ms, state: &str| {
        let ending = Ending { life: life("", started_ms), message: "no".to_owned() };
        books.of(&uid("a"), 1, 0).endings.insert("main".to_owned(), ending);
        let seen = told(state, &desired, &books, &healths);
        (seen.exit_code, seen.message)
    };
    assert_eq!(ended(500, "0"), (Some(CODE_OF_KILLED), "no".to_owned()));
    assert_eq!(ended(500, "3"), (Some(3), "no".to_owned()));
    assert_eq!(ended(400, "0"), (Some(0), String::new()));
}

#[test]
fn a_runtime_that_finds_a_container_unhealthy_has_it_ended() {
    let (healths, uid) = (Healths::default(), uid("a"));
    let mut seen = container("main", "running");
    assert_eq!(failed(&healths, &uid, &seen), None);
    (seen.reason, seen.message) = (UNHEALTHY.to_owned(), "no".to_owned());
    let found = failed(&healths, &uid, &seen).expect("it is unhealthy");
    assert_eq!((found.message.as_str(), found.grace), ("no", None));
    seen.state = ContainerState::Terminated;
    assert_eq!(failed(&healths, &uid, &seen), None, "it has ended already");
}
