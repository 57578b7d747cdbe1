//! A command in a container that runs, as the engine sees it.
//!
//! The engine ends no command whose caller has gone; so that is done past it ([`crate::family`]), by the
//! agent that has begun it: one whose agent crashes runs on until it ends by itself or its container does.

use std::pin::Pin;
use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::exec::{CreateExecOptions, ResizeExecOptions, StartExecOptions, StartExecResults};
use futures::StreamExt;
use futures::stream::BoxStream;
use setpoint_actuators::ActuatorError;
use setpoint_actuators::session::{PIECE_BYTES_MAX, not_found, not_running};
use setpoint_schemas::PodUid;
use setpoint_schemas::call::ExecOptions;
use tokio::io::AsyncWrite;
use tokio::time::sleep;
use tokio_util::io::ReaderStream;

use crate::DockerConfig;
use crate::engine::{is_absent, is_conflict, unavailable};
use crate::family;
use crate::observe::{inspect, is_running};
use crate::raw::Engine;
use crate::start::named;

/// What a shell says of a program that cannot be run.
pub(crate) const CODE_NOT_RUN: i32 = 126;
/// The engine knows a command's end a moment after its output has ended.
const END_POLL: Duration = Duration::from_millis(50);
/// Two seconds in all: one that closed its output may run on.
const END_POLLS_MAX: u32 = 40;

/// What a command writes.
pub(crate) type Said = BoxStream<'static, Result<LogOutput, Error>>;
/// Where a command reads.
pub(crate) type Heard = Pin<Box<dyn AsyncWrite + Send>>;

/// A command that the engine knows.
pub(crate) struct Command {
    docker: Docker,
    host: String,
    id: String,
    container: String,
    tty: bool,
}

/// How a command began.
pub(crate) enum Started {
    /// It runs.
    Runs(Said, Heard),
    /// The engine could not run it, and says why.
    NotRun(String),
}

impl Command {
    /// Makes the engine know the command. Nothing runs yet.
    pub(crate) async fn make(
        docker: &Docker,
        config: &DockerConfig,
        (uid, name): (&PodUid, &str),
        options: &ExecOptions,
    ) -> Result<Command, ActuatorError> {
        let pod = inspect(docker, &config.fleet, Some(uid)).await?;
        let found = named(&pod, name).ok_or_else(|| not_found(&uid.text(), name))?;
        if !is_running(found) {
            return Err(not_running(name));
        }
        let container = found.id.clone().unwrap_or_default();
        let create = CreateExecOptions {
            attach_stdin: Some(options.stdin),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(options.tty),
            cmd: Some(options.command.clone()),
            ..CreateExecOptions::default()
        };
        let created = docker.create_exec(&container, create).await;
        let id = created.map_err(ended_or(name, "make a command"))?.id;
        let (docker, host) = (docker.clone(), config.host.clone());
        Ok(Command { docker, host, id, container, tty: options.tty })
    }

    /// Runs it.
    pub(crate) async fn start(&self, name: &str) -> Result<Started, ActuatorError> {
        let started = if self.tty { self.on_terminal().await } else { self.on_pipes().await };
        match started {
            Ok(Some((said, heard))) => Ok(Started::Runs(said, heard)),
            Ok(None) => Err(ActuatorError::transient(
                "RunCommandError",
                "the engine keeps the command to itself",
            )),
            // Older engines say so what newer ones write to the command's output.
            Err(Error::DockerResponseServerError { status_code: 400, message }) => {
                Ok(Started::NotRun(message))
            }
            Err(error) => Err(ended_or(name, "start a command")(error)),
        }
    }

    /// Its two outputs are told apart by frames.
    async fn on_pipes(&self) -> Result<Option<(Said, Heard)>, Error> {
        let options =
            StartExecOptions { detach: false, tty: false, output_capacity: Some(PIECE_BYTES_MAX) };
        Ok(match self.docker.start_exec(&self.id, Some(options)).await? {
            StartExecResults::Attached { output, input } => Some((output.boxed(), input)),
            StartExecResults::Detached => None,
        })
    }

    /// What it shows is one stream, whose bytes are nobody's but the command's.
    async fn on_terminal(&self) -> Result<Option<(Said, Heard)>, Error> {
        let engine = Engine { docker: &self.docker, host: &self.host };
        let path = format!("/exec/{}/start", self.id);
        let line = engine.speak(&path, r#"{"Detach":false,"Tty":true}"#.to_owned()).await?;
        let (said, heard) = tokio::io::split(line);
        let said = ReaderStream::with_capacity(said, PIECE_BYTES_MAX).map(|piece| {
            let message = piece?;
            Ok(LogOutput::Console { message })
        });
        Ok(Some((said.boxed(), Box::pin(heard))))
    }

    /// Tells how large its terminal is.
    pub(crate) async fn resize(&self, columns: u16, rows: u16) {
        let size = ResizeExecOptions { height: rows, width: columns };
        // A terminal of another size is shown badly, and no more.
        let _ = self.docker.resize_exec(&self.id, size).await;
    }

    /// How it ended, once it has.
    pub(crate) async fn code(&self) -> Result<i32, ActuatorError> {
        for _ in 0..END_POLLS_MAX {
            let seen = self.docker.inspect_exec(&self.id).await;
            let seen = seen.map_err(unavailable("ask how a command ended"))?;
            if let (Some(false) | None, Some(code)) = (seen.running, seen.exit_code) {
                return Ok(i32::try_from(code).unwrap_or(i32::MAX));
            }
            sleep(END_POLL).await;
        }
        self.end().await;
        let message = "the command closed its output, ran on and was killed";
        Err(ActuatorError::permanent("CommandKilled", message))
    }

    /// Kills it and all that it started, as far as they are seen from here.
    pub(crate) async fn end(&self) {
        // The engine says that it runs, and then by which number, a moment after it has begun.
        for _ in 0..END_POLLS_MAX {
            let Ok(seen) = self.docker.inspect_exec(&self.id).await else { return };
            match (seen.running, seen.pid) {
                (Some(true), Some(pid)) if pid > 0 => {
                    let container = self.container.clone();
                    let ended = tokio::task::spawn_blocking(move || family::end(pid, &container));
                    // What panicked there was said on the way.
                    let _ = ended.await;
                    return;
                }
                _ if seen.exit_code.is_some() => return,
                _ => sleep(END_POLL).await,
            }
        }
    }
}

/// The container may have ended since it was looked at.
fn ended_or(name: &str, attempt: &'static str) -> impl Fn(Error) -> ActuatorError {
    move |error| match is_absent(&error) || is_conflict(&error) {
        true => not_running(name),
        false => unavailable(attempt)(error),
    }
}
