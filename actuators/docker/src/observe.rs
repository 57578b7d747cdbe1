//! What the engine has of our fleet, as pods.

use std::collections::{BTreeMap, HashMap};

use bollard::Docker;
use bollard::models::{
    ContainerInspectResponse, ContainerState as EngineState, ContainerSummary, HealthStatusEnum,
};
use bollard::query_parameters::{InspectContainerOptions, ListContainersOptionsBuilder};
use futures::stream::{self, StreamExt, TryStreamExt};
use setpoint_actuators::{ActuatorError, Observed, UNHEALTHY, labels};
use setpoint_schemas::{
    ContainerObserved, ContainerState, FleetId, Namespace, PodUid, ResourceName,
};

use crate::engine::{is_absent, unavailable};
use crate::names::{INDEX, SANDBOX, filter, number};

/// Enough to hide the engine's latency; more only queues inside it.
pub(crate) const CALLS_AT_ONCE: usize = 8;
/// What of a failed check's output is told: enough for a sentence.
const OUTPUT_CHARS_MAX: usize = 512;
/// Before what a check of the image said.
const CHECK_FAILED: &str = "Health check of the image failed: ";
/// What Docker writes for a time that has not come.
const NEVER: &str = "0001-01-01";

/// Our containers as the engine lists them, of all pods or of one.
pub(crate) async fn list(
    docker: &Docker,
    fleet: &FleetId,
    uid: Option<&PodUid>,
) -> Result<Vec<ContainerSummary>, ActuatorError> {
    let options =
        ListContainersOptionsBuilder::new().all(true).filters(&filter(fleet, uid)).build();
    docker.list_containers(Some(options)).await.map_err(unavailable("list containers"))
}

/// Our containers in detail. One that goes away between list and look is left out.
pub(crate) async fn inspect(
    docker: &Docker,
    fleet: &FleetId,
    uid: Option<&PodUid>,
) -> Result<Vec<ContainerInspectResponse>, ActuatorError> {
    let ids = list(docker, fleet, uid).await?.into_iter().filter_map(|summary| summary.id);
    let looks = stream::iter(ids).map(|id| async move {
        match docker.inspect_container(&id, None::<InspectContainerOptions>).await {
            Ok(details) => Ok(Some(details)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(unavailable("inspect a container")(error)),
        }
    });
    looks
        .buffered(CALLS_AT_ONCE)
        .try_filter_map(|details| async { Ok(details) })
        .try_collect()
        .await
}

/// Containers grouped to pods. Pure. One whose labels are not ours in full is left out.
pub(crate) fn pods_of(containers: &[ContainerInspectResponse]) -> Vec<Observed> {
    let mut pods: BTreeMap<PodUid, Vec<&ContainerInspectResponse>> = BTreeMap::new();
    for container in containers {
        let uid = labels_of(container).get(labels::POD_UID);
        if let Some(Ok(uid)) = uid.map(|text| PodUid::parse(text)) {
            pods.entry(uid).or_default().push(container);
        }
    }
    pods.into_iter().filter_map(|(uid, containers)| pod_of(uid, containers)).collect()
}

/// Our labels on a container.
pub(crate) fn labels_of(container: &ContainerInspectResponse) -> &HashMap<String, String> {
    static NONE: std::sync::LazyLock<HashMap<String, String>> =
        std::sync::LazyLock::new(HashMap::new);
    container.config.as_ref().and_then(|config| config.labels.as_ref()).unwrap_or(&NONE)
}

/// Whether the container only holds the network.
pub(crate) fn is_sandbox(container: &ContainerInspectResponse) -> bool {
    labels_of(container).contains_key(SANDBOX)
}

/// Whether its process runs.
pub(crate) fn is_running(container: &ContainerInspectResponse) -> bool {
    container.state.as_ref().is_some_and(|state| state.running == Some(true))
}

/// Whether its process ran at least once.
pub(crate) fn was_started(container: &ContainerInspectResponse) -> bool {
    container.state.as_ref().is_some_and(|state| millis(state.started_at.as_deref()) > 0)
}

fn pod_of(uid: PodUid, mut containers: Vec<&ContainerInspectResponse>) -> Option<Observed> {
    containers.sort_by_key(|container| number(labels_of(container), INDEX));
    let labels = labels_of(containers.first()?);
    let generation = containers.iter().map(|c| number(labels_of(c), labels::GENERATION)).max()?;
    let term = containers.iter().map(|c| number(labels_of(c), labels::TERM)).max()?;
    let namespace = Namespace::parse(labels.get(labels::NAMESPACE)?).ok()?;
    let name = ResourceName::parse(labels.get(labels::NAME)?).ok()?;
    let address = containers.iter().find_map(|container| address(container)).unwrap_or_default();
    let of_pod = containers.iter().filter(|container| !is_sandbox(container));
    let containers: Vec<ContainerObserved> = of_pod.map(|container| observed(container)).collect();
    let started_ms =
        containers.iter().map(|c| c.started_ms).filter(|ms| *ms > 0).min().unwrap_or(0);
    Some(Observed { uid, generation, term, namespace, name, containers, address, started_ms })
}

fn observed(container: &ContainerInspectResponse) -> ContainerObserved {
    let absent = EngineState::default();
    let engine = container.state.as_ref().unwrap_or(&absent);
    let state = match (is_running(container), was_started(container)) {
        (true, _) => ContainerState::Running,
        (false, true) => ContainerState::Terminated,
        (false, false) => ContainerState::Waiting,
    };
    let (reason, message) = reason(state, engine);
    let started_ms = millis(engine.started_at.as_deref());
    let config = container.config.as_ref();
    ContainerObserved {
        name: labels_of(container).get(labels::CONTAINER).cloned().unwrap_or_default(),
        id: container.id.clone().unwrap_or_default(),
        image: config.and_then(|config| config.image.clone()).unwrap_or_default(),
        state,
        // Where the engine asks, by the check of the image, its word counts.
        ready: state == ContainerState::Running && is_healthy(engine),
        restarts: 0,
        exit_code: exit_code(state, engine),
        reason,
        message,
        started_ms,
        finished_ms: match state {
            // The engine notes the start after containerd has noted the end of what ends at once.
            ContainerState::Terminated => millis(engine.finished_at.as_deref()).max(started_ms),
            _ => 0,
        },
        started: health_of(engine) != Some(HealthStatusEnum::STARTING),
        last: None,
    }
}

/// What the engine's own check says; `None` where it makes none.
fn health_of(engine: &EngineState) -> Option<HealthStatusEnum> {
    let none = [HealthStatusEnum::EMPTY, HealthStatusEnum::NONE];
    engine.health.as_ref()?.status.filter(|status| !none.contains(status))
}

fn is_healthy(engine: &EngineState) -> bool {
    health_of(engine).is_none_or(|status| status == HealthStatusEnum::HEALTHY)
}

/// What the check wrote when it failed last.
fn why_unhealthy(engine: &EngineState) -> String {
    let log = engine.health.as_ref().and_then(|health| health.log.as_ref());
    let last = log.and_then(|log| log.iter().rev().find(|one| one.exit_code != Some(0)));
    let said = last.and_then(|one| one.output.as_deref()).unwrap_or_default();
    let said: String = said.chars().take(OUTPUT_CHARS_MAX).collect();
    format!("{CHECK_FAILED}{}", said.trim())
}

fn exit_code(state: ContainerState, engine: &EngineState) -> Option<i32> {
    let ended = state == ContainerState::Terminated;
    engine.exit_code.filter(|_| ended).and_then(|code| i32::try_from(code).ok())
}

/// Kubernetes' words for how a container ended, and what the engine says when it never started.
fn reason(state: ContainerState, engine: &EngineState) -> (String, String) {
    let error = engine.error.clone().unwrap_or_default();
    let unhealthy = health_of(engine) == Some(HealthStatusEnum::UNHEALTHY);
    if state == ContainerState::Running && unhealthy {
        return (UNHEALTHY.to_owned(), why_unhealthy(engine));
    }
    let reason = match state {
        ContainerState::Running if engine.paused == Some(true) => "Paused",
        ContainerState::Running => "",
        ContainerState::Waiting if error.is_empty() => "ContainerCreating",
        ContainerState::Waiting => "RunContainerError",
        ContainerState::Terminated if engine.oom_killed == Some(true) => "OOMKilled",
        ContainerState::Terminated if engine.exit_code == Some(0) => "Completed",
        ContainerState::Terminated => "Error",
    };
    (reason.to_owned(), error)
}

/// The container's address, when it has a network of its own.
pub(crate) fn address(container: &ContainerInspectResponse) -> Option<String> {
    let networks = container.network_settings.as_ref()?.networks.as_ref()?;
    let mut addresses: Vec<&String> =
        networks.values().filter_map(|endpoint| endpoint.ip_address.as_ref()).collect();
    addresses.sort();
    addresses.into_iter().find(|address| !address.is_empty()).cloned()
}

/// Docker's time as milliseconds since 1970, 0 when it has not come.
fn millis(time: Option<&str>) -> i64 {
    let time = time.filter(|text| !text.starts_with(NEVER));
    let time = time.and_then(|text| text.parse::<jiff::Timestamp>().ok());
    time.map_or(0, jiff::Timestamp::as_millisecond)
}

#[cfg(test)]
#[path = "observe_tests.rs"]
mod tests;
