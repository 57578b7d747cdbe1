//! What containers write is read back, and commands run beside them.

use std::time::Duration;

use futures::StreamExt;
use setpoint_schemas::ContainerState::{Running, Terminated};
use setpoint_schemas::call::{ExecOptions, LogOptions};
use tokio_util::sync::CancellationToken;

use super::tools::{pod, reaches, start, stop, uid_of};
use super::{Deed, Rig};
use crate::Actuator;
use crate::session::{Input, Output, Session};

/// How often a case looks again.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Processes are there within moments; on a machine under load it takes seconds.
const LOOKS_MAX: u32 = 600;
/// More than the queues of a session and the pipe behind them hold together.
const WRITTEN_BYTES: usize = 600_000;
/// Some take longer for a piece than a command's last words may take.
const SLOWNESS: Duration = Duration::from_millis(250);
/// A piece that is said to a command that does not read.
const SAID_BYTES: usize = 32 << 10;

const LINES: &[&str] = &["one", "two", "three"];

pub(super) async fn what_a_container_wrote_is_read_back(rig: &dyn Rig) {
    let actuator = rig.open().await;
    start(&*actuator, &pod("c-wrote", vec![rig.writing("main", LINES, 0)])).await;
    reaches(rig, &*actuator, "c-wrote", "main", Terminated).await;
    let all = LogOptions::default();
    for (options, wanted) in [
        (all.clone(), "one\ntwo\nthree\n"),
        (LogOptions { follow: true, ..all.clone() }, "one\ntwo\nthree\n"),
        (LogOptions { tail: Some(2), ..all.clone() }, "two\nthree\n"),
        (LogOptions { tail: Some(0), ..all.clone() }, ""),
    ] {
        assert_eq!(read(rig, &*actuator, "c-wrote", &options).await, wanted, "{options:?}");
    }
    let timed = LogOptions { timestamps: true, ..all };
    let timed = read(rig, &*actuator, "c-wrote", &timed).await;
    for (line, wanted) in timed.lines().zip(LINES) {
        let (time, text) = line.split_once(' ').expect("a time and a text");
        assert!(time.contains('T') && time.ends_with('Z') && text == *wanted, "{line}");
    }
    assert_eq!(timed.lines().count(), LINES.len());
    stop(&*actuator, "c-wrote").await;
}

pub(super) async fn a_follower_sees_later_lines_and_ends_with_the_container(rig: &dyn Rig) {
    let actuator = rig.open().await;
    start(&*actuator, &pod("c-follow", vec![rig.writing("main", LINES, 3)])).await;
    reaches(rig, &*actuator, "c-follow", "main", Running).await;
    let options = LogOptions { follow: true, ..LogOptions::default() };
    assert_eq!(read(rig, &*actuator, "c-follow", &options).await, "one\ntwo\nthree\n");
    reaches(rig, &*actuator, "c-follow", "main", Terminated).await;
    stop(&*actuator, "c-follow").await;
}

pub(super) async fn the_life_before_is_read_as_the_previous_one(rig: &dyn Rig) {
    let actuator = rig.open().await;
    start(&*actuator, &pod("c-former", vec![rig.writing("main", LINES, 1)])).await;
    let first = reaches(rig, &*actuator, "c-former", "main", Terminated).await;
    let options = LogOptions { previous: true, ..LogOptions::default() };
    let refused = actuator.logs(&uid_of("c-former"), "main", &options).await;
    assert_eq!(refused.err().expect("it had one life").reason(), "NoPrevious");
    // As the agent waits before it starts a container again.
    rig.pass(LOOK_EVERY * 4).await;
    actuator.restart_container(&uid_of("c-former"), "main").await.expect("it restarts");
    loop {
        let again = reaches(rig, &*actuator, "c-former", "main", Terminated).await;
        if again.started_ms > first.started_ms {
            break;
        }
        rig.pass(LOOK_EVERY).await;
    }
    let last = LogOptions { tail: Some(2), ..options.clone() };
    assert_eq!(read(rig, &*actuator, "c-former", &options).await, "one\ntwo\nthree\n");
    assert_eq!(read(rig, &*actuator, "c-former", &last).await, "two\nthree\n");
    let present = LogOptions::default();
    assert_eq!(read(rig, &*actuator, "c-former", &present).await, "one\ntwo\nthree\n");
    stop(&*actuator, "c-former").await;
}

pub(super) async fn who_is_not_there_or_never_ran_has_no_lines_and_no_commands(rig: &dyn Rig) {
    let actuator = rig.open().await;
    let mute = pod("c-mute", vec![rig.unstartable("main")]);
    assert!(actuator.start(&mute, &CancellationToken::new()).await.is_err());
    let (lines, deed) = (LogOptions::default(), command(rig, Deed::Ends(0)));
    for (uid, container, no_lines, no_command) in [
        ("c-nobody", "main", "NotFound", "NotFound"),
        ("c-mute", "other", "NotFound", "NotFound"),
        ("c-mute", "main", "NotStarted", "NotRunning"),
    ] {
        let uid = uid_of(uid);
        let refused = actuator.logs(&uid, container, &lines).await.err().expect("it is refused");
        assert!([no_lines, "NotFound"].contains(&refused.reason()), "{refused:?}");
        let refused = actuator.session(&uid, container, &deed).await.expect_err("it is refused");
        assert!([no_command, "NotFound"].contains(&refused.reason()), "{refused:?}");
    }
    stop(&*actuator, "c-mute").await;
}

pub(super) async fn a_command_ends_with_its_code_and_reads_what_it_is_told(rig: &dyn Rig) {
    let actuator = rig.open().await;
    start(&*actuator, &pod("c-command", vec![rig.lasting("main")])).await;
    reaches(rig, &*actuator, "c-command", "main", Running).await;
    let ends = open(rig, &*actuator, "c-command", Deed::Ends(7)).await;
    assert_eq!(heard(ends).await, (Vec::new(), 7));
    let echoes = open(rig, &*actuator, "c-command", Deed::Echoes).await;
    echoes.input.send(Input::Bytes(b"said to it".to_vec())).await.expect("it listens");
    echoes.input.send(Input::End).await.expect("it listens");
    assert_eq!(heard(echoes).await, (b"said to it".to_vec(), 0));
    stop(&*actuator, "c-command").await;
}

pub(super) async fn a_slow_listener_hears_all_that_a_command_wrote(rig: &dyn Rig) {
    let actuator = rig.open().await;
    start(&*actuator, &pod("c-slow", vec![rig.lasting("main")])).await;
    reaches(rig, &*actuator, "c-slow", "main", Running).await;
    let mut session = open(rig, &*actuator, "c-slow", Deed::Writes(WRITTEN_BYTES)).await;
    let mut bytes = 0;
    loop {
        match session.output.recv().await.expect("it says how it ended") {
            Output::Stdout(piece) | Output::Stderr(piece) => bytes += piece.len(),
            Output::Ended(code) => {
                assert_eq!((bytes, code.expect("it ended")), (WRITTEN_BYTES, 0));
                break;
            }
        }
        rig.pass(SLOWNESS).await;
    }
    stop(&*actuator, "c-slow").await;
}

pub(super) async fn a_command_that_does_not_read_keeps_nobody_waiting(rig: &dyn Rig) {
    let actuator = rig.open().await;
    start(&*actuator, &pod("c-ignores", vec![rig.lasting("main")])).await;
    reaches(rig, &*actuator, "c-ignores", "main", Running).await;
    let session = open(rig, &*actuator, "c-ignores", Deed::Ignores(4)).await;
    let said = session.input.clone();
    let says = tokio::spawn(async move {
        while said.send(Input::Bytes(vec![b'x'; SAID_BYTES])).await.is_ok() {}
    });
    assert_eq!(heard(session).await, (Vec::new(), 4));
    says.await.expect("nobody listens any more");
    stop(&*actuator, "c-ignores").await;
}

pub(super) async fn a_command_that_nobody_listens_to_leaves_nothing(rig: &dyn Rig) {
    let actuator = rig.open().await;
    start(&*actuator, &pod("c-deaf", vec![rig.lasting("main")])).await;
    reaches(rig, &*actuator, "c-deaf", "main", Running).await;
    let session = open(rig, &*actuator, "c-deaf", Deed::Lasts("left-by-a-command")).await;
    if rig.has_processes() {
        let mut looks = 0;
        while rig.count("left-by-a-command").await == 0 {
            assert!(looks < LOOKS_MAX, "the command never comes");
            looks += 1;
            rig.pass(LOOK_EVERY).await;
        }
    }
    drop(session);
    for _ in 0..LOOKS_MAX {
        if rig.count("left-by-a-command").await == 0 {
            return stop(&*actuator, "c-deaf").await;
        }
        rig.pass(LOOK_EVERY).await;
    }
    panic!("a command runs on that nobody listens to");
}

fn command(rig: &dyn Rig, deed: Deed<'_>) -> ExecOptions {
    let command = rig.deed(deed);
    ExecOptions { command, stdin: true, stdout: true, stderr: true, tty: false }
}

async fn open(rig: &dyn Rig, actuator: &dyn Actuator, uid: &str, deed: Deed<'_>) -> Session {
    let opened = actuator.session(&uid_of(uid), "main", &command(rig, deed)).await;
    opened.expect("a command runs")
}

/// All that a command writes, and its code.
async fn heard(mut session: Session) -> (Vec<u8>, i32) {
    let mut written = Vec::new();
    while let Some(said) = session.output.recv().await {
        match said {
            Output::Stdout(bytes) | Output::Stderr(bytes) => written.extend(bytes),
            Output::Ended(code) => return (written, code.expect("it ended")),
        }
    }
    panic!("a command ends without a word")
}

/// All lines, while the runtime's time passes.
async fn read(rig: &dyn Rig, actuator: &dyn Actuator, uid: &str, options: &LogOptions) -> String {
    let mut lines = actuator.logs(&uid_of(uid), "main", options).await.expect("it has lines");
    let mut text = Vec::new();
    let all = async {
        while let Some(piece) = lines.next().await {
            text.extend(piece.expect("it is readable"));
        }
    };
    let passing = async {
        for _ in 0..LOOKS_MAX {
            rig.pass(LOOK_EVERY).await;
        }
    };
    tokio::select! {
        biased;
        () = all => {}
        () = passing => panic!("the lines of {uid} never end"),
    }
    String::from_utf8(text).expect("text")
}
