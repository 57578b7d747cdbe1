//! Ending one container of a pod, and a command in one that runs, to its end.

use std::time::Duration;

use bollard::Docker;
use futures::StreamExt;
use setpoint_actuators::session::not_found;
use setpoint_actuators::{ActuatorError, ExecEnd, OUTPUT_BYTES_MAX};
use setpoint_schemas::PodUid;
use setpoint_schemas::call::ExecOptions;
use tokio_util::sync::CancellationToken;

use crate::DockerConfig;
use crate::command::{CODE_NOT_RUN, Command, Said, Started};
use crate::observe::{inspect, is_running};
use crate::start::named;
use crate::stop::stop_container;

/// Ends a container that runs; see the contract.
pub(crate) async fn end_container(
    docker: &Docker,
    config: &DockerConfig,
    (uid, name): (&PodUid, &str),
    grace: Duration,
) -> Result<(), ActuatorError> {
    let pod = inspect(docker, &config.fleet, Some(uid)).await?;
    let container = named(&pod, name).ok_or_else(|| not_found(&uid.text(), name))?;
    if !is_running(container) {
        return Ok(());
    }
    stop_container(docker, container.id.as_deref().unwrap_or_default(), grace).await
}

/// Runs a command; see the contract.
pub(crate) async fn exec(
    docker: &Docker,
    config: &DockerConfig,
    of: (&PodUid, &str),
    command: &[String],
    cancel: &CancellationToken,
) -> Result<ExecEnd, ActuatorError> {
    let options = ExecOptions {
        command: command.to_vec(),
        stdin: false,
        stdout: true,
        stderr: true,
        tty: false,
    };
    let command = Command::make(docker, config, of, &options).await?;
    tokio::select! {
        end = run(&command, of.1) => end,
        () = cancel.cancelled() => {
            command.end().await;
            Err(ActuatorError::Cancelled)
        }
    }
}

async fn run(command: &Command, container: &str) -> Result<ExecEnd, ActuatorError> {
    match command.start(container).await? {
        Started::Runs(said, _) => {
            let output = collect(said).await;
            Ok(ExecEnd { exit_code: command.code().await?, output })
        }
        Started::NotRun(why) => Ok(ExecEnd { exit_code: CODE_NOT_RUN, output: why.into_bytes() }),
    }
}

/// All of it is read, so that the command does not wait for us; what there is room for is kept.
async fn collect(mut said: Said) -> Vec<u8> {
    let mut kept = Vec::new();
    while let Some(Ok(piece)) = said.next().await {
        let bytes = piece.into_bytes();
        let room = OUTPUT_BYTES_MAX - kept.len();
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
    kept
}
