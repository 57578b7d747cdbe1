//! Stopping a pod: ask, wait, kill, remove.

use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::{RemoveContainerOptionsBuilder, StopContainerOptionsBuilder};
use futures::future::try_join_all;
use setpoint_actuators::ActuatorError;
use setpoint_schemas::PodUid;

use crate::engine::{is_absent, is_conflict, unavailable};
use crate::names::SANDBOX;
use crate::observe::list;
use crate::{DockerConfig, memory, volumes};

/// What the engine may take on top of the grace before it no longer answers.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// The engine removes in the background when it was asked twice; it takes moments.
const REMOVED_POLL: Duration = Duration::from_millis(50);
/// Ten seconds in all; a removal that takes longer is tried again by the next turn.
const REMOVED_POLLS_MAX: u32 = 200;

/// Stops and removes everything of the pod: its containers side by side, then its files, then the
/// containers and what holds their network and memory. Nothing is removed before all have ended.
pub(crate) async fn stop_pod(
    docker: &Docker,
    config: &DockerConfig,
    uid: &PodUid,
    grace: Duration,
) -> Result<(), ActuatorError> {
    let all = list(docker, &config.fleet, Some(uid)).await?;
    let holds = |c: &bollard::models::ContainerSummary| {
        c.labels.as_ref().is_some_and(|labels| labels.contains_key(SANDBOX))
    };
    let (sandboxes, containers): (Vec<_>, Vec<_>) = all.into_iter().partition(holds);
    let ids = |of: Vec<bollard::models::ContainerSummary>| -> Vec<String> {
        of.into_iter().filter_map(|container| container.id).collect()
    };
    let (sandboxes, containers) = (ids(sandboxes), ids(containers));
    try_join_all(containers.iter().map(|id| stop_container(docker, id, grace))).await?;
    // While the engine still tells of the pod: who is killed here finds it again and goes on.
    volumes::remove(config, uid).map_err(|error| {
        ActuatorError::transient(
            "VolumeError",
            format!("failed to remove the files of {uid}: {error}"),
        )
    })?;
    try_join_all(containers.iter().map(|id| remove(docker, id))).await?;
    try_join_all(sandboxes.iter().map(|id| remove(docker, id))).await?;
    wait_until_gone(docker, config, uid).await?;
    memory::remove(docker, &config.fleet, uid).await
}

/// Asks the container to end by the signal that its image names, and kills it after the grace. The
/// engine does both by itself once it was asked, also when this call is cancelled.
pub(crate) async fn stop_container(
    docker: &Docker,
    id: &str,
    grace: Duration,
) -> Result<(), ActuatorError> {
    let patient = docker.clone().with_timeout(grace + ANSWER_MAX);
    let seconds = grace.as_secs() + u64::from(grace.subsec_nanos() > 0);
    let seconds = i32::try_from(seconds).unwrap_or(i32::MAX);
    let options = StopContainerOptionsBuilder::new().t(seconds).build();
    match patient.stop_container(id, Some(options)).await {
        Err(error) if !is_absent(&error) => Err(unavailable("stop a container")(error)),
        _ => Ok(()),
    }
}

/// Removes a container, running or not.
pub(crate) async fn remove(docker: &Docker, id: &str) -> Result<(), ActuatorError> {
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    match docker.remove_container(id, Some(options)).await {
        Err(error) if !is_absent(&error) && !is_conflict(&error) => {
            Err(unavailable("remove a container")(error))
        }
        _ => Ok(()),
    }
}

async fn wait_until_gone(
    docker: &Docker,
    config: &DockerConfig,
    uid: &PodUid,
) -> Result<(), ActuatorError> {
    for _ in 0..REMOVED_POLLS_MAX {
        if list(docker, &config.fleet, Some(uid)).await?.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(REMOVED_POLL).await;
    }
    let message = format!("the engine has not removed the containers of {uid}");
    Err(ActuatorError::transient("RuntimeUnavailable", message))
}
