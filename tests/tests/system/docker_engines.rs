//! Real Docker Engines as a test's nodes, and what runs on them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bollard::Docker;
use bollard::models::{ContainerCreateBody, ContainerSummary, HostConfig};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, InspectContainerOptions, KillContainerOptions,
    ListContainersOptionsBuilder, RemoveContainerOptionsBuilder, StartContainerOptions,
};
use setpoint_actuator_docker::testing::{PrivateEngine, Surroundings, TEST_IMAGE};
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// An engine under load answers in seconds.
const ANSWER_SECONDS_MAX: u64 = 30;
/// How often all engines are looked at for what must never be.
const SIGHT_EVERY: Duration = Duration::from_millis(100);

pub(crate) const POD_UID: &str = "setpoint.dev/pod-uid";
pub(crate) const CONTAINER: &str = "setpoint.dev/container";
pub(crate) const FLEET: &str = "setpoint.dev/fleet";

/// The containers that run, by pod uid: names in the spec and ids.
pub(crate) type Running = BTreeMap<String, BTreeMap<String, String>>;

/// One node's engine.
pub(crate) struct Node {
    /// The node's name.
    pub(crate) name: String,
    pub(crate) engine: PrivateEngine,
    pub(crate) docker: Docker,
    _folder: TempDir,
}

/// The engines of several nodes: started at once, and ended at once, since each takes its seconds for both.
pub(crate) struct Nodes(Vec<Node>);

impl Nodes {
    /// Starts an engine for each of these nodes in its surroundings.
    pub(crate) async fn start(all: impl IntoIterator<Item = (String, Surroundings)>) -> Nodes {
        let start = |(name, surroundings): (String, Surroundings)| async move {
            Node::start_in(&name, surroundings).await
        };
        Nodes(futures::future::join_all(all.into_iter().map(start)).await)
    }
}

impl Deref for Nodes {
    type Target = [Node];

    fn deref(&self) -> &[Node] {
        &self.0
    }
}

impl DerefMut for Nodes {
    fn deref_mut(&mut self) -> &mut [Node] {
        &mut self.0
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        std::thread::scope(|scope| {
            for node in self.0.drain(..) {
                scope.spawn(move || drop(node));
            }
        });
    }
}

impl Node {
    /// Starts an engine of its own for this node.
    pub(crate) async fn start(name: &str) -> Node {
        Node::start_in(name, Surroundings::Alone).await
    }

    /// The same in these surroundings.
    pub(crate) async fn start_in(name: &str, surroundings: Surroundings) -> Node {
        // A short path: the engine's sockets lie below it.
        let folder = tempfile::Builder::new().prefix("e-").tempdir().expect("a folder");
        let path = folder.path().join("e");
        let start = move || PrivateEngine::start_in(&path, surroundings);
        let started = tokio::task::spawn_blocking(start).await.expect("it is waited for");
        let engine = started.expect("an engine");
        let version = bollard::API_DEFAULT_VERSION;
        let docker = Docker::connect_with_unix(&engine.host(), ANSWER_SECONDS_MAX, version);
        let docker = docker.expect("a socket").negotiate_version().await.expect("an answer");
        Node { name: name.to_owned(), engine, docker, _folder: folder }
    }

    /// What runs of this fleet.
    pub(crate) async fn running(&self, fleet: &str) -> Result<Running, String> {
        running(&self.docker, fleet).await
    }

    /// Starts a container that Setpoint knows nothing of; returns its id.
    pub(crate) async fn run_beside(&self, name: &str, labels: &[(&str, &str)]) -> String {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let host = HostConfig { network_mode: Some("none".to_owned()), ..HostConfig::default() };
        let body = ContainerCreateBody {
            image: Some(TEST_IMAGE.to_owned()),
            cmd: Some(vec!["sleep".to_owned(), "1000000".to_owned()]),
            labels: Some(labels.collect()),
            host_config: Some(host),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptionsBuilder::new().name(name).build();
        let made = self.docker.create_container(Some(options), body).await.expect("it is made");
        let started = self.docker.start_container(&made.id, None::<StartContainerOptions>).await;
        started.expect("it starts");
        made.id
    }

    /// When a container started last, and whether it runs.
    pub(crate) async fn started(&self, id: &str) -> (String, bool) {
        let found = self.docker.inspect_container(id, None::<InspectContainerOptions>).await;
        let state = found.expect("it is there").state.expect("a state");
        (state.started_at.unwrap_or_default(), state.running == Some(true))
    }

    /// Kills a container behind everybody's back.
    pub(crate) async fn kill(&self, id: &str) {
        let killed = self.docker.kill_container(id, None::<KillContainerOptions>).await;
        killed.expect("it is killed");
    }

    /// Removes a container behind everybody's back.
    pub(crate) async fn remove(&self, id: &str) {
        let force = RemoveContainerOptionsBuilder::new().force(true).build();
        self.docker.remove_container(id, Some(force)).await.expect("it is removed");
    }
}

/// Looks at all engines all the time: a pod's uid is never seen on two of them.
pub(crate) struct Sightings {
    seen: Arc<Mutex<BTreeMap<String, BTreeSet<String>>>>,
    task: JoinHandle<()>,
}

impl Sightings {
    /// Begins to look at these nodes.
    pub(crate) fn begin(nodes: &[Node], fleet: &str) -> Sightings {
        let seen: Arc<Mutex<BTreeMap<String, BTreeSet<String>>>> = Arc::default();
        let (notes, fleet) = (seen.clone(), fleet.to_owned());
        let nodes: Vec<(String, Docker)> =
            nodes.iter().map(|node| (node.name.clone(), node.docker.clone())).collect();
        let task = tokio::spawn(async move {
            loop {
                for (name, docker) in &nodes {
                    // An engine that is away shows nothing; what it showed before is noted.
                    for uid in running(docker, &fleet).await.unwrap_or_default().into_keys() {
                        let mut notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
                        notes.entry(uid).or_default().insert(name.clone());
                    }
                }
                tokio::time::sleep(SIGHT_EVERY).await;
            }
        });
        Sightings { seen, task }
    }

    /// Ends looking.
    ///
    /// # Panics
    /// When a uid ever ran on two nodes.
    pub(crate) fn end(self) -> usize {
        self.task.abort();
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let twice: Vec<_> = seen.iter().filter(|(_, nodes)| nodes.len() > 1).collect();
        assert!(twice.is_empty(), "pods that ran on two nodes: {twice:?}");
        seen.len()
    }
}

async fn running(docker: &Docker, fleet: &str) -> Result<Running, String> {
    let filters = [("label".to_owned(), vec![format!("{FLEET}={fleet}")])].into();
    let options = ListContainersOptionsBuilder::new().filters(&filters).build();
    let listed = docker.list_containers(Some(options)).await.map_err(|error| error.to_string())?;
    let mut running = Running::new();
    for container in listed {
        // One that only holds a network has no name in the spec.
        let Some((uid, name, id)) = named(container) else { continue };
        let former = running.entry(uid.clone()).or_default().insert(name.clone(), id);
        assert!(former.is_none(), "container {name} of {uid} runs twice");
    }
    Ok(running)
}

fn named(container: ContainerSummary) -> Option<(String, String, String)> {
    let labels = container.labels?;
    Some((labels.get(POD_UID)?.clone(), labels.get(CONTAINER)?.clone(), container.id?))
}
