//! What is older never replaces what is newer; what is cancelled can be repeated.

use std::time::Duration;

use setpoint_schemas::ContainerState::Running;
use tokio_util::sync::CancellationToken;

use super::Rig;
use super::tools::{container, find, pod, pod_at, reaches, start, stop, uid_of};
use crate::ActuatorError;

/// A grace that no test waits for.
const GRACE_LONG: Duration = Duration::from_secs(600);
/// How long a case waits before it cancels.
const MOMENT: Duration = Duration::from_millis(500);

pub(super) async fn an_older_generation_is_refused(rig: &dyn Rig) {
    refused(rig, "c-old-generation", (2, 2), (1, 2)).await;
}

pub(super) async fn an_older_term_is_refused(rig: &dyn Rig) {
    refused(rig, "c-old-term", (2, 2), (2, 1)).await;
}

async fn refused(rig: &dyn Rig, uid: &str, running: (i64, i64), asked: (i64, i64)) {
    let actuator = rig.open().await;
    start(&*actuator, &pod_at(uid, running.0, running.1, vec![rig.lasting("main")])).await;
    let first = reaches(rig, &*actuator, uid, "main", Running).await;
    let older = pod_at(uid, asked.0, asked.1, vec![rig.lasting("main")]);
    let error = actuator.start(&older, &CancellationToken::new()).await.expect_err("it is older");
    assert!(matches!(error, ActuatorError::Fenced { .. }), "{error:?}");
    let seen = find(&*actuator, uid).await.expect("it still runs");
    assert_eq!((seen.generation, seen.term), running);
    assert_eq!(seen.containers[0].id, first.id);
    stop(&*actuator, uid).await;
}

pub(super) async fn a_newer_term_leaves_the_pod_running(rig: &dyn Rig) {
    let actuator = rig.open().await;
    start(&*actuator, &pod_at("c-term", 1, 1, vec![rig.lasting("main")])).await;
    let first = reaches(rig, &*actuator, "c-term", "main", Running).await;
    start(&*actuator, &pod_at("c-term", 1, 2, vec![rig.lasting("main")])).await;
    let second = container(&*actuator, "c-term", "main").await;
    assert_eq!((first.id, first.started_ms), (second.id, second.started_ms));
    stop(&*actuator, "c-term").await;
}

pub(super) async fn a_newer_generation_replaces(rig: &dyn Rig) {
    let actuator = rig.open().await;
    start(&*actuator, &pod_at("c-newer", 1, 1, vec![rig.lasting("main")])).await;
    let first = reaches(rig, &*actuator, "c-newer", "main", Running).await;
    rig.pass(Duration::from_millis(20)).await;
    start(&*actuator, &pod_at("c-newer", 2, 1, vec![rig.lasting("main")])).await;
    let second = reaches(rig, &*actuator, "c-newer", "main", Running).await;
    let seen = find(&*actuator, "c-newer").await.expect("it runs");
    assert_eq!(seen.generation, 2);
    assert!(second.started_ms > first.started_ms, "{first:?} then {second:?}");
    stop(&*actuator, "c-newer").await;
}

pub(super) async fn a_cancelled_stop_can_be_repeated(rig: &dyn Rig) {
    let actuator = rig.open().await;
    start(&*actuator, &pod("c-unstopped", vec![rig.stubborn("main")])).await;
    reaches(rig, &*actuator, "c-unstopped", "main", Running).await;
    rig.pass(MOMENT).await;
    let (uid, cancel) = (uid_of("c-unstopped"), CancellationToken::new());
    let (stopped, ()) = tokio::join!(actuator.stop(&uid, GRACE_LONG, &cancel), async {
        rig.pass(MOMENT).await;
        cancel.cancel();
    });
    assert!(matches!(stopped, Err(ActuatorError::Cancelled)), "{stopped:?}");
    assert!(find(&*actuator, "c-unstopped").await.is_some(), "it is still told of");
    let now = CancellationToken::new();
    actuator.stop(&uid, Duration::ZERO, &now).await.expect("it is stopped the second time");
    assert_eq!(find(&*actuator, "c-unstopped").await, None);
}

pub(super) async fn a_cancelled_start_can_be_stopped(rig: &dyn Rig) {
    let actuator = rig.open().await;
    let cancel = CancellationToken::new();
    cancel.cancel();
    let pod = pod("c-unstarted", vec![rig.lasting("main")]);
    let error = actuator.start(&pod, &cancel).await.expect_err("it was cancelled");
    assert!(matches!(error, ActuatorError::Cancelled), "{error:?}");
    start(&*actuator, &pod).await;
    reaches(rig, &*actuator, "c-unstarted", "main", Running).await;
    stop(&*actuator, "c-unstarted").await;
    assert_eq!(find(&*actuator, "c-unstarted").await, None);
}
