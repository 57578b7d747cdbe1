//! What a container leaves to be read when it has ended.

use std::time::Duration;

use setpoint_schemas::ContainerState::{Running, Terminated};
use setpoint_schemas::{Container, ContainerObserved};

use super::Rig;
use super::tools::{pod, reaches, start, stop, uid_of};
use crate::{Actuator, message};

/// Longer than any clock's step: two lives are told apart by when they began.
const PAUSE: Duration = Duration::from_millis(20);
/// How often a case looks for the next life.
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(super) async fn the_last_message_of_a_life_is_read_and_of_that_life_alone(rig: &dyn Rig) {
    let actuator = rig.open().await;
    let container = rig.leaving("main", "because", 3);
    let pod = pod("c-says", vec![container.clone()]);
    start(&*actuator, &pod).await;
    let first = reaches(rig, &*actuator, "c-says", "main", Terminated).await;
    assert_eq!(told(&*actuator, "c-says", &container, &first).await, (3, "because".to_owned()));
    rig.pass(PAUSE).await;
    actuator.restart_container(&uid_of("c-says"), "main").await.expect("it restarts");
    let second = loop {
        let again = reaches(rig, &*actuator, "c-says", "main", Terminated).await;
        if again.started_ms > first.started_ms {
            break again;
        }
        rig.pass(LOOK_EVERY).await;
    };
    assert_eq!(told(&*actuator, "c-says", &container, &second).await, (3, "because".to_owned()));
    stop(&*actuator, "c-says").await;
}

pub(super) async fn who_failed_without_a_message_is_told_by_its_output_where_it_says_so(
    rig: &dyn Rig,
) {
    let actuator = rig.open().await;
    let falls_back = |container: Container| Container {
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        ..container
    };
    let containers = [
        (rig.writing("silent", &["one", "two"], 4), ""),
        (falls_back(rig.writing("failed", &["one", "two"], 4)), "one\ntwo\n"),
        (falls_back(rig.writing("well", &["one", "two"], 0)), ""),
        (falls_back(rig.leaving("said", "because", 4)), "because"),
    ];
    let all = containers.iter().map(|(container, _)| container.clone()).collect();
    start(&*actuator, &pod("c-falls", all)).await;
    for (container, expected) in &containers {
        let ended = reaches(rig, &*actuator, "c-falls", &container.name, Terminated).await;
        let (_, message) = told(&*actuator, "c-falls", container, &ended).await;
        assert_eq!(message, *expected, "{}", container.name);
    }
    stop(&*actuator, "c-falls").await;
    let lasting = pod("c-lasts", vec![rig.lasting("main")]);
    start(&*actuator, &lasting).await;
    reaches(rig, &*actuator, "c-lasts", "main", Running).await;
    let left = actuator.message(&uid_of("c-lasts"), "main").await.expect("it is asked in vain");
    assert_eq!(left, b"");
    stop(&*actuator, "c-lasts").await;
}

/// How a container ended, and what it said.
async fn told(
    actuator: &dyn Actuator,
    uid: &str,
    container: &Container,
    ended: &ContainerObserved,
) -> (i32, String) {
    let code = ended.exit_code.expect("it ended");
    let spec = setpoint_schemas::PodSpec {
        containers: vec![container.clone()],
        ..setpoint_schemas::PodSpec::default()
    };
    let said = message(actuator, (&uid_of(uid), &spec), container, code).await;
    (code, said.expect("it can be read"))
}
