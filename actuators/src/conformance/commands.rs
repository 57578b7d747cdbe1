//! Commands that are run in containers.

use std::time::Duration;

use setpoint_schemas::ContainerState::{Running, Terminated};
use tokio_util::sync::CancellationToken;

use super::Rig;
use super::tools::{pod, reaches, start, stop, uid_of};
use crate::ActuatorError;
use crate::actuator::OUTPUT_BYTES_MAX;

/// Long enough for a command to have begun.
const BEGINS_WITHIN: Duration = Duration::from_millis(500);
/// More than is kept of an output.
const MUCH: usize = 3 * OUTPUT_BYTES_MAX;
/// How often a killed process is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// A killed process is gone within moments; on a machine under load it takes seconds.
const GONE_WITHIN: Duration = Duration::from_secs(10);

pub(super) async fn a_command_tells_what_it_wrote_and_how_it_ended(rig: &dyn Rig) {
    let actuator = rig.open().await;
    start(&*actuator, &pod("c-says", vec![rig.lasting("main")])).await;
    reaches(rig, &*actuator, "c-says", "main", Running).await;
    let (uid, cancel) = (uid_of("c-says"), CancellationToken::new());
    for (text, code) in [("well", 0), ("badly", 3)] {
        let command = rig.saying(text, code);
        let end = actuator.exec(&uid, "main", &command, &cancel).await.expect("it ends");
        assert_eq!(end.exit_code, code, "{end:?}");
        assert_eq!(String::from_utf8_lossy(&end.output).trim_end(), text);
    }
    let command = rig.saying(&"x".repeat(MUCH), 0);
    let end = actuator.exec(&uid, "main", &command, &cancel).await.expect("it ends");
    assert_eq!((end.output.len(), end.exit_code), (OUTPUT_BYTES_MAX, 0));
    stop(&*actuator, "c-says").await;
}

pub(super) async fn a_command_has_the_environment_of_its_container(rig: &dyn Rig) {
    let actuator = rig.open().await;
    let mut pod = pod("c-variable", vec![rig.lasting("main"), rig.lasting("side")]);
    for (container, value) in [("main", "red"), ("side", "blue")] {
        pod.env.insert(container.to_owned(), vec![("COLOUR".to_owned(), value.to_owned())]);
    }
    start(&*actuator, &pod).await;
    for (container, value) in [("main", "red"), ("side", "blue")] {
        reaches(rig, &*actuator, "c-variable", container, Running).await;
        let (uid, cancel) = (uid_of("c-variable"), CancellationToken::new());
        let end = actuator.exec(&uid, container, &rig.telling("COLOUR"), &cancel).await;
        let end = end.expect("it ends");
        assert_eq!(String::from_utf8_lossy(&end.output).trim_end(), value, "{end:?}");
    }
    stop(&*actuator, "c-variable").await;
}

pub(super) async fn a_cancelled_command_is_killed(rig: &dyn Rig) {
    let actuator = rig.open().await;
    start(&*actuator, &pod("c-hangs", vec![rig.lasting("main")])).await;
    reaches(rig, &*actuator, "c-hangs", "main", Running).await;
    let (uid, cancel) = (uid_of("c-hangs"), CancellationToken::new());
    let command = rig.hanging("c-hanging-word");
    let late = async {
        rig.pass(BEGINS_WITHIN).await;
        cancel.cancel();
    };
    let (end, ()) = tokio::join!(actuator.exec(&uid, "main", &command, &cancel), late);
    assert!(matches!(end, Err(ActuatorError::Cancelled)), "{end:?}");
    let mut left = GONE_WITHIN;
    while super::escapes::running("c-hanging-word") > 0 {
        assert!(left > Duration::ZERO, "it still runs");
        rig.pass(LOOK_EVERY).await;
        left = left.saturating_sub(LOOK_EVERY);
    }
    reaches(rig, &*actuator, "c-hangs", "main", Running).await;
    stop(&*actuator, "c-hangs").await;
}

pub(super) async fn a_command_needs_a_container_that_runs(rig: &dyn Rig) {
    let actuator = rig.open().await;
    start(&*actuator, &pod("c-done", vec![rig.ending("main", 0)])).await;
    reaches(rig, &*actuator, "c-done", "main", Terminated).await;
    let (command, cancel) = (rig.saying("a", 0), CancellationToken::new());
    let table = [
        ("c-done", "main", "NotRunning", true),
        ("c-done", "other", "NotFound", false),
        ("c-never", "main", "NotFound", false),
    ];
    for (uid, container, reason, is_transient) in table {
        let error = actuator.exec(&uid_of(uid), container, &command, &cancel).await;
        let error = error.expect_err("nothing runs there");
        assert_eq!((error.reason(), error.is_transient()), (reason, is_transient), "{error}");
    }
    stop(&*actuator, "c-done").await;
}
