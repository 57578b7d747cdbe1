//! The check that an image brings along: the engine makes it where the spec says nothing else.

use std::sync::Arc;
use std::time::Duration;

use setpoint_actuator_docker::testing::{TEST_IMAGE_CHECKED, require};
use setpoint_actuators::{Actuator, PodToRun, UNHEALTHY};
use setpoint_schemas::ContainerState::Running;
use setpoint_schemas::{ContainerObserved, IMAGE_CHECK, IMAGE_CHECK_OFF};
use tokio_util::sync::CancellationToken;

use crate::common::{LASTING, Node, pod};

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// A check is made twice a second; after a minute something is broken.
const LOOKS_MAX: u32 = 300;

#[tokio::test(flavor = "multi_thread")]
async fn the_check_of_an_image_counts_unless_the_spec_says_otherwise() {
    if !require() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let node = Node::start(folder.path()).await;
    let plain = checked("plain", serde_json::Value::Null);
    node.run(&plain).await.expect("it starts");
    let first = node.reaches("plain", "main", Running).await;
    assert!(!first.ready, "nobody has asked yet: {first:?}");
    run(&node, &plain, &["touch", "/healthy"]).await;
    let healthy = until(&node, "plain", |seen| seen.ready).await;
    assert!(healthy.started && healthy.reason.is_empty(), "{healthy:?}");
    run(&node, &plain, &["rm", "/healthy"]).await;
    let unhealthy = until(&node, "plain", |seen| !seen.ready).await;
    assert_eq!(unhealthy.reason, UNHEALTHY);
    assert!(unhealthy.message.contains("/healthy"), "{}", unhealthy.message);
    node.stop(&plain).await;

    let probe = serde_json::json!({"exec": {"command": ["true"]}});
    let probed = checked("probed", probe);
    let mut off = checked("off", serde_json::Value::Null);
    let pattern = Arc::make_mut(&mut off.placement.pattern);
    pattern.annotations.insert(IMAGE_CHECK.to_owned(), IMAGE_CHECK_OFF.to_owned());
    for pod in [probed, off] {
        node.run(&pod).await.expect("it starts");
        let seen = node.reaches(&pod.placement.uid.text(), "main", Running).await;
        assert!(seen.ready && seen.started, "the engine makes no check: {seen:?}");
        node.stop(&pod).await;
    }
}

fn checked(uid: &str, probe: serde_json::Value) -> PodToRun {
    let container = serde_json::json!({"name": "main", "image": TEST_IMAGE_CHECKED,
        "command": ["sh", "-c", LASTING], "livenessProbe": probe});
    pod(uid, &serde_json::json!({"containers": [container]}).to_string())
}

async fn run(node: &Node, pod: &PodToRun, command: &[&str]) {
    let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
    let cancel = CancellationToken::new();
    let end = node.actuator.exec(&pod.placement.uid, "main", &command, &cancel).await;
    let end = end.expect("it ends");
    assert_eq!(end.exit_code, 0, "{}", String::from_utf8_lossy(&end.output));
}

async fn until(
    node: &Node,
    uid: &str,
    is_so: impl Fn(&ContainerObserved) -> bool,
) -> ContainerObserved {
    for _ in 0..LOOKS_MAX {
        let seen = node.reaches(uid, "main", Running).await;
        if is_so(&seen) {
            return seen;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    panic!("the check never says so");
}
