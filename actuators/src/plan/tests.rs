//! What is planned, case by case.

use std::sync::Arc;

use super::*;
use crate::ActuatorError;
use crate::health::{Failed, Health};
use crate::samples::{container, observed, placement, uid};

/// The plan for one pod `a`, in words.
fn words(desired: &Desired, observed: &[Observed], books: &Books, now_ms: i64) -> String {
    let healths = Healths::default();
    let first = plan(desired, observed, books, &healths, now_ms);
    assert_eq!(
        first,
        plan(desired, observed, books, &healths, now_ms),
        "planning twice changes nothing"
    );
    let work = first.works.get(&uid("a")).map(|work| match work {
        Work::Start { generation, held } if held.is_empty() => format!("start {generation}"),
        Work::Start { generation, held } => format!("start {generation} without {held:?}"),
        Work::Finish { grace } => format!("finish {}", grace.as_secs()),
        Work::Greet { container, .. } => format!("greet {container}"),
        Work::Stop { grace } => format!("stop {}", grace.as_secs()),
        Work::Restart { container, history, .. } => {
            format!("restart {container} {}", history.restarts)
        }
        Work::End { container, grace, .. } => format!("end {container} {}", grace.as_secs()),
    });
    match (work, first.wake_ms) {
        (Some(work), None) => work,
        (None, Some(wake_ms)) => format!("wait {wake_ms}"),
        (None, None) => "nothing".into(),
        (Some(work), Some(wake_ms)) => format!("{work}, wait {wake_ms}"),
    }
}

fn full(placements: &[setpoint_schemas::Placement]) -> Desired {
    Desired::of(Authority::Full, placements)
}

#[test]
fn a_pod_is_started_restarted_stopped_or_left() {
    let one = |state| vec![container("main", state)];
    let two = |a, b| vec![container("main", a), container("side", b)];
    let main: &[&str] = &["main"];
    let both: &[&str] = &["main", "side"];
    let table = [
        (1, "Always", main, None, "start 1"),
        (1, "Always", main, Some((1, one("running"))), "nothing"),
        (1, "Always", main, Some((1, one("waiting"))), "start 1"),
        (1, "Always", main, Some((1, vec![])), "start 1"),
        (2, "Always", main, Some((1, one("running"))), "start 2"),
        (1, "Always", main, Some((2, one("running"))), "nothing"),
        (1, "Always", main, Some((1, one("0"))), "restart main 1"),
        (1, "OnFailure", main, Some((1, one("0"))), "nothing"),
        (1, "OnFailure", main, Some((1, one("1"))), "restart main 1"),
        (1, "Never", main, Some((1, one("1"))), "nothing"),
        (1, "Always", both, Some((1, two("running", "1"))), "restart side 1"),
        (1, "Always", both, Some((1, two("1", "1"))), "restart main 1"),
        (1, "Always", both, Some((1, two("running", "waiting"))), "start 1"),
    ];
    for (generation, policy, names, runs, expected) in table {
        let desired = full(&[placement("a", generation, policy, names)]);
        let context = format!("generation {generation}, {policy}, {runs:?}");
        let seen: Vec<Observed> = runs.map(|(g, c)| observed("a", g, c)).into_iter().collect();
        assert_eq!(words(&desired, &seen, &Books::in_memory(), 1_000), expected, "{context}");
    }
}

#[test]
fn an_orphan_is_stopped_with_the_grace_of_its_spec_if_that_is_known() {
    let seen = [observed("a", 1, vec![container("main", "running")])];
    let mut books = Books::in_memory();
    assert_eq!(words(&full(&[]), &seen, &books, 0), "stop 30");
    books.of(&uid("a"), 1, 7_000);
    assert_eq!(words(&full(&[]), &seen, &books, 0), "stop 7");
}

#[test]
fn less_authority_allows_less() {
    let placements = [placement("a", 1, "Always", &["main"])];
    let books = Books::in_memory();
    let crashed = [observed("a", 1, vec![container("main", "1")])];
    let orphan = [observed("b", 1, vec![container("main", "running")])];
    let table = [
        (Authority::None, "nothing", "nothing", 0),
        (Authority::Remembered, "nothing", "restart main 1", 0),
        (Authority::Full, "start 1", "restart main 1", 1),
    ];
    for (authority, when_absent, when_crashed, stops) in table {
        let desired = Desired::of(authority, &placements);
        assert_eq!(words(&desired, &[], &books, 1_000), when_absent, "{authority:?}");
        assert_eq!(words(&desired, &crashed, &books, 1_000), when_crashed, "{authority:?}");
        let works = plan(&desired, &orphan, &books, &Healths::default(), 1_000).works;
        assert_eq!(works.keys().filter(|u| **u == uid("b")).count(), stops, "{authority:?}");
    }
}

#[test]
fn a_failure_to_start_waits_and_a_permanent_one_waits_for_another_generation() {
    let desired = full(&[placement("a", 1, "Always", &["main"])]);
    let rule = desired.pods[&uid("a")].rule;
    let mut books = Books::in_memory();
    let slow = ActuatorError::transient("ErrImagePull", "no");
    books.of(&uid("a"), 1, 0).note_failure(&rule, &slow, 0);
    assert_eq!(words(&desired, &[], &books, 9_999), "wait 10000");
    assert_eq!(words(&desired, &[], &books, 10_000), "start 1");
    assert_eq!(words(&desired, &[], &books, -1), "start 1", "the clock was set back");
    let never = ActuatorError::permanent("NoCommand", "none");
    books.of(&uid("a"), 1, 0).note_failure(&rule, &never, 0);
    assert_eq!(words(&desired, &[], &books, i64::MAX), "nothing");
    let raised = full(&[placement("a", 2, "Always", &["main"])]);
    assert_eq!(words(&raised, &[], &books, 0), "start 2");
}

#[test]
fn a_container_that_cannot_start_does_not_keep_the_others_from_restarting() {
    let desired = full(&[placement("a", 1, "Always", &["main", "side"])]);
    let mut books = Books::in_memory();
    let never = ActuatorError::permanent("NoCommand", "none").of_container("side");
    books.of(&uid("a"), 1, 0).note_failure(&desired.pods[&uid("a")].rule, &never, 0);
    let seen = [observed("a", 1, vec![container("main", "1"), container("side", "waiting")])];
    assert_eq!(words(&desired, &seen, &books, 1_000), "restart main 1");
}

#[test]
fn a_second_crash_waits_its_backoff_from_the_end() {
    let desired = full(&[placement("a", 1, "Always", &["main"])]);
    let mut books = Books::in_memory();
    let history = History { restarts: 1, row: 1, ..History::default() };
    books.of(&uid("a"), 1, 0).histories.insert("main".into(), history);
    let seen = [observed("a", 1, vec![container("main", "1")])];
    assert_eq!(words(&desired, &seen, &books, 10_999), "wait 11000");
    assert_eq!(words(&desired, &seen, &books, 11_000), "restart main 2");
}

#[test]
fn a_spec_that_cannot_be_read_is_left_alone() {
    let mut broken = placement("a", 1, "Always", &["main"]);
    Arc::make_mut(&mut broken.pattern).spec = "{".into();
    assert_eq!(words(&full(&[broken]), &[], &Books::in_memory(), 0), "nothing");
}

#[test]
fn a_container_that_failed_its_probe_is_ended_with_the_grace_of_the_probe_or_of_the_pod() {
    let desired = full(&[placement("a", 1, "Never", &["main"])]);
    let running = [observed("a", 1, vec![container("main", "running")])];
    let failed = |grace| {
        let failed = Some(Failed { message: "no".to_owned(), grace });
        let life = Life::of(&running[0].containers[0]);
        let health = Health { life, started: true, ready: false, message: String::new(), failed };
        let mut healths = Healths::default();
        healths.set(&uid("a"), "main", health);
        healths
    };
    let books = Books::in_memory();
    for (grace, seconds) in [(Some(Duration::from_secs(2)), 2), (None, 7)] {
        let works = plan(&desired, &running, &books, &failed(grace), 1_000).works;
        let Some(Work::End { container, grace, ending }) = works.get(&uid("a")) else {
            panic!("{works:?}")
        };
        assert_eq!((container.as_str(), grace.as_secs()), ("main", seconds));
        assert_eq!(ending.message, "no");
    }
    let again = [observed(
        "a",
        1,
        vec![ContainerObserved { started_ms: 501, ..container("main", "running") }],
    )];
    let works = plan(&desired, &again, &books, &failed(None), 1_000).works;
    assert!(works.is_empty(), "another life: {works:?}");
}

/// The pod `a` with an init container, a sidecar and a container whose hook is run after its start.
fn whole(policy: &str) -> Desired {
    let mut placement = placement("a", 1, policy, &["main"]);
    let mut spec: serde_json::Value =
        serde_json::from_str(&placement.pattern.spec).expect("it is JSON");
    spec["initContainers"] =
        serde_json::json!([{"name": "init"}, {"name": "side", "restartPolicy": "Always"}]);
    spec["containers"][0]["lifecycle"] =
        serde_json::json!({"postStart": {"exec": {"command": ["x"]}}});
    spec["activeDeadlineSeconds"] = 60.into();
    Arc::make_mut(&mut placement.pattern).spec = spec.to_string().into();
    full(&[placement])
}

#[test]
fn a_pod_is_started_in_its_order_and_finished_in_it() {
    let greeted = Some(Life { id: String::new(), started_ms: 500 });
    let table = [
        ("Never", vec![], None, r#"start 1 without {"main", "side"}"#),
        ("Never", vec![("init", "running")], None, "wait 61000"),
        ("Never", vec![("init", "1")], None, "nothing"),
        ("Always", vec![("init", "1")], None, "restart init 1"),
        ("Never", vec![("init", "0")], None, r#"start 1 without {"main"}"#),
        ("Never", vec![("init", "0"), ("side", "running")], None, "start 1"),
        ("Never", vec![("init", "0"), ("side", "1"), ("main", "running")], None, "greet main"),
        (
            "Never",
            vec![("init", "0"), ("side", "1"), ("main", "running")],
            greeted.clone(),
            "restart side 1",
        ),
        (
            "Never",
            vec![("init", "0"), ("side", "running"), ("main", "running")],
            greeted.clone(),
            "wait 61000",
        ),
        (
            "Never",
            vec![("init", "0"), ("side", "running"), ("main", "0")],
            greeted.clone(),
            "finish 7",
        ),
        ("Never", vec![("init", "0"), ("side", "0"), ("main", "0")], greeted, "nothing"),
    ];
    for (policy, states, greeted, expected) in table {
        let desired = whole(policy);
        let mut books = Books::in_memory();
        let book = books.of(&uid("a"), 1, 7_000);
        book.take_up(&desired.pods[&uid("a")].spec, 1_000);
        book.greeted.extend(greeted.map(|life| ("main".to_owned(), life)));
        let seen: Vec<_> = states.iter().map(|(name, state)| container(name, state)).collect();
        let seen: Vec<Observed> =
            (!seen.is_empty()).then(|| observed("a", 1, seen)).into_iter().collect();
        let said = words(&desired, &seen, &books, 2_000);
        let said = said.strip_suffix(", wait 61000").unwrap_or(&said);
        assert_eq!(said, expected, "{policy} {states:?}");
    }
}

#[test]
fn a_pod_whose_time_is_over_is_finished_and_never_started_again() {
    let desired = whole("Always");
    let mut books = Books::in_memory();
    books.of(&uid("a"), 1, 7_000).take_up(&desired.pods[&uid("a")].spec, 1_000);
    let runs = [observed("a", 1, vec![container("init", "running")])];
    assert_eq!(words(&desired, &runs, &books, 60_999), "wait 61000");
    assert_eq!(words(&desired, &runs, &books, 61_000), "finish 7");
    assert_eq!(words(&desired, &[], &books, 61_000), "nothing");
}

#[test]
fn what_has_finished_is_not_started_again_when_nothing_is_left_of_it() {
    let desired = full(&[placement("a", 1, "Never", &["main"])]);
    let mut books = Books::in_memory();
    assert_eq!(words(&desired, &[], &books, 0), "start 1");
    let told = desired.clone().with_ended(&[uid("a")]);
    assert_eq!(words(&told, &[], &books, 0), "nothing", "the engine knows it");
    books.of(&uid("a"), 1, 7_000).finished = Some(crate::Finished {
        phase: setpoint_schemas::PodPhase::Succeeded,
        reason: String::new(),
        message: String::new(),
        started_ms: 1,
        containers: Vec::new(),
    });
    assert_eq!(words(&desired, &[], &books, 0), "nothing", "the node knows it");
    let again = full(&[placement("a", 2, "Never", &["main"])]);
    assert_eq!(words(&again, &[], &books, 0), "start 2", "another generation is another pod");
}

#[test]
fn a_container_whose_hook_failed_is_ended_in_that_life() {
    let desired = whole("Always");
    let mut books = Books::in_memory();
    let states = [("init", "0"), ("side", "running"), ("main", "running")];
    let seen = states.map(|(name, state)| container(name, state)).to_vec();
    let ending = Ending { life: Life::of(&seen[2]), message: "no".to_owned() };
    books.of(&uid("a"), 1, 7_000).ungreeted.insert("main".to_owned(), ending);
    let runs = [observed("a", 1, seen)];
    assert_eq!(words(&desired, &runs, &books, 2_000), "end main 7");
}

#[test]
fn while_the_fence_is_closed_pods_that_may_run_at_most_once_stop_and_none_starts() {
    let closed = Fence::Closed { grace: Duration::from_secs(3) };
    let guarded = || setpoint_schemas::Placement {
        at_most_one: true,
        ..placement("a", 1, "Always", &["main"])
    };
    let runs = |state| vec![observed("a", 1, vec![container("main", state)])];
    let table = [
        (Authority::Full, true, "running", "stop 3"),
        (Authority::Remembered, true, "running", "stop 3"),
        (Authority::None, true, "running", "stop 3"),
        (Authority::Remembered, false, "running", "stop 3"),
        (Authority::Full, true, "1", "stop 3"),
    ];
    for (authority, is_listed, state, expected) in table {
        let list = if is_listed { vec![guarded()] } else { Vec::new() };
        let desired = Desired { fence: closed, ..Desired::of(authority, &list) };
        let mut books = Books::in_memory();
        books.of(&uid("a"), 1, 30_000).at_most_one = true;
        let context = format!("{authority:?}, listed {is_listed}, {state}");
        assert_eq!(words(&desired, &runs(state), &books, 0), expected, "{context}");
    }
    let desired = Desired { fence: closed, ..full(&[guarded()]) };
    assert_eq!(words(&desired, &[], &Books::in_memory(), 0), "nothing", "it does not start");
    let other = Desired { fence: closed, ..full(&[placement("a", 1, "Always", &["main"])]) };
    assert_eq!(words(&other, &[], &Books::in_memory(), 0), "start 1", "others are not meant");
}
