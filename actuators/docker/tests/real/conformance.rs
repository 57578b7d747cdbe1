//! The contract's suite on a real engine, started here.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{
    CreateContainerOptions, InspectContainerOptions, KillContainerOptions,
    ListContainersOptionsBuilder, StartContainerOptions,
};
use futures::FutureExt;
use futures::future::BoxFuture;
use setpoint_actuator_docker::testing::{PrivateEngine, TEST_IMAGE, require};
use setpoint_actuator_docker::{DockerActuator, DockerConfig, Network};
use setpoint_actuators::Actuator;
use setpoint_actuators::conformance::{Rig, escapes, run, script_leaving, script_of};
use setpoint_schemas::{Container, FleetId, PodUid, Security, VolumeMount};
use tokio::sync::OnceCell;

struct Engine<'a> {
    host: String,
    folder: &'a Path,
    docker: Docker,
    foreign: OnceCell<String>,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_docker_actuator_keeps_the_contract() {
    if !require() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let engine = PrivateEngine::start(&folder.path().join("e")).expect("an engine");
    let docker = Docker::connect_with_unix(&engine.host(), 60, bollard::API_DEFAULT_VERSION);
    let docker = docker.expect("a socket").negotiate_version().await.expect("an answer");
    let rig =
        Engine { host: engine.host(), folder: folder.path(), docker, foreign: OnceCell::new() };
    run(&rig).await;
}

impl Engine<'_> {
    async fn actuator(&self, fleet: &str) -> Arc<dyn Actuator> {
        let fleet = FleetId::parse(fleet).expect("a fleet");
        let mut config = DockerConfig::new(&self.host, fleet, self.folder.join("state"));
        config.network = Network::None;
        config.secrets = self.folder.join("secrets");
        Arc::new(DockerActuator::connect(config).await.expect("the engine answers"))
    }
}

impl Rig for Engine<'_> {
    fn open(&self) -> BoxFuture<'_, Arc<dyn Actuator>> {
        self.actuator("conformance").boxed()
    }

    fn open_other_fleet(&self) -> BoxFuture<'_, Arc<dyn Actuator>> {
        self.actuator("another").boxed()
    }

    fn lasting(&self, name: &str) -> Container {
        shell(name, "trap 'exit 0' TERM; sleep 100000 & wait")
    }

    fn stubborn(&self, name: &str) -> Container {
        shell(name, "trap '' TERM; while true; do sleep 1; done")
    }

    fn ending(&self, name: &str, code: i32) -> Container {
        shell(name, &format!("exit {code}"))
    }

    fn escaping(&self, name: &str, word: &str) -> Container {
        shell(name, &escapes::script(word))
    }

    fn count<'a>(&'a self, word: &'a str) -> BoxFuture<'a, usize> {
        async { escapes::running(word) }.boxed()
    }

    fn reading(&self, name: &str, text: &str, code: i32) -> Option<Container> {
        let look = format!(r#"[ "$(cat /conf/key)" = {text} ]"#);
        let script = format!("until {look}; do sleep 0.1; done; exit {code}");
        let mount = VolumeMount {
            name: "conf".into(),
            mount_path: "/conf".into(),
            ..VolumeMount::default()
        };
        Some(Container { volume_mounts: vec![mount], ..shell(name, &script) })
    }

    fn marking(&self, name: &str, code: i32) -> Option<Container> {
        let script = format!("cd /scratch && if [ -e mark ]; then exit {code}; fi; echo x > mark");
        let mount = VolumeMount {
            name: "scratch".into(),
            mount_path: "/scratch".into(),
            ..VolumeMount::default()
        };
        Some(Container { volume_mounts: vec![mount], ..shell(name, &script) })
    }

    fn writing(&self, name: &str, lines: &[&str], code: i32) -> Container {
        shell(name, &script_of(lines, code))
    }

    /// Its own files cannot be written.
    fn leaving(&self, name: &str, text: &str, code: i32) -> Container {
        let read_only = Security { read_only_root_filesystem: Some(true), ..Security::default() };
        let script = script_leaving("/dev/termination-log", text, code);
        Container { security_context: Some(read_only), ..shell(name, &script) }
    }

    fn saying(&self, text: &str, code: i32) -> Vec<String> {
        shell("", &format!("echo {text}; exit {code}")).command
    }

    fn telling(&self, variable: &str) -> Vec<String> {
        shell("", &format!("echo ${variable}")).command
    }

    /// The shell stays, with a child: both must go.
    fn hanging(&self, word: &str) -> Vec<String> {
        shell("", &format!("sh -c 'while :; do sleep 1; done' {word}-child; :")).command
    }

    fn unstartable(&self, name: &str) -> Container {
        Container { command: vec!["/no/such/program".to_owned()], ..shell(name, "") }
    }

    fn kill<'a>(&'a self, uid: &'a PodUid, container: &'a str) -> BoxFuture<'a, ()> {
        async move {
            let labels = [
                format!("setpoint.dev/pod-uid={uid}"),
                format!("setpoint.dev/container={container}"),
            ];
            let filters = [("label".to_owned(), labels.to_vec())].into();
            let options = ListContainersOptionsBuilder::new().filters(&filters).build();
            let found = self.docker.list_containers(Some(options)).await.expect("a list");
            let id = found[0].id.as_deref().expect("an id");
            self.docker.kill_container(id, None::<KillContainerOptions>).await.expect("killed");
        }
        .boxed()
    }

    fn plant_foreign(&self) -> BoxFuture<'_, ()> {
        async {
            let host =
                HostConfig { network_mode: Some("none".to_owned()), ..HostConfig::default() };
            let body = ContainerCreateBody {
                image: Some(TEST_IMAGE.to_owned()),
                cmd: Some(vec!["sleep".to_owned(), "100000".to_owned()]),
                host_config: Some(host),
                ..ContainerCreateBody::default()
            };
            let made = self.docker.create_container(None::<CreateContainerOptions>, body).await;
            let id = made.expect("created").id;
            let started = self.docker.start_container(&id, None::<StartContainerOptions>).await;
            started.expect("started");
            self.foreign.set(id).expect("planted once");
        }
        .boxed()
    }

    fn foreign_lives(&self) -> BoxFuture<'_, bool> {
        async {
            let id = self.foreign.get().expect("planted");
            let seen = self.docker.inspect_container(id, None::<InspectContainerOptions>).await;
            let state = seen.expect("it is there").state.expect("a state");
            state.running == Some(true)
        }
        .boxed()
    }

    fn pass(&self, time: Duration) -> BoxFuture<'_, ()> {
        tokio::time::sleep(time).boxed()
    }
}

fn shell(name: &str, script: &str) -> Container {
    Container {
        name: name.to_owned(),
        image: Some(TEST_IMAGE.to_owned()),
        command: ["sh", "-c", script].map(str::to_owned).to_vec(),
        ..Container::default()
    }
}
