//! Checkups as small stories: when what is asked, what is answered, and what is said then.

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use setpoint_schemas::ExecAction;

use super::*;

/// The end of each story.
const END_MS: i64 = 60_000;

fn probe(text: &str) -> Probe {
    let mut probe: Probe = serde_json::from_str(text).expect("a probe");
    probe.exec = Some(ExecAction { command: vec!["ask".to_owned()] });
    probe
}

/// Plays a container's checkup for a minute. Each kind answers one letter after another, the last
/// one for ever: `+` passes, `-` fails, `?` cannot be asked.
fn play(container: &Container, checkup: Checkup, answers: [&str; 3]) -> String {
    let (mut checkup, mut told) = (checkup, String::new());
    let mut letters = answers.map(|text| text.chars().collect::<Vec<_>>());
    let mut before = None;
    let mut now_ms = 0;
    while now_ms <= END_MS {
        for (kind, letters) in Kind::ALL.into_iter().zip(&mut letters) {
            if !checkup.ask(kind, now_ms) {
                continue;
            }
            let letter = if letters.len() > 1 { letters.remove(0) } else { letters[0] };
            let answer = match letter {
                '+' => Answer::Passed,
                '-' => Answer::Failed("no".to_owned()),
                _ => Answer::Unknown("nobody".to_owned()),
            };
            let probe = kind.of(container).expect("it is asked");
            checkup.answered(kind, probe, &answer, now_ms);
            let word = kind.word().to_lowercase();
            let _ = write!(told, "{}s {word} {letter}", now_ms / 1_000);
            let said = say(checkup.health());
            if before.as_ref() != Some(&said) {
                let _ = write!(told, ": {said}");
                before = Some(said);
            }
            told.push('\n');
        }
        now_ms += 500;
    }
    told
}

fn say(health: &Health) -> String {
    let mut words = Vec::new();
    words.push(if health.started { "started" } else { "not started" }.to_owned());
    words.push(if health.ready { "ready" } else { "not ready" }.to_owned());
    words.extend(Some(health.message.clone()).filter(|text| !text.is_empty()));
    words.extend(health.failed.as_ref().map(|failed| format!("to be ended: {}", failed.message)));
    words.join(", ")
}

fn life() -> Life {
    Life { id: "c".to_owned(), started_ms: 1 }
}

fn start(age_ms: i64) -> Start {
    Start { now_ms: 0, age_ms, spread: 0 }
}

fn begin(container: &Container, answers: [&str; 3], expected: &Expect) {
    let checkup = Checkup::begin(container, life(), start(0));
    expected.assert_eq(&play(container, checkup, answers));
}

#[test]
fn a_container_is_ready_once_it_was_asked_and_again_not_ready_after_failures_in_a_row() {
    let text = r#"{"periodSeconds": 10, "initialDelaySeconds": 5, "failureThreshold": 2}"#;
    let container = Container { readiness_probe: Some(probe(text)), ..Container::default() };
    assert_eq!(say(Checkup::begin(&container, life(), start(0)).health()), "started, not ready");
    begin(
        &container,
        ["", "", "-+-+--"],
        &expect![[r#"
            5s readiness -: started, not ready, Readiness probe failed: no
            15s readiness +: started, ready
            25s readiness -
            35s readiness +
            45s readiness -
            55s readiness -: started, not ready, Readiness probe failed: no
        "#]],
    );
}

#[test]
fn startup_comes_before_the_others_and_is_not_asked_again() {
    let often = r#"{"periodSeconds": 2, "failureThreshold": 30}"#;
    let container = Container {
        startup_probe: Some(probe(often)),
        liveness_probe: Some(probe(r#"{"periodSeconds": 20}"#)),
        readiness_probe: Some(probe(r#"{"periodSeconds": 20, "initialDelaySeconds": 10}"#)),
        ..Container::default()
    };
    begin(
        &container,
        ["--?+", "+", "+"],
        &expect![[r#"
            0s startup -: not started, not ready, Startup probe failed: no
            2s startup -
            4s startup ?
            6s startup +: started, not ready, Startup probe failed: no
            6s liveness +
            10s readiness +: started, ready
            26s liveness +
            30s readiness +
            46s liveness +
            50s readiness +
        "#]],
    );
}

#[test]
fn a_container_that_never_starts_is_to_be_ended_after_its_time() {
    let container = Container {
        startup_probe: Some(probe(r#"{"periodSeconds": 5, "failureThreshold": 3}"#)),
        liveness_probe: Some(probe("{}")),
        ..Container::default()
    };
    begin(
        &container,
        ["-", "+", "+"],
        &expect![[r#"
            0s startup -: not started, not ready, Startup probe failed: no
            5s startup -
            10s startup -: not started, not ready, Startup probe failed: no, to be ended: Startup probe failed: no
        "#]],
    );
}

#[test]
fn a_container_that_no_longer_lives_is_to_be_ended_once() {
    let container = Container {
        liveness_probe: Some(probe(r#"{"terminationGracePeriodSeconds": 4}"#)),
        ..Container::default()
    };
    let checkup = Checkup::begin(&container, life(), start(0));
    assert_eq!(say(checkup.health()), "started, ready", "without a readiness probe it is ready");
    begin(
        &container,
        ["", "+---", ""],
        &expect![[r#"
            0s liveness +: started, ready
            10s liveness -
            20s liveness -
            30s liveness -: started, ready, Liveness probe failed: no, to be ended: Liveness probe failed: no
        "#]],
    );
}

#[test]
fn what_cannot_be_asked_changes_nothing_but_is_told_while_it_is_not_ready() {
    let container = Container { readiness_probe: Some(probe("{}")), ..Container::default() };
    begin(
        &container,
        ["", "", "?+????"],
        &expect![[r#"
            0s readiness ?: started, not ready, Readiness probe errored: nobody
            10s readiness +: started, ready
            20s readiness ?
            30s readiness ?
            40s readiness ?
            50s readiness ?
            60s readiness ?
        "#]],
    );
}

#[test]
fn a_new_agent_goes_on_from_what_was_said_last() {
    let container = Container {
        startup_probe: Some(probe("{}")),
        liveness_probe: Some(probe("{}")),
        readiness_probe: Some(probe(r#"{"initialDelaySeconds": 30}"#)),
        ..Container::default()
    };
    let before =
        Health { life: life(), started: true, ready: true, message: String::new(), failed: None };
    let start = Start { spread: 400, ..start(120_000) };
    let checkup = Checkup::resume(&container, &before, start);
    assert_eq!(checkup.health(), &before, "it does not flap");
    expect![[r#"
        4s liveness +: started, ready
        4s readiness -
        14s liveness +
        14s readiness -
        24s liveness +
        24s readiness -: started, not ready, Readiness probe failed: no
        34s liveness +
        34s readiness -
        44s liveness +
        44s readiness -
        54s liveness +
        54s readiness -
    "#]]
    .assert_eq(&play(&container, checkup, ["", "+", "-"]));
    let slow = Container {
        liveness_probe: Some(probe(r#"{"initialDelaySeconds": 300}"#)),
        ..Container::default()
    };
    let checkup = Checkup::resume(&slow, &before, start);
    assert_eq!(checkup.due_ms(Kind::Liveness), Some(184_000), "its delay is not forgotten");
    let unready = Health { ready: false, message: "no".to_owned(), ..before.clone() };
    assert_eq!(Checkup::resume(&container, &unready, start).health(), &unready);
    let starting = Health { started: false, ready: false, ..before };
    let checkup = Checkup::resume(&container, &starting, start);
    assert_eq!(checkup.due_ms(Kind::Startup), Some(0), "it is asked at once");
    assert_eq!(checkup.due_ms(Kind::Readiness), None);
}

#[test]
fn a_program_that_says_something_else_each_time_is_told_of_once_a_minute() {
    let container = Container { readiness_probe: Some(probe("{}")), ..Container::default() };
    let mut checkup = Checkup::begin(&container, life(), start(0));
    let (mut said, mut changes) = (String::new(), 0);
    for second in 0..600 {
        let answer = Answer::Failed(format!("at {second}"));
        let probe = Kind::Readiness.of(&container).expect("it is there");
        checkup.answered(Kind::Readiness, probe, &answer, second * 1_000);
        changes += i32::from(said != checkup.health().message);
        said.clone_from(&checkup.health().message);
    }
    assert!(changes <= 12, "{changes} changes in ten minutes");
    let endless = Answer::Failed("x".repeat(100_000));
    assert!(sentence(Kind::Readiness, &endless).len() < 2 * MESSAGE_BYTES_MAX);
}

#[test]
fn those_that_begin_together_part_after_their_first_question() {
    let container = Container { readiness_probe: Some(probe("{}")), ..Container::default() };
    let second = |spread| {
        let mut checkup = Checkup::begin(&container, life(), Start { spread, ..start(0) });
        assert!(checkup.ask(Kind::Readiness, 0), "the first one comes at once");
        let probe = Kind::Readiness.of(&container).expect("it is there");
        checkup.answered(Kind::Readiness, probe, &Answer::Passed, 10);
        checkup.due_ms(Kind::Readiness).expect("it is asked again")
    };
    assert_eq!([0, 500, 999].map(second), [10_000, 10_500, 10_999]);
}
