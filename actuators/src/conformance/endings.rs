//! Containers that end, and starting them once more.

use std::time::Duration;

use setpoint_schemas::ContainerState::{Running, Terminated};
use tokio_util::sync::CancellationToken;

use super::Rig;
use super::tools::{GRACE, container, find, pod, reaches, start, stop, uid_of};
use crate::{Actuator, ActuatorError};

/// What a shell and Docker say of a process that SIGKILL ended: 128 + 9.
const CODE_OF_SIGKILL: i32 = 137;
/// Long enough for a runtime to notice, short for a test.
const GRACE_SHORT: Duration = Duration::from_millis(500);

pub(super) async fn an_end_is_observed_with_its_code(rig: &dyn Rig) {
    let actuator = rig.open().await;
    start(&*actuator, &pod("c-ends", vec![rig.ending("well", 0), rig.ending("badly", 7)])).await;
    for (name, code) in [("well", 0), ("badly", 7)] {
        let ended = reaches(rig, &*actuator, "c-ends", name, Terminated).await;
        assert_eq!(ended.exit_code, Some(code), "{ended:?}");
        assert!(ended.finished_ms >= ended.started_ms && ended.started_ms > 0, "{ended:?}");
    }
    stop(&*actuator, "c-ends").await;
}

pub(super) async fn an_ended_container_is_not_started_by_start(rig: &dyn Rig) {
    let actuator = rig.open().await;
    let pod = pod("c-stays", vec![rig.ending("main", 3)]);
    start(&*actuator, &pod).await;
    let ended = reaches(rig, &*actuator, "c-stays", "main", Terminated).await;
    start(&*actuator, &pod).await;
    rig.pass(GRACE_SHORT).await;
    let again = container(&*actuator, "c-stays", "main").await;
    assert_eq!((ended.state, ended.started_ms), (again.state, again.started_ms));
    stop(&*actuator, "c-stays").await;
}

pub(super) async fn an_ended_container_restarts(rig: &dyn Rig) {
    let actuator = rig.open().await;
    start(&*actuator, &pod("c-again", vec![rig.lasting("main"), rig.lasting("other")])).await;
    let first = reaches(rig, &*actuator, "c-again", "main", Running).await;
    let other = reaches(rig, &*actuator, "c-again", "other", Running).await;
    rig.kill(&uid_of("c-again"), "main").await;
    reaches(rig, &*actuator, "c-again", "main", Terminated).await;
    rig.pass(Duration::from_millis(20)).await;
    actuator.restart_container(&uid_of("c-again"), "main").await.expect("it restarts");
    let second = reaches(rig, &*actuator, "c-again", "main", Running).await;
    assert!(second.started_ms > first.started_ms, "{first:?} then {second:?}");
    let untouched = container(&*actuator, "c-again", "other").await;
    assert_eq!(untouched.started_ms, other.started_ms);
    stop(&*actuator, "c-again").await;
}

pub(super) async fn a_running_container_is_not_restarted(rig: &dyn Rig) {
    let actuator = rig.open().await;
    start(&*actuator, &pod("c-runs", vec![rig.lasting("main")])).await;
    let first = reaches(rig, &*actuator, "c-runs", "main", Running).await;
    actuator.restart_container(&uid_of("c-runs"), "main").await.expect("nothing to do");
    let second = container(&*actuator, "c-runs", "main").await;
    assert_eq!((first.id, first.started_ms), (second.id, second.started_ms));
    stop(&*actuator, "c-runs").await;
}

pub(super) async fn a_restart_of_nothing_says_not_found(rig: &dyn Rig) {
    let actuator = rig.open().await;
    let error = actuator.restart_container(&uid_of("c-nothing"), "main").await;
    let error = error.expect_err("there is no such pod");
    assert_eq!(error.reason(), "NotFound");
    assert!(!error.is_transient());
}

pub(super) async fn a_kill_behind_our_back_is_observed(rig: &dyn Rig) {
    let actuator = rig.open().await;
    start(&*actuator, &pod("c-killed", vec![rig.lasting("main")])).await;
    reaches(rig, &*actuator, "c-killed", "main", Running).await;
    rig.kill(&uid_of("c-killed"), "main").await;
    let ended = reaches(rig, &*actuator, "c-killed", "main", Terminated).await;
    assert_eq!(ended.exit_code, Some(CODE_OF_SIGKILL), "{ended:?}");
    stop(&*actuator, "c-killed").await;
}

pub(super) async fn a_stubborn_container_is_killed_after_its_grace(rig: &dyn Rig) {
    let actuator = rig.open().await;
    start(&*actuator, &pod("c-stubborn", vec![rig.stubborn("main")])).await;
    reaches(rig, &*actuator, "c-stubborn", "main", Running).await;
    // A stubborn process needs a moment to begin to ignore the signal.
    rig.pass(GRACE_SHORT).await;
    let (uid, cancel) = (uid_of("c-stubborn"), CancellationToken::new());
    let (stopped, ()) =
        tokio::join!(actuator.stop(&uid, GRACE_SHORT, &cancel), rig.pass(GRACE_SHORT * 2),);
    stopped.expect("it is killed");
    assert_eq!(find(&*actuator, "c-stubborn").await, None);
}

pub(super) async fn one_container_is_ended_and_the_others_run_on(rig: &dyn Rig) {
    let actuator = rig.open().await;
    start(&*actuator, &pod("c-ended", vec![rig.lasting("main"), rig.lasting("other")])).await;
    let first = reaches(rig, &*actuator, "c-ended", "main", Running).await;
    let other = reaches(rig, &*actuator, "c-ended", "other", Running).await;
    end(&*actuator, "c-ended", "main").await;
    let ended = container(&*actuator, "c-ended", "main").await;
    assert_eq!((ended.state, ended.started_ms), (Terminated, first.started_ms), "{ended:?}");
    let untouched = container(&*actuator, "c-ended", "other").await;
    assert_eq!((untouched.state, untouched.started_ms), (Running, other.started_ms));
    rig.pass(Duration::from_millis(20)).await;
    actuator.restart_container(&uid_of("c-ended"), "main").await.expect("it restarts");
    let second = reaches(rig, &*actuator, "c-ended", "main", Running).await;
    assert!(second.started_ms > first.started_ms, "{first:?} then {second:?}");
    stop(&*actuator, "c-ended").await;
}

pub(super) async fn a_stubborn_one_is_killed_by_its_end(rig: &dyn Rig) {
    let actuator = rig.open().await;
    start(&*actuator, &pod("c-obstinate", vec![rig.stubborn("main")])).await;
    reaches(rig, &*actuator, "c-obstinate", "main", Running).await;
    rig.pass(GRACE_SHORT).await;
    let (uid, cancel) = (uid_of("c-obstinate"), CancellationToken::new());
    let (ended, ()) = tokio::join!(
        actuator.end_container(&uid, "main", GRACE_SHORT, &cancel),
        rig.pass(GRACE_SHORT * 2),
    );
    ended.expect("it is killed");
    let ended = container(&*actuator, "c-obstinate", "main").await;
    assert_eq!((ended.state, ended.exit_code), (Terminated, Some(CODE_OF_SIGKILL)));
    stop(&*actuator, "c-obstinate").await;
}

pub(super) async fn an_end_of_what_does_not_run_does_nothing(rig: &dyn Rig) {
    let actuator = rig.open().await;
    start(&*actuator, &pod("c-over", vec![rig.ending("main", 4)])).await;
    let before = reaches(rig, &*actuator, "c-over", "main", Terminated).await;
    end(&*actuator, "c-over", "main").await;
    let after = container(&*actuator, "c-over", "main").await;
    assert_eq!((before.exit_code, before.finished_ms), (after.exit_code, after.finished_ms));
    let cancel = CancellationToken::new();
    for (uid, container) in [("c-over", "other"), ("c-nowhere", "main")] {
        let error = actuator.end_container(&uid_of(uid), container, GRACE_SHORT, &cancel).await;
        assert_eq!(error.expect_err("there is none").reason(), "NotFound");
    }
    stop(&*actuator, "c-over").await;
}

pub(super) async fn a_cancelled_end_can_be_repeated(rig: &dyn Rig) {
    let actuator = rig.open().await;
    start(&*actuator, &pod("c-halfway", vec![rig.stubborn("main")])).await;
    reaches(rig, &*actuator, "c-halfway", "main", Running).await;
    rig.pass(GRACE_SHORT).await;
    let (uid, cancel) = (uid_of("c-halfway"), CancellationToken::new());
    let late = async {
        rig.pass(Duration::from_millis(50)).await;
        cancel.cancel();
    };
    let patience = Duration::from_secs(2);
    let (ended, ()) = tokio::join!(actuator.end_container(&uid, "main", patience, &cancel), late);
    assert!(matches!(ended, Err(ActuatorError::Cancelled)), "{ended:?}");
    let again = CancellationToken::new();
    let (ended, ()) = tokio::join!(
        actuator.end_container(&uid, "main", Duration::ZERO, &again),
        rig.pass(GRACE_SHORT),
    );
    ended.expect("it is killed");
    reaches(rig, &*actuator, "c-halfway", "main", Terminated).await;
    stop(&*actuator, "c-halfway").await;
}

async fn end(actuator: &dyn Actuator, uid: &str, container: &str) {
    let cancel = CancellationToken::new();
    let ended = actuator.end_container(&uid_of(uid), container, GRACE, &cancel).await;
    ended.expect("it ends");
}
