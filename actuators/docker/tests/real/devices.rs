//! Devices on an engine that has no driver for them: asked for rightly, refused clearly.

use std::sync::Arc;

use bollard::query_parameters::{InspectContainerOptions, ListContainersOptionsBuilder};
use setpoint_actuator_docker::testing::require;
use setpoint_schemas::ContainerState::{Running, Terminated};
use setpoint_schemas::TakenDevice;

use crate::common::{LASTING, Node, pod, shell};

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_asked_for_by_id_and_a_missing_driver_is_told() {
    if !require() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let node = Node::start(folder.path()).await;
    let containers = format!("{}, {}", shell("train", LASTING), shell("main", LASTING));
    let mut pod = pod("gpu", &format!(r#"{{"containers": [{containers}]}}"#));
    pod.placement.devices = Box::new([TakenDevice {
        container: Arc::from("train"),
        index: 0,
        id: Arc::from("GPU-5f0c"),
        milli: 1000,
    }]);
    let error = node.run(&pod).await.expect_err("no driver answers");
    assert_eq!((error.reason(), error.container()), ("RunContainerError", Some("train")));
    assert!(error.is_transient() && error.to_string().contains("device driver"), "{error}");

    // The engine has it as it was asked for.
    let labels = ["setpoint.dev/pod-uid=gpu", "setpoint.dev/container=train"].map(str::to_owned);
    let filters = [("label".to_owned(), labels.to_vec())].into();
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let found = node.docker.list_containers(Some(options)).await.expect("a list");
    let id = found[0].id.as_deref().expect("an id");
    let made = node.docker.inspect_container(id, None::<InspectContainerOptions>).await;
    let made = made.expect("it is there");
    let env = made.config.and_then(|config| config.env).unwrap_or_default();
    assert!(env.contains(&"NVIDIA_VISIBLE_DEVICES=GPU-5f0c".to_owned()), "{env:?}");
    let requests = made.host_config.and_then(|host| host.device_requests).expect("requests");
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].driver.as_deref(), Some("nvidia"));
    assert_eq!(requests[0].device_ids, Some(vec!["GPU-5f0c".to_owned()]));
    assert_eq!(requests[0].capabilities, Some(vec![vec!["gpu".to_owned()]]));

    node.reaches("gpu", "main", Running).await;
    let seen = node.actuator_sees("gpu", "train").await;
    assert!(seen.is_none_or(|state| state != Running && state != Terminated), "{seen:?}");
    node.stop(&pod).await;
}
