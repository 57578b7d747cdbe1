//! A node for the tests: a private engine, an actuator on it, and pods made from JSON.
use std::path::Path;
use std::time::Duration;

use bollard::Docker;
use setpoint_actuator_docker::testing::PrivateEngine;
use setpoint_actuator_docker::{DockerActuator, DockerConfig, Network};
use setpoint_actuators::{Actuator, ActuatorError, PodToRun};
use setpoint_schemas::{ContainerObserved, ContainerState, FleetId, samples};
use tokio_util::sync::CancellationToken;

/// How often a test looks again.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A machine under load takes long; after a minute something is broken.
const LOOKS_MAX: u32 = 600;

/// One engine and what a test does with it.
pub(crate) struct Node {
    pub(crate) engine: PrivateEngine,
    pub(crate) docker: Docker,
    pub(crate) actuator: DockerActuator,
}

impl Node {
    pub(crate) async fn start(folder: &Path) -> Node {
        let engine = PrivateEngine::start(&folder.join("e")).expect("an engine");
        let docker = Docker::connect_with_unix(&engine.host(), 60, bollard::API_DEFAULT_VERSION);
        let docker = docker.expect("a socket").negotiate_version().await.expect("an answer");
        let fleet = FleetId::parse("tests").expect("a fleet");
        let mut config = DockerConfig::new(&engine.host(), fleet, folder.join("state"));
        config.network = Network::None;
        config.secrets = folder.join("secrets");
        let actuator = DockerActuator::connect(config).await.expect("the engine answers");
        Node { engine, docker, actuator }
    }

    pub(crate) async fn run(&self, pod: &PodToRun) -> Result<(), ActuatorError> {
        self.actuator.start(pod, &CancellationToken::new()).await
    }

    pub(crate) async fn stop(&self, pod: &PodToRun) {
        let cancel = CancellationToken::new();
        let stopped = self.actuator.stop(&pod.placement.uid, Duration::ZERO, &cancel).await;
        stopped.expect("it stops");
    }

    /// How the engine has this container now.
    pub(crate) async fn actuator_sees(&self, uid: &str, name: &str) -> Option<ContainerState> {
        let pods = self.actuator.observe().await.expect("the engine answers");
        let pod = pods.into_iter().find(|pod| pod.uid == *uid)?;
        pod.containers.into_iter().find(|c| c.name == name).map(|c| c.state)
    }

    /// The container when it has come to this state.
    pub(crate) async fn reaches(
        &self,
        uid: &str,
        name: &str,
        state: ContainerState,
    ) -> ContainerObserved {
        for _ in 0..LOOKS_MAX {
            let pods = self.actuator.observe().await.expect("the engine answers");
            let pod = pods.into_iter().find(|pod| pod.uid == *uid);
            let containers = pod.map(|pod| pod.containers).unwrap_or_default();
            match containers.into_iter().find(|c| c.name == name && c.state == state) {
                Some(container) => return container,
                None => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
        panic!("container {name} of {uid} never becomes {state:?}");
    }
}

/// A pod of this uid and spec, without environment and files.
pub(crate) fn pod(uid: &str, spec: &str) -> PodToRun {
    let placement = samples::placement_of(uid, spec);
    let spec = serde_json::from_str(spec).expect("a pod spec");
    PodToRun::bare(placement, spec)
}

/// A container in JSON that runs a script in the test image.
pub(crate) fn shell(name: &str, script: &str) -> String {
    let image = setpoint_actuator_docker::testing::TEST_IMAGE;
    serde_json::json!({"name": name, "image": image, "command": ["sh", "-c", script]}).to_string()
}

/// A script that lasts until it is asked to end.
pub(crate) const LASTING: &str = "trap 'exit 0' TERM; sleep 100000 & wait";
