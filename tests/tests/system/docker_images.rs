//! Images for the test's engines, made there and without a registry: the local test image with files of
//! their own, and a program that is run.

use bollard::models::{ContainerConfig, ContainerCreateBody, HostConfig};
use bollard::query_parameters::{
    CommitContainerOptionsBuilder, InspectContainerOptions, RemoveContainerOptionsBuilder,
    StartContainerOptions,
};
use setpoint_actuator_docker::testing::TEST_IMAGE;

use crate::docker_engines::Node;
use crate::house::LOOK_EVERY;

/// An image that a test makes.
pub(crate) struct Image {
    /// Its name with its tag.
    pub(crate) name: &'static str,
    /// What the shell does in the test image to furnish it.
    pub(crate) furnished: String,
    /// What it runs, by its path and arguments.
    pub(crate) runs: &'static [&'static str],
}

/// Makes these images on each of these nodes.
pub(crate) async fn make(nodes: &[Node], images: &[Image]) {
    let on_node = |node| async move {
        for image in images {
            make_on(node, image).await;
        }
    };
    futures::future::join_all(nodes.iter().map(on_node)).await;
}

async fn make_on(node: &Node, image: &Image) {
    let words = ["sh", "-ec", &image.furnished].map(str::to_owned);
    let body = ContainerCreateBody {
        image: Some(TEST_IMAGE.to_owned()),
        cmd: Some(words.to_vec()),
        host_config: Some(HostConfig {
            network_mode: Some("none".to_owned()),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let docker = &node.docker;
    let made = docker.create_container(None, body).await.expect("it is made");
    let started = docker.start_container(&made.id, None::<StartContainerOptions>).await;
    started.expect("it starts");
    let code = loop {
        let found = docker.inspect_container(&made.id, None::<InspectContainerOptions>).await;
        let state = found.expect("it is there").state.expect("a state");
        if state.running != Some(true) {
            break state.exit_code;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    assert_eq!(code, Some(0), "{} is furnished", image.name);
    let (repository, tag) = image.name.split_once(':').expect("a tag");
    let options = CommitContainerOptionsBuilder::new().container(&made.id);
    let options = options.repo(repository).tag(tag).build();
    let runs = image.runs.iter().map(|word| (*word).to_owned()).collect();
    let config = ContainerConfig { cmd: Some(runs), ..ContainerConfig::default() };
    docker.commit_container(options, config).await.expect("it is an image");
    let force = RemoveContainerOptionsBuilder::new().force(true).build();
    docker.remove_container(&made.id, Some(force)).await.expect("it is removed");
}
