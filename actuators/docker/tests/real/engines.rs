//! Three private engines side by side: apart from each other, lost, back again, gone without trace.

use crate::common::{LASTING, Node, pod, shell};
use setpoint_actuator_docker::testing::require;
use setpoint_actuators::Actuator;
use setpoint_schemas::ContainerState::{Running, Terminated};

#[tokio::test(flavor = "multi_thread")]
async fn three_engines_run_side_by_side_and_one_is_lost_and_returns() {
    if !require() {
        return;
    }
    let folders: Vec<_> = (0..3).map(|_| tempfile::tempdir().expect("a folder")).collect();
    let starts = folders.iter().map(|folder| Node::start(folder.path()));
    let mut nodes = futures::future::join_all(starts).await;
    let wanted = pod("side", &format!(r#"{{"containers": [{}]}}"#, shell("main", LASTING)));
    for node in &nodes {
        node.run(&wanted).await.expect("the same pod starts on each: they are apart");
        node.reaches("side", "main", Running).await;
    }

    nodes[0].engine.lose();
    assert!(nodes[0].actuator.observe().await.expect_err("it is lost").is_transient());
    for node in &nodes[1..] {
        node.reaches("side", "main", Running).await;
    }
    nodes[0].engine.restart().expect("it comes back");
    nodes[0].reaches("side", "main", Terminated).await;
    nodes[0].actuator.restart_container(&wanted.placement.uid, "main").await.expect("it restarts");
    nodes[0].reaches("side", "main", Running).await;

    nodes[1].engine.kill_daemon();
    assert!(nodes[1].actuator.observe().await.is_err());
    nodes[1].engine.restart().expect("it comes back");
    let pods = nodes[1].actuator.observe().await.expect("it answers");
    assert_eq!(pods.len(), 1, "the pod is found by its labels");

    drop(nodes);
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("a table");
    for folder in &folders {
        assert!(!folder.path().join("e").exists(), "its folder is gone");
        assert!(!mounts.contains(&folder.path().display().to_string()), "its mounts are gone");
    }
}
