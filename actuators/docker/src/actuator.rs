//! The contract, on a Docker Engine.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::models::SystemInfo;
use bollard::query_parameters::EventsOptionsBuilder;
use bollard::{API_DEFAULT_VERSION, Docker};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use setpoint_actuators::session::{Lines, Session};
use setpoint_actuators::{
    Act, Actuator, ActuatorError, Changes, ExecEnd, Observed, Parts, PodToRun, RuntimeInfo, Stored,
    Usage,
};
use setpoint_schemas::call::{ExecOptions, LogOptions};
use setpoint_schemas::{PodUid, Resources};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use xxhash_rust::xxh3::xxh3_128;

use crate::engine::unavailable;
use crate::exec::{end_container, exec};
use crate::image::Pulls;
use crate::names::filter;
use crate::start::{Starter, restart_container};
use crate::stop::stop_pod;
use crate::{DockerConfig, logs, message, observe, session, stored, usage, volumes};

/// An engine under load starts a container in seconds; one that takes longer hangs.
const ANSWER_SECONDS_MAX: u64 = 120;
/// The kubelet's default.
const PODS_MAX: i64 = 110;
/// The runtime's name in a node's record.
const RUNTIME: &str = "docker";

/// Pods on a Docker Engine.
#[derive(Debug)]
pub struct DockerActuator {
    docker: Docker,
    config: DockerConfig,
    pulls: Pulls,
    cpus: OnceCell<i64>,
}

impl DockerActuator {
    /// Connects to the engine and agrees with it on a version of its API.
    ///
    /// # Errors
    /// Transient when the engine does not answer.
    pub async fn connect(config: DockerConfig) -> Result<Self, ActuatorError> {
        let docker = connect(&config.host)?;
        let docker = docker.negotiate_version().await.map_err(unavailable("reach the engine"))?;
        Ok(DockerActuator { docker, config, pulls: Pulls::default(), cpus: OnceCell::new() })
    }

    async fn start_pod(&self, pod: &PodToRun) -> Result<(), ActuatorError> {
        let cpus = self.cpus.get_or_try_init(|| async {
            let info =
                self.docker.info().await.map_err(unavailable("ask the engine about itself"))?;
            Ok(info.ncpu.unwrap_or(i64::MAX))
        });
        let cpus = *cpus.await?;
        let (docker, config, pulls) = (&self.docker, &self.config, &self.pulls);
        Starter { docker, config, pulls, cpus }.start_pod(pod).await
    }

    async fn describe_engine(&self) -> Result<RuntimeInfo, ActuatorError> {
        let info = self.docker.info().await.map_err(unavailable("ask the engine about itself"))?;
        let capacity = Resources {
            cpu_milli: info.ncpu.unwrap_or(0).saturating_mul(1_000),
            memory_bytes: info.mem_total.unwrap_or(0),
            ephemeral_bytes: info
                .docker_root_dir
                .as_ref()
                .map_or(0, |folder| disk_bytes(Path::new(folder))),
            pods: PODS_MAX,
            ..Resources::default()
        };
        let id = identity(&info);
        let version = info.server_version.unwrap_or_default();
        Ok(RuntimeInfo { runtime: RUNTIME.to_owned(), version, id, capacity })
    }
}

impl Actuator for DockerActuator {
    fn describe(&self) -> Act<'_, RuntimeInfo> {
        self.describe_engine().boxed()
    }

    fn observe(&self) -> Act<'_, Vec<Observed>> {
        async {
            let containers = observe::inspect(&self.docker, &self.config.fleet, None).await?;
            Ok(observe::pods_of(&containers))
        }
        .boxed()
    }

    fn address<'a>(&'a self, uid: &'a PodUid) -> Act<'a, String> {
        async move {
            let containers = observe::inspect(&self.docker, &self.config.fleet, Some(uid)).await?;
            let pod = observe::pods_of(&containers).pop();
            pod.map(|pod| pod.address).ok_or_else(|| {
                ActuatorError::permanent("NotFound", format!("pod {uid} is not on this node"))
            })
        }
        .boxed()
    }

    fn start<'a>(&'a self, pod: &'a PodToRun, cancel: &'a CancellationToken) -> Act<'a, ()> {
        unless_cancelled(cancel, self.start_pod(pod).boxed())
    }

    fn stop<'a>(
        &'a self,
        uid: &'a PodUid,
        grace: Duration,
        cancel: &'a CancellationToken,
    ) -> Act<'a, ()> {
        unless_cancelled(cancel, stop_pod(&self.docker, &self.config, uid, grace).boxed())
    }

    fn refresh<'a>(&'a self, pod: &'a PodToRun) -> Act<'a, ()> {
        let written = volumes::refresh(&self.config, pod).map_err(|error| {
            let uid = &pod.placement.uid;
            let message = format!("failed to refresh the volumes of {uid}: {error}");
            ActuatorError::transient("VolumeError", message)
        });
        std::future::ready(written).boxed()
    }

    fn restart_container<'a>(&'a self, uid: &'a PodUid, container: &'a str) -> Act<'a, ()> {
        restart_container(&self.docker, &self.config, uid, container).boxed()
    }

    fn end_container<'a>(
        &'a self,
        uid: &'a PodUid,
        container: &'a str,
        grace: Duration,
        cancel: &'a CancellationToken,
    ) -> Act<'a, ()> {
        let end = end_container(&self.docker, &self.config, (uid, container), grace);
        unless_cancelled(cancel, end.boxed())
    }

    fn exec<'a>(
        &'a self,
        uid: &'a PodUid,
        container: &'a str,
        command: &'a [String],
        cancel: &'a CancellationToken,
    ) -> Act<'a, ExecEnd> {
        exec(&self.docker, &self.config, (uid, container), command, cancel).boxed()
    }

    fn usage(&self) -> Act<'_, Vec<Usage>> {
        usage::usage(&self.docker, &self.config.fleet).boxed()
    }

    fn logs<'a>(
        &'a self,
        uid: &'a PodUid,
        container: &'a str,
        options: &'a LogOptions,
    ) -> Act<'a, Lines> {
        logs::lines(&self.docker, &self.config, (uid, container), options).boxed()
    }

    fn message<'a>(&'a self, uid: &'a PodUid, container: &'a str) -> Act<'a, Vec<u8>> {
        std::future::ready(message::read(&self.config, uid, container)).boxed()
    }

    fn session<'a>(
        &'a self,
        uid: &'a PodUid,
        container: &'a str,
        command: &'a ExecOptions,
    ) -> Act<'a, Session> {
        session::open(&self.docker, &self.config, (uid, container), command).boxed()
    }

    fn stored<'a>(&'a self, uid: &'a PodUid, parts: &'a Parts) -> Act<'a, Stored> {
        stored::stored(&self.docker, &self.config, uid, parts).boxed()
    }

    fn folders(&self) -> Vec<PathBuf> {
        vec![self.config.files.clone(), self.config.secrets.clone()]
    }

    fn changes(&self) -> Changes {
        let mut wanted = filter(&self.config.fleet, None);
        wanted.insert("type".to_owned(), vec!["container".to_owned()]);
        let options = EventsOptionsBuilder::new().filters(&wanted).build();
        let events = self.docker.events(Some(options));
        // An error ends the stream: whoever asks again gets a new one.
        events.take_while(|event| std::future::ready(event.is_ok())).map(|_| ()).boxed()
    }
}

/// Runs the call until the token is cancelled. What the engine was asked for by then it still does:
/// containers carry their labels from the first moment, so that nothing is lost from sight.
fn unless_cancelled<'a>(
    cancel: &'a CancellationToken,
    call: BoxFuture<'a, Result<(), ActuatorError>>,
) -> Act<'a, ()> {
    async move {
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(ActuatorError::Cancelled),
            done = call => done,
        }
    }
    .boxed()
}

fn connect(host: &str) -> Result<Docker, ActuatorError> {
    let docker = match host.strip_prefix("tcp://") {
        Some(_) => Docker::connect_with_http(host, ANSWER_SECONDS_MAX, API_DEFAULT_VERSION),
        None => Docker::connect_with_unix(host, ANSWER_SECONDS_MAX, API_DEFAULT_VERSION),
    };
    docker.map_err(unavailable("connect to the engine"))
}

/// Tells engines apart. What an engine calls its id is not enough: up to version 23 it is the machine's,
/// in `/etc/docker/key.json`, so engines side by side and copies of a machine have the same one.
fn identity(info: &SystemInfo) -> String {
    let Some(id) = info.id.as_ref().filter(|id| !id.is_empty()) else { return String::new() };
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    let parts = [id.clone(), part(&info.docker_root_dir), part(&info.name)];
    format!("{:032x}", xxh3_128(parts.join("\0").as_bytes()))
}

/// The size of the disk below a folder; 0 when the engine is on another machine.
fn disk_bytes(folder: &Path) -> i64 {
    let Ok(disk) = nix::sys::statvfs::statvfs(folder) else { return 0 };
    let bytes = disk.blocks().saturating_mul(disk.fragment_size());
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_of_one_machine_or_of_its_copies_are_told_apart() {
        let of = |id: &str, root: &str, name: &str| {
            let text = |text: &str| Some(text.to_owned());
            let (id, docker_root_dir, name) = (text(id), text(root), text(name));
            identity(&SystemInfo { id, docker_root_dir, name, ..SystemInfo::default() })
        };
        let one = of("7TRN:IPZB", "/var/lib/docker", "a");
        assert_eq!(one, of("7TRN:IPZB", "/var/lib/docker", "a"));
        assert_ne!(one, of("7TRN:IPZB", "/srv/docker", "a"));
        assert_ne!(one, of("7TRN:IPZB", "/var/lib/docker", "b"));
        assert_ne!(one, of("8TRN:IPZB", "/var/lib/docker", "a"));
        assert_eq!(of("", "/var/lib/docker", "a"), "", "who cannot say is not told apart");
    }
}
