//! Starting a pod, and starting one of its containers once more.
//!
//! Level-triggered: looks at what the engine has of the pod and adds what is missing.

use std::borrow::Cow;
use std::path::Path;

use bollard::Docker;
use bollard::models::{ContainerCreateBody, ContainerInspectResponse, Mount, MountType};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, InspectContainerOptions, RestartContainerOptions,
    StartContainerOptions,
};
use setpoint_actuators::{ActuatorError, Credentials, Observed, PodToRun, labels};
use setpoint_schemas::{Container, PodUid};

use crate::body::{NetworkOf, body_of};
use crate::engine::{error_of, is_conflict, unavailable};
use crate::image::Pulls;
use crate::names::{ORDERED, SANDBOX, container_name};
use crate::observe::{address, inspect, is_running, is_sandbox, labels_of, pods_of, was_started};
use crate::stop::{remove, stop_pod};
use crate::user::user_of;
use crate::{DockerConfig, memory, message, naming, sandbox, seccomp, volumes};

/// The word for the sandbox in container names; no container of a spec has a capital in its name.
const SANDBOX_NAME: &str = "POD";
/// The address of a pod that has no network.
const LOOPBACK: &str = "127.0.0.1";

/// What starting needs.
pub(crate) struct Starter<'a> {
    /// The engine.
    pub(crate) docker: &'a Docker,
    /// Fleet, network, folders.
    pub(crate) config: &'a DockerConfig,
    /// The pulls that failed.
    pub(crate) pulls: &'a Pulls,
    /// How many processors the engine has.
    pub(crate) cpus: i64,
}

impl Starter<'_> {
    /// Makes the pod run; see the contract.
    pub(crate) async fn start_pod(&self, pod: &PodToRun) -> Result<(), ActuatorError> {
        let uid = &pod.placement.uid;
        naming::check(pod)?;
        let mut existing = inspect(self.docker, &self.config.fleet, Some(uid)).await?;
        if let Some(runs) = pods_of(&existing).first() {
            fence(pod, runs)?;
            if runs.generation < pod.placement.generation {
                stop_pod(self.docker, self.config, uid, pod.grace()).await?;
                existing.clear();
            }
        }
        volumes::write(self.config, pod).map_err(|error| {
            ActuatorError::transient(
                "VolumeError",
                format!("failed to write volumes of {uid}: {error}"),
            )
        })?;
        memory::make(self.docker, &self.config.fleet, pod).await?;
        let ended = existing.iter().find(|c| is_sandbox(c) && !is_running(c) && is_ordered(c));
        if let Some(sandbox) = ended {
            return begin_anew(self.docker, sandbox, &existing).await;
        }
        let had = existing.len();
        let owner = self.ensure_network(pod, &mut existing).await?;
        if existing.len() < had && !pod.spec.init_containers.is_empty() {
            // What was removed may have to run again first: that is for who looks at it now.
            return Ok(());
        }
        let pod = &*self.told(pod, owner.as_deref()).await?;
        let network = match &owner {
            Some(id) => NetworkOf::Container(id),
            None if pod.spec.host_network == Some(true) => NetworkOf::Node,
            None => NetworkOf::Own,
        };
        self.start_missing(pod, &existing, network).await
    }

    /// The pod, told the address that its network has. Where there is none but the loopback, which
    /// its containers share, that is what they reach each other by.
    async fn told<'p>(
        &self,
        pod: &'p PodToRun,
        owner: Option<&str>,
    ) -> Result<Cow<'p, PodToRun>, ActuatorError> {
        let Some(owner) = owner.filter(|_| pod.wants_address()) else {
            return Ok(Cow::Borrowed(pod));
        };
        let found = self.docker.inspect_container(owner, None::<InspectContainerOptions>).await;
        let found = found.map_err(unavailable("look at the network of a pod"))?;
        let address = address(&found).unwrap_or_else(|| LOOPBACK.to_owned());
        Ok(Cow::Owned(pod.located(&address)))
    }

    async fn start_missing(
        &self,
        pod: &PodToRun,
        existing: &[ContainerInspectResponse],
        network: NetworkOf<'_>,
    ) -> Result<(), ActuatorError> {
        let mut first_error = None;
        for (index, container) in pod.spec.every_container().enumerate() {
            if pod.held.contains(&container.name) {
                continue;
            }
            let started = match named(existing, &container.name) {
                Some(found) if is_running(found) || was_started(found) => Ok(()),
                Some(found) => self.start_created(found).await,
                None => self.create_and_start(pod, (index, container), network).await,
            };
            if let Err(error) = started {
                first_error.get_or_insert(error.of_container(&container.name));
            }
        }
        first_error.map_or(Ok(()), Err)
    }

    async fn create_and_start(
        &self,
        pod: &PodToRun,
        (index, container): (usize, &Container),
        network: NetworkOf<'_>,
    ) -> Result<(), ActuatorError> {
        self.pulls.ensure(self.docker, container, &pod.credentials).await?;
        let mut body = body_of(self.config, pod, index, network, self.cpus)?;
        body.user = user_of(self.docker, pod, container).await?;
        if let Some(profile) = seccomp::option(self.config, pod, container)? {
            let host = body.host_config.get_or_insert_default();
            host.security_opt.get_or_insert_default().push(profile);
        }
        let name = container_name(&self.config.fleet, pod, &container.name);
        let id = match message::make(self.config, pod, container)? {
            Some(mount) => self.create_with(&name, body, container, mount).await?,
            None => self.create(&name, body).await?,
        };
        start(self.docker, &id).await
    }

    /// With the file for its last message, or without where it does not need one and the engine does not see it.
    async fn create_with(
        &self,
        name: &str,
        body: ContainerCreateBody,
        container: &Container,
        mount: Mount,
    ) -> Result<String, ActuatorError> {
        let mut with = body.clone();
        let host = with.host_config.get_or_insert_default();
        host.mounts.get_or_insert_default().push(mount.clone());
        match self.create(name, with).await {
            Err(error) if message::is_dispensable(container, &mount, &error.to_string()) => {
                self.create(name, body).await
            }
            created => created,
        }
    }

    async fn create(&self, name: &str, body: ContainerCreateBody) -> Result<String, ActuatorError> {
        let options = CreateContainerOptionsBuilder::new().name(name).build();
        let attempt = format!("create container {name}");
        match self.docker.create_container(Some(options), body).await {
            Ok(created) => Ok(created.id),
            Err(error) if is_conflict(&error) => Err(error_of(&attempt, "NameConflict", &error)),
            Err(error) => Err(error_of(&attempt, "CreateContainerConfigError", &error)),
        }
    }

    async fn start_created(&self, found: &ContainerInspectResponse) -> Result<(), ActuatorError> {
        intact(self.config, found)?;
        start(self.docker, found.id.as_deref().unwrap_or_default()).await
    }

    /// Makes sure that what holds the network of a pod of several containers runs, and returns its
    /// id; `None` when none is needed. Containers in the network of one that is gone are of no use
    /// and are removed.
    async fn ensure_network(
        &self,
        pod: &PodToRun,
        existing: &mut Vec<ContainerInspectResponse>,
    ) -> Result<Option<String>, ActuatorError> {
        if !sandbox::is_needed(pod) {
            return Ok(None);
        }
        let found = existing.iter().find(|container| is_sandbox(container)).cloned();
        let id = match found {
            Some(sandbox) => {
                revive(self.docker, &sandbox, existing).await?;
                sandbox.id.unwrap_or_default()
            }
            None => self.create_sandbox(pod).await?,
        };
        let joined =
            |c: &ContainerInspectResponse| is_sandbox(c) || owner_of(c) == Some(id.as_str());
        for stray in existing.iter().filter(|container| !joined(container)) {
            remove(self.docker, stray.id.as_deref().unwrap_or_default()).await?;
        }
        existing.retain(joined);
        Ok(Some(id))
    }

    async fn create_sandbox(&self, pod: &PodToRun) -> Result<String, ActuatorError> {
        let image = match &self.config.sandbox_image {
            Some(image) => {
                let wanted = Container { image: Some(image.clone()), ..Container::default() };
                self.pulls.ensure(self.docker, &wanted, &Credentials::default()).await?
            }
            None => sandbox::ensure_image(self.docker).await?,
        };
        let name = container_name(&self.config.fleet, pod, SANDBOX_NAME);
        let id = self.create(&name, sandbox::body(self.config, pod, image)).await?;
        start(self.docker, &id).await?;
        Ok(id)
    }
}

/// Starts a container that has ended once more; see the contract.
pub(crate) async fn restart_container(
    docker: &Docker,
    config: &DockerConfig,
    uid: &PodUid,
    name: &str,
) -> Result<(), ActuatorError> {
    let pod = inspect(docker, &config.fleet, Some(uid)).await?;
    let Some(container) = named(&pod, name) else {
        let message = format!("pod {uid} has no container {name}");
        return Err(ActuatorError::permanent("NotFound", message).of_container(name));
    };
    if is_running(container) {
        return Ok(());
    }
    let id = container.id.as_deref().unwrap_or_default();
    let owner = owner_of(container);
    let sandbox = pod.iter().find(|c| owner.is_some() && c.id.as_deref() == owner);
    if is_lost(config, container) || (owner.is_some() && sandbox.is_none()) {
        // Without the container the pod is not whole, and is started: then all is made that it needs.
        remove(docker, id).await?;
        let message = "what it had mounted or its network is gone; it is made anew";
        return Err(ActuatorError::transient("SandboxChanged", message).of_container(name));
    }
    intact(config, container).map_err(|error| error.of_container(name))?;
    if let Some(sandbox) = sandbox {
        if !is_running(sandbox) && is_ordered(sandbox) {
            return begin_anew(docker, sandbox, &pod).await;
        }
        revive(docker, sandbox, &pod).await?;
    }
    message::begin(config, uid, name)?;
    start(docker, id).await.map_err(|error| error.of_container(name))
}

/// What holds the network has ended, as when the machine was started anew, and so has all that the
/// containers share: those that come first are to run first again. Nothing of the pod is left but what
/// holds its network, so that the next look starts it from its beginning.
async fn begin_anew(
    docker: &Docker,
    sandbox: &ContainerInspectResponse,
    pod: &[ContainerInspectResponse],
) -> Result<(), ActuatorError> {
    for container in pod.iter().filter(|container| !is_sandbox(container)) {
        remove(docker, container.id.as_deref().unwrap_or_default()).await?;
    }
    start(docker, sandbox.id.as_deref().unwrap_or_default()).await
}

/// Whether some containers of the pod of this sandbox come before others.
fn is_ordered(sandbox: &ContainerInspectResponse) -> bool {
    labels_of(sandbox).get(SANDBOX).is_some_and(|kind| kind == ORDERED)
}

/// Starts what holds the network if it has ended. What ran in its former network is restarted: it
/// would be cut off from the others.
async fn revive(
    docker: &Docker,
    sandbox: &ContainerInspectResponse,
    pod: &[ContainerInspectResponse],
) -> Result<(), ActuatorError> {
    if is_running(sandbox) {
        return Ok(());
    }
    start(docker, sandbox.id.as_deref().unwrap_or_default()).await?;
    for cut_off in pod.iter().filter(|container| !is_sandbox(container) && is_running(container)) {
        let id = cut_off.id.as_deref().unwrap_or_default();
        let again = docker.restart_container(id, None::<RestartContainerOptions>).await;
        again.map_err(unavailable("restart a container in its new network"))?;
    }
    Ok(())
}

/// Whether something that was made for a container is gone.
fn is_lost(config: &DockerConfig, container: &ContainerInspectResponse) -> bool {
    bound(container).any(|source| volumes::is_lost(config, source))
}

/// What a container has mounted of the machine.
fn bound(container: &ContainerInspectResponse) -> impl Iterator<Item = &Path> {
    let mounts = container.host_config.iter().flat_map(|host| host.mounts.iter().flatten());
    let bound = mounts.filter(|mount| mount.typ == Some(MountType::BIND));
    bound.filter_map(|mount| mount.source.as_deref()).map(Path::new)
}

/// Whether all that a container has mounted is what it was when it was made: the engine looks its
/// paths up anew, and one of them may lie where containers write.
fn intact(
    config: &DockerConfig,
    container: &ContainerInspectResponse,
) -> Result<(), ActuatorError> {
    match bound(container).find(|source| !volumes::holds(config, source)) {
        None => Ok(()),
        Some(source) => {
            let source = source.display();
            let message = format!("{source} has become a link since it was mounted");
            Err(ActuatorError::permanent("VolumeError", message))
        }
    }
}

async fn start(docker: &Docker, id: &str) -> Result<(), ActuatorError> {
    let started = docker.start_container(id, None::<StartContainerOptions>).await;
    started.map_err(|error| error_of("start a container", "RunContainerError", &error))
}

/// What is older never replaces what is newer.
fn fence(pod: &PodToRun, runs: &Observed) -> Result<(), ActuatorError> {
    let asked = &pod.placement;
    if runs.generation <= asked.generation && runs.term <= asked.term {
        return Ok(());
    }
    Err(ActuatorError::Fenced {
        uid: asked.uid.clone(),
        generation: asked.generation,
        term: asked.term,
        generation_running: runs.generation,
        term_running: runs.term,
    })
}

/// The container of this name.
pub(crate) fn named<'a>(
    pod: &'a [ContainerInspectResponse],
    name: &str,
) -> Option<&'a ContainerInspectResponse> {
    let is = |c: &&ContainerInspectResponse| {
        labels_of(c).get(labels::CONTAINER).is_some_and(|label| label == name)
    };
    pod.iter().find(is)
}

/// The id of the container whose network this one has joined.
fn owner_of(container: &ContainerInspectResponse) -> Option<&str> {
    container.host_config.as_ref()?.network_mode.as_ref()?.strip_prefix("container:")
}
