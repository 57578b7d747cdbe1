//! What only this runtime has: networks, files, limits, images. On a real engine, started here.

use crate::common::{LASTING, Node, pod, shell};
use bollard::query_parameters::{
    InspectContainerOptions, KillContainerOptions, ListContainersOptionsBuilder,
};
use futures::StreamExt;
use setpoint_actuator_docker::testing::{TEST_IMAGE_OF_NOBODY, require};
use setpoint_actuators::{Actuator, FileToMount, PodToRun};
use setpoint_schemas::ContainerState::{Running, Terminated};

#[tokio::test(flavor = "multi_thread")]
async fn pods_have_network_files_limits_and_images() {
    if !require() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let node = Node::start(folder.path()).await;
    containers_of_a_pod_reach_each_other_also_after_restarts(&node).await;
    files_and_environment_are_there_and_gone_with_the_pod(&node, folder.path()).await;
    files_can_be_read_by_the_containers_own_user(&node).await;
    who_takes_too_much_memory_is_killed_and_says_so(&node).await;
    an_image_that_cannot_be_pulled_is_a_status_with_backoff(&node).await;
    changes_are_hinted(&node).await;
}

async fn containers_of_a_pod_reach_each_other_also_after_restarts(node: &Node) {
    let server = shell("server", "httpd -f -p 127.0.0.1:8000 -h /bin");
    let client =
        shell("client", "until nc -w 1 127.0.0.1 8000 < /dev/null; do sleep 1; done; exit 4");
    let pod = pod("net", &format!(r#"{{"containers": [{server}, {client}]}}"#));
    node.run(&pod).await.expect("it starts");
    assert_eq!(node.reaches("net", "client", Terminated).await.exit_code, Some(4));
    // The first container of the spec ends: the others keep their network.
    kill(node, "net", "setpoint.dev/container=server").await;
    node.reaches("net", "server", Terminated).await;
    node.actuator.restart_container(&pod.placement.uid, "server").await.expect("it restarts");
    again(node, &pod).await;
    // Even what holds the network ends, as after a loss of power.
    let before = node.reaches("net", "server", Running).await;
    kill(node, "net", "setpoint.dev/sandbox=true").await;
    again(node, &pod).await;
    let after = node.reaches("net", "server", Running).await;
    assert!(after.started_ms > before.started_ms, "it came along to the new network");
    node.stop(&pod).await;
}

/// The client finds the server once more.
async fn again(node: &Node, pod: &PodToRun) {
    let before = node.reaches("net", "client", Terminated).await;
    node.actuator.restart_container(&pod.placement.uid, "client").await.expect("it restarts");
    loop {
        let seen = node.reaches("net", "client", Terminated).await;
        if seen.started_ms > before.started_ms {
            assert_eq!(seen.exit_code, Some(4));
            return;
        }
    }
}

async fn files_and_environment_are_there_and_gone_with_the_pod(
    node: &Node,
    folder: &std::path::Path,
) {
    let script = "test \"$GREETING\" = 'hello world' && test $(cat /conf/deep/a) = one \
                  && test $(stat -Lc %a /keys/key) = 400 && test $(cat /one) = two \
                  && ! echo x > /conf/new && test $(pwd) = /tmp && exit 9";
    let container = shell("main", script);
    let container = container.trim_end_matches('}');
    let spec = format!(
        r#"{{"volumes": [{{"name": "conf", "configMap": {{"name": "c"}}}},
                         {{"name": "keys", "secret": {{"secretName": "s"}}}}],
            "containers": [{container}, "workingDir": "/tmp", "volumeMounts": [
                {{"name": "conf", "mountPath": "/conf"}}, {{"name": "keys", "mountPath": "/keys"}},
                {{"name": "keys", "mountPath": "/one", "subPath": "key"}}]}}]}}"#
    );
    let mut pod = pod("files", &spec);
    let file =
        |path: &str, text: &str, mode| FileToMount { path: path.into(), bytes: text.into(), mode };
    pod.volumes.insert("conf".into(), vec![file("deep/a", "one", 0o644)]);
    pod.volumes.insert("keys".into(), vec![file("key", "two", 0o400)]);
    pod.env.insert("main".into(), vec![("GREETING".into(), "hello world".into())]);
    node.run(&pod).await.expect("it starts");
    assert_eq!(node.reaches("files", "main", Terminated).await.exit_code, Some(9));
    assert!(folder.join("secrets/files/keys/key").exists());
    assert!(!folder.join("state/volumes/files/keys").exists(), "no secret on a disk");
    node.stop(&pod).await;
    assert!(!folder.join("secrets/files").exists() && !folder.join("state/volumes/files").exists());
}

/// The folders above a volume are the agent's alone; what is mounted has the modes that were asked
/// for, whoever the image's user is.
async fn files_can_be_read_by_the_containers_own_user(node: &Node) {
    let script = "test $(id -u) = 65534 && test $(cat /conf/deep/a) = one \
                  && test $(cat /keys/key) = two && test $(cat /one) = two \
                  && ! cat /keys/private && exit 9";
    let spec = serde_json::json!({
        "volumes": [{"name": "conf", "configMap": {"name": "c"}},
                    {"name": "keys", "secret": {"secretName": "s"}}],
        "containers": [{
            "name": "main", "image": TEST_IMAGE_OF_NOBODY, "command": ["sh", "-c", script],
            "volumeMounts": [{"name": "conf", "mountPath": "/conf"},
                             {"name": "keys", "mountPath": "/keys"},
                             {"name": "keys", "mountPath": "/one", "subPath": "key"}],
        }],
    });
    let mut pod = pod("nobody", &spec.to_string());
    let file =
        |path: &str, text: &str, mode| FileToMount { path: path.into(), bytes: text.into(), mode };
    pod.volumes.insert("conf".into(), vec![file("deep/a", "one", 0o644)]);
    let keys = vec![file("key", "two", 0o644), file("private", "three", 0o400)];
    pod.volumes.insert("keys".into(), keys);
    node.run(&pod).await.expect("it starts");
    assert_eq!(node.reaches("nobody", "main", Terminated).await.exit_code, Some(9));
    node.stop(&pod).await;
}

async fn who_takes_too_much_memory_is_killed_and_says_so(node: &Node) {
    let greedy = shell("main", "x=$(cat /dev/zero | head -c 50000000 | tr '\\0' a); echo $x");
    let greedy = greedy.trim_end_matches('}');
    let limits = r#""resources": {"limits": {"memory": "8Mi", "cpu": "500m"}}"#;
    let pod = pod("greedy", &format!(r#"{{"containers": [{greedy}, {limits}}}]}}"#));
    node.run(&pod).await.expect("it starts");
    let ended = node.reaches("greedy", "main", Terminated).await;
    assert_eq!((ended.reason.as_str(), ended.exit_code), ("OOMKilled", Some(137)), "{ended:?}");
    let details = node.docker.inspect_container(&ended.id, None::<InspectContainerOptions>).await;
    let host = details.expect("it is there").host_config.expect("a host part");
    assert_eq!((host.memory, host.nano_cpus), (Some(8 << 20), Some(500_000_000)));
    node.stop(&pod).await;
}

async fn an_image_that_cannot_be_pulled_is_a_status_with_backoff(node: &Node) {
    let main = shell("main", LASTING);
    // Nothing listens there, so that no registry is asked.
    let broken = r#"{"name": "broken", "image": "127.0.0.1:9/no/such:1"}"#;
    let never = r#"{"name": "never", "image": "no/such:1", "imagePullPolicy": "Never"}"#;
    let of = |containers: &str| pod("pull", &format!(r#"{{"containers": [{containers}]}}"#));
    let wanted = of(&format!("{broken}, {main}"));
    for reason in ["ErrImagePull", "ImagePullBackOff"] {
        let error = node.run(&wanted).await.expect_err("it cannot be pulled");
        assert_eq!((error.reason(), error.container()), (reason, Some("broken")), "{error}");
        assert!(error.is_transient() && error.retry_after().is_some(), "{error:?}");
    }
    node.reaches("pull", "main", Running).await;
    node.stop(&wanted).await;
    let error = node.run(&of(never)).await.expect_err("it must not be pulled");
    assert_eq!(error.reason(), "ErrImageNeverPull");
    node.stop(&wanted).await;
}

async fn changes_are_hinted(node: &Node) {
    let pod = pod("hint", &format!(r#"{{"containers": [{}]}}"#, shell("main", LASTING)));
    let mut changes = node.actuator.changes();
    let hint = async { changes.next().await };
    let start = async {
        // A stream begins when it is first asked.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        node.run(&pod).await.expect("it starts");
    };
    let both = async { tokio::join!(hint, start) };
    let within = tokio::time::timeout(std::time::Duration::from_secs(30), both).await;
    assert_eq!(within.expect("a hint comes").0, Some(()));
    node.stop(&pod).await;
}

async fn kill(node: &Node, uid: &str, label: &str) {
    let labels = vec![format!("setpoint.dev/pod-uid={uid}"), label.to_owned()];
    let filters = [("label".to_owned(), labels)].into();
    let options = ListContainersOptionsBuilder::new().filters(&filters).build();
    let found = node.docker.list_containers(Some(options)).await.expect("a list");
    assert_eq!(found.len(), 1, "{label}");
    let id = found[0].id.as_deref().expect("an id");
    node.docker.kill_container(id, None::<KillContainerOptions>).await.expect("killed");
    let pause = std::time::Duration::from_millis(200);
    tokio::time::sleep(pause).await;
}
