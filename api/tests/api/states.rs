//! What is said of containers and of a pod's readiness, case by case, in Kubernetes' shapes.

use serde_json::{Value, json};
use setpoint_api::Change;
use setpoint_schemas::{ContainerEnd, ContainerObserved, ContainerState, PodObserved, PodPhase};

use crate::common::{Server, T0, furnish, observed, server};

const POD: &str = "/api/v1/namespaces/default/pods/web-1";
/// [`T0`] as a status has it.
const THEN: &str = "2023-11-14T22:13:20Z";
/// Ten seconds later.
const LATER: &str = "2023-11-14T22:13:30Z";

/// The pod as it is served after its node said this.
async fn shown(server: &Server, seen: PodObserved) -> Value {
    server.leader.commit(|_| vec![Change::Pod(seen.into())]);
    let (code, pod) = server.get(POD).await;
    assert_eq!(code, 200, "{pod}");
    pod
}

/// A container that was said to be so; one that ended did so ten seconds after its start.
fn container(
    state: ContainerState,
    exit_code: Option<i32>,
    words: (&str, &str),
) -> ContainerObserved {
    let mut container =
        observed("web-1", "n1", state == ContainerState::Running).containers.remove(0);
    container.state = state;
    container.exit_code = exit_code;
    (container.reason, container.message) = (words.0.to_owned(), words.1.to_owned());
    let has_run = state != ContainerState::Waiting || exit_code.is_some();
    container.started_ms = if has_run { T0 } else { 0 };
    container.finished_ms = if exit_code.is_some() { T0 + 10_000 } else { 0 };
    container
}

#[tokio::test]
async fn a_container_says_in_kubernetes_words_how_it_is_and_how_it_ended() {
    use ContainerState::{Running, Terminated, Waiting};
    let server = server().await;
    furnish(&server).await;
    let ended = |code: i64, reason: &str| {
        json!({"terminated": {"exitCode": code, "reason": reason, "startedAt": THEN,
            "finishedAt": LATER, "containerID": "process://42"}})
    };
    let waits = |reason: &str| json!({"waiting": {"reason": reason}});
    let why = "back-off 5m0s restarting failed container=main pod=web-1_default(web-1)";
    let loops = || json!({"waiting": {"reason": "CrashLoopBackOff", "message": why}});
    let table = [
        (Running, None, ("", ""), json!({"running": {"startedAt": THEN}}), json!({})),
        (Waiting, None, ("", ""), waits("ContainerCreating"), json!({})),
        (Waiting, None, ("PodInitializing", ""), waits("PodInitializing"), json!({})),
        (Waiting, None, ("ErrImagePull", ""), waits("ErrImagePull"), json!({})),
        (Waiting, None, ("ImagePullBackOff", ""), waits("ImagePullBackOff"), json!({})),
        (
            Waiting,
            None,
            ("CreateContainerConfigError", ""),
            waits("CreateContainerConfigError"),
            json!({}),
        ),
        (Waiting, Some(1), ("CrashLoopBackOff", why), loops(), ended(1, "Error")),
        (Waiting, Some(0), ("CrashLoopBackOff", why), loops(), ended(0, "Completed")),
        (Terminated, Some(0), ("", ""), ended(0, "Completed"), json!({})),
        (Terminated, Some(3), ("", ""), ended(3, "Error"), json!({})),
        (Terminated, Some(137), ("OOMKilled", ""), ended(137, "OOMKilled"), json!({})),
    ];
    for (number, (state, code, words, expected, last)) in (2_i64..).zip(table) {
        let containers = vec![container(state, code, words)];
        let ready = state == Running;
        let seen = PodObserved { sequence: number, containers, ..observed("web-1", "n1", ready) };
        let pod = shown(&server, seen).await;
        let status = &pod["status"]["containerStatuses"][0];
        assert_eq!((&status["state"], &status["lastState"]), (&expected, &last), "{words:?}");
    }
}

#[tokio::test]
async fn how_the_life_before_ended_is_told_while_the_next_one_runs() {
    let server = server().await;
    furnish(&server).await;
    let last = ContainerEnd {
        id: "41".to_owned(),
        exit_code: 137,
        reason: "OOMKilled".to_owned(),
        message: "it was too large".to_owned(),
        started_ms: T0 - 10_000,
        finished_ms: T0,
    };
    let ended = json!({"terminated": {"exitCode": 137, "reason": "OOMKilled",
        "message": "it was too large", "startedAt": "2023-11-14T22:13:10Z", "finishedAt": THEN,
        "containerID": "41"}});
    let states = [
        (ContainerState::Running, None, "running"),
        (ContainerState::Waiting, Some(137), "waiting"),
        (ContainerState::Terminated, Some(1), "terminated"),
    ];
    for (sequence, (state, code, word)) in (2_i64..).zip(states) {
        let container =
            ContainerObserved { last: Some(last.clone()), ..container(state, code, ("", "")) };
        let seen = PodObserved {
            sequence,
            containers: vec![container],
            ..observed("web-1", "n1", state == ContainerState::Running)
        };
        let pod = shown(&server, seen).await;
        let status = &pod["status"]["containerStatuses"][0];
        assert_eq!(status["lastState"], ended, "{state:?}");
        assert!(!status["state"][word].is_null(), "{status}");
    }
}

/// Each condition of a pod with its status and the time since when it is so.
fn conditions(pod: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = pod["status"]["conditions"].as_array().unwrap();
    let one = |c: &Value| {
        format!("{} {} {}", text(&c["type"]), text(&c["status"]), text(&c["lastTransitionTime"]))
    };
    list.iter().map(one).collect()
}

#[tokio::test]
async fn a_condition_says_since_when_it_is_so() {
    let server = server().await;
    furnish(&server).await;
    let said = |sequence: i64, after_ms: i64, ready: bool| PodObserved {
        sequence,
        time_ms: T0 + after_ms,
        ..observed("web-1", "n1", ready)
    };
    let with = |ready: &str, since: &str| {
        [
            format!("Initialized True {THEN}"),
            format!("Ready {ready} {since}"),
            format!("ContainersReady {ready} {since}"),
            format!("PodScheduled True {THEN}"),
            format!("PodReadyToStartContainers True {THEN}"),
        ]
    };
    let still = shown(&server, said(2, 5_000, true)).await;
    assert_eq!(conditions(&still), with("True", THEN), "it is ready all the time");
    let unready = shown(&server, said(3, 10_000, false)).await;
    assert_eq!(conditions(&unready), with("False", LATER));
    let still = shown(&server, said(4, 15_000, false)).await;
    assert_eq!(conditions(&still), with("False", LATER));
    let ended = PodObserved { phase: PodPhase::Succeeded, ..said(5, 20_000, false) };
    let ended = shown(&server, ended).await;
    assert_eq!(ended["status"]["conditions"][1]["reason"], "PodCompleted");
    assert_eq!(conditions(&ended)[4], format!("PodReadyToStartContainers False {THEN}"));
}
