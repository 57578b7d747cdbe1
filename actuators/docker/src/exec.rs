//! Ending one container of a pod, and a command in one that runs.
//!
//! An engine cannot end a command that it has started. One that is cancelled is killed here, with its
//! children, where the container's processes are this machine's and say themselves that they are the
//! container's; otherwise it runs on, at most until the container ends.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::exec::{CreateExecOptions, StartExecResults};
use bollard::models::ContainerInspectResponse;
use futures::{Stream, StreamExt};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use setpoint_actuators::{ActuatorError, ExecEnd, OUTPUT_BYTES_MAX};
use setpoint_schemas::PodUid;
use tokio_util::sync::CancellationToken;

use crate::DockerConfig;
use crate::engine::{error_of, is_absent, is_conflict};
use crate::observe::{inspect, is_running};
use crate::start::named;
use crate::stop::stop_container;

/// The reason of a command that the engine could not run.
const EXEC_FAILED: &str = "ExecFailed";
/// By what the engine says that a program is not there or cannot be run, and what a shell says then.
const CODE_NOT_RUN: i32 = 126;
/// How often we look for what a dying process may just have started.
const KILLS_MAX: usize = 10;

/// Ends a container that runs; see the contract.
pub(crate) async fn end_container(
    docker: &Docker,
    config: &DockerConfig,
    of: (&PodUid, &str),
    grace: Duration,
) -> Result<(), ActuatorError> {
    let container = find(docker, config, of).await?;
    if !is_running(&container) {
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
    let container = find(docker, config, of).await?;
    if !is_running(&container) {
        return Err(not_running());
    }
    let id = container.id.as_deref().unwrap_or_default();
    let options = CreateExecOptions {
        cmd: Some(command.to_vec()),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        ..CreateExecOptions::default()
    };
    let made = docker.create_exec(id, options).await.map_err(|error| failed(&error))?.id;
    tokio::select! {
        end = run(docker, &made) => end,
        () = cancel.cancelled() => {
            kill_command(docker, id, &made).await;
            Err(ActuatorError::Cancelled)
        }
    }
}

async fn find(
    docker: &Docker,
    config: &DockerConfig,
    (uid, name): (&PodUid, &str),
) -> Result<ContainerInspectResponse, ActuatorError> {
    let pod = inspect(docker, &config.fleet, Some(uid)).await?;
    named(&pod, name).cloned().ok_or_else(|| {
        let message = format!("pod {uid} has no container {name}");
        ActuatorError::permanent("NotFound", message).of_container(name)
    })
}

async fn run(docker: &Docker, exec: &str) -> Result<ExecEnd, ActuatorError> {
    let output = match docker.start_exec(exec, None).await {
        Ok(StartExecResults::Attached { output, .. }) => collect(output).await,
        Ok(StartExecResults::Detached) => Vec::new(),
        // Older engines say so what newer ones write to the command's output.
        Err(Error::DockerResponseServerError { status_code: 400, message }) => {
            return Ok(ExecEnd { exit_code: CODE_NOT_RUN, output: message.into_bytes() });
        }
        Err(error) => return Err(failed(&error)),
    };
    let ended = docker.inspect_exec(exec).await.map_err(|error| failed(&error))?;
    let exit_code = ended.exit_code.and_then(|code| i32::try_from(code).ok());
    Ok(ExecEnd { exit_code: exit_code.unwrap_or(CODE_NOT_RUN), output })
}

/// All of it is read, so that the command does not wait for us; what there is room for is kept.
async fn collect(mut output: impl Stream<Item = Result<LogOutput, Error>> + Unpin) -> Vec<u8> {
    let mut kept = Vec::new();
    while let Some(Ok(chunk)) = output.next().await {
        let bytes = chunk.into_bytes();
        let room = OUTPUT_BYTES_MAX - kept.len();
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
    kept
}

/// Kills a command with its children, as far as they are seen from here.
async fn kill_command(docker: &Docker, container: &str, exec: &str) {
    let Ok(running) = docker.inspect_exec(exec).await else { return };
    let pid = running.pid.and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid > 0);
    let Some(pid) = pid.filter(|_| running.running == Some(true)) else { return };
    for _ in 0..KILLS_MAX {
        let family = family(pid, &parents());
        let of_it: Vec<i32> = family.into_iter().filter(|pid| is_of(*pid, container)).collect();
        if of_it.is_empty() {
            return;
        }
        for pid in of_it {
            // It may be gone already, or not be ours to end: then it runs on until its container ends.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// Whether a process of this machine is in this container.
fn is_of(pid: i32, container: &str) -> bool {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    !container.is_empty() && groups.contains(container)
}

/// The parent of each process of this machine that runs.
fn parents() -> BTreeMap<i32, i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| Some((pid, parent(pid)?))).collect()
}

/// Source: proc_pid_stat(5); a name may hold anything, so that the fields begin behind the last
/// parenthesis. A zombie has ended.
fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    fields.next()?.parse().ok().filter(|_| !matches!(state, "Z" | "X"))
}

/// A process and its descendants.
fn family(pid: i32, parents: &BTreeMap<i32, i32>) -> Vec<i32> {
    let is_in = |mut one: i32| {
        // No chain of parents is longer than there are processes.
        for _ in 0..=parents.len() {
            if one == pid {
                return true;
            }
            match parents.get(&one) {
                Some(parent) => one = *parent,
                None => return false,
            }
        }
        false
    };
    parents.keys().copied().filter(|one| is_in(*one)).collect()
}

fn failed(error: &Error) -> ActuatorError {
    if is_absent(error) || is_conflict(error) {
        return not_running();
    }
    error_of("run a command", EXEC_FAILED, error)
}

fn not_running() -> ActuatorError {
    ActuatorError::transient("NotRunning", "the container does not run")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_a_process_with_its_descendants() {
        let parents = BTreeMap::from([(1, 0), (7, 1), (8, 7), (9, 8), (10, 1)]);
        assert_eq!(family(7, &parents), [7, 8, 9]);
        assert_eq!(family(11, &parents), [0; 0], "it has ended");
        let circle = BTreeMap::from([(2, 3), (3, 2)]);
        assert_eq!(family(7, &circle), [0; 0], "nonsense ends too");
    }

    #[test]
    fn a_process_of_another_container_is_none_of_this_one() {
        let me = i32::try_from(std::process::id()).expect("it fits");
        assert!(!is_of(me, &"0".repeat(64)));
        assert!(!is_of(me, ""), "no id is everybody's");
        assert!(parents().contains_key(&me));
    }
}
