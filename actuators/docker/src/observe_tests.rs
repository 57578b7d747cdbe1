//! Golden cases: what the engine answers in, pods out.

use super::*;

fn container(uid: &str, name: &str, index: u32, state: &str) -> ContainerInspectResponse {
    let text = format!(
        r#"{{"Id": "id-{name}", "State": {state}, "Config": {{"Image": "i:1", "Labels": {{
            "setpoint.dev/pod-uid": "{uid}", "setpoint.dev/namespace": "shop",
            "setpoint.dev/name": "web-0", "setpoint.dev/generation": "2", "setpoint.dev/term": "5",
            "setpoint.dev/container": "{name}", "setpoint.dev/container-index": "{index}"}}}}}}"#
    );
    serde_json::from_str(&text).expect("an answer of the engine")
}

const RUNNING: &str = r#"{"Running": true, "StartedAt": "2026-01-01T00:00:01.5Z", "FinishedAt": "0001-01-01T00:00:00Z"}"#;
const ENDED: &str = r#"{"Running": false, "ExitCode": 7, "StartedAt": "2026-01-01T00:00:01Z", "FinishedAt": "2026-01-01T00:00:02Z"}"#;
const SECOND_ONE_MS: i64 = 1_767_225_601_000;

#[test]
fn containers_become_one_pod_in_the_order_of_its_spec() {
    let found = [container("u", "log", 1, ENDED), container("u", "web", 0, RUNNING)];
    let pods = pods_of(&found);
    assert_eq!(pods.len(), 1);
    let pod = &pods[0];
    assert_eq!((pod.generation, pod.term, pod.started_ms), (2, 5, SECOND_ONE_MS));
    let names: Vec<&str> = pod.containers.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["web", "log"]);
}

#[test]
fn every_state_of_the_engine_has_kubernetes_word() {
    use ContainerState::{Running, Terminated, Waiting};
    let started = r#""StartedAt": "2026-01-01T00:00:01Z", "FinishedAt": "2026-01-01T00:00:02Z""#;
    let never = r#""StartedAt": "0001-01-01T00:00:00Z", "FinishedAt": "0001-01-01T00:00:00Z""#;
    let table = [
        (format!(r#"{{"Running": true, {started}}}"#), Running, None, ""),
        (format!(r#"{{"Running": true, "Paused": true, {started}}}"#), Running, None, "Paused"),
        (format!(r#"{{"ExitCode": 0, {started}}}"#), Terminated, Some(0), "Completed"),
        (format!(r#"{{"ExitCode": 1, {started}}}"#), Terminated, Some(1), "Error"),
        (
            format!(r#"{{"ExitCode": 137, "OOMKilled": true, {started}}}"#),
            Terminated,
            Some(137),
            "OOMKilled",
        ),
        (format!(r#"{{"ExitCode": 0, {never}}}"#), Waiting, None, "ContainerCreating"),
        (
            format!(r#"{{"ExitCode": 127, "Error": "no", {never}}}"#),
            Waiting,
            None,
            "RunContainerError",
        ),
    ];
    for (text, state, code, reason) in table {
        let pods = pods_of(&[container("u", "web", 0, &text)]);
        let seen = &pods[0].containers[0];
        assert_eq!(
            (seen.state, seen.exit_code, seen.reason.as_str()),
            (state, code, reason),
            "{text}"
        );
        assert_eq!(seen.finished_ms > 0, state == Terminated, "{text}");
    }
}

#[test]
fn what_holds_the_network_is_no_container_of_the_pod_but_keeps_it_in_sight() {
    let mut sandbox = container("u", "POD", 0, RUNNING);
    let labels = sandbox.config.as_mut().and_then(|c| c.labels.as_mut()).expect("labels");
    labels.insert(SANDBOX.to_owned(), "true".to_owned());
    let pods = pods_of(&[sandbox]);
    assert_eq!(pods.len(), 1, "half of a pod is told of, so that it can be stopped");
    assert!(pods[0].containers.is_empty());
}

#[test]
fn broken_labels_are_not_ours() {
    let mut broken = container("u", "web", 0, RUNNING);
    let labels = broken.config.as_mut().and_then(|c| c.labels.as_mut()).expect("labels");
    labels.insert(labels::POD_UID.to_owned(), "no/uid".to_owned());
    assert_eq!(pods_of(&[broken]), []);
}

#[test]
fn what_ends_at_once_does_not_end_before_it_started() {
    let hasty = r#"{"ExitCode": 0, "StartedAt": "2026-01-01T00:00:01.002Z", "FinishedAt": "2026-01-01T00:00:01.001Z"}"#;
    let pods = pods_of(&[container("u", "web", 0, hasty)]);
    let seen = &pods[0].containers[0];
    assert_eq!((seen.started_ms, seen.finished_ms), (SECOND_ONE_MS + 2, SECOND_ONE_MS + 2));
}

#[test]
fn the_check_of_the_image_says_whether_it_has_started_and_is_ready() {
    let log = r#"[{"ExitCode": 1, "Output": "old"}, {"ExitCode": 1, "Output": " no \n"}, {"ExitCode": 0, "Output": "yes"}]"#;
    let table = [
        ("none", true, true, ("", "")),
        ("", true, true, ("", "")),
        ("starting", false, false, ("", "")),
        ("healthy", true, true, ("", "")),
        ("unhealthy", true, false, ("Unhealthy", "Health check of the image failed: no")),
    ];
    for (status, started, ready, said) in table {
        let health = format!(r#", "Health": {{"Status": "{status}", "Log": {log}}}}}"#);
        let text = RUNNING.replacen('}', &health, 1);
        let seen = &pods_of(&[container("u", "web", 0, &text)])[0].containers[0];
        assert_eq!((seen.started, seen.ready), (started, ready), "{status}");
        assert_eq!((seen.reason.as_str(), seen.message.as_str()), said, "{status}");
    }
}
