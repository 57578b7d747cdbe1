//! A command beside a container's own, by the engine.
//!
//! The engine ends no command whose caller has gone; so that is done past it ([`crate::family`]).

use std::pin::Pin;
use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, ResizeExecOptions, StartExecOptions, StartExecResults};
use futures::StreamExt;
use futures::stream::BoxStream;
use setpoint_actuators::ActuatorError;
use setpoint_actuators::session::{
    Ends, Input, Output, PIECE_BYTES_MAX, Session, not_found, not_running,
};
use setpoint_schemas::call::ExecOptions;
use setpoint_schemas::{FleetId, PodUid};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::engine::{is_conflict, unavailable};
use crate::family;
use crate::observe::{inspect, is_running};
use crate::start::named;

/// The engine knows a command's end a moment after its output has ended.
const END_POLL: Duration = Duration::from_millis(50);
/// Two seconds in all: one that closed its output may run on.
const END_POLLS_MAX: u32 = 40;

type Said = BoxStream<'static, Result<LogOutput, bollard::errors::Error>>;
type Heard = Pin<Box<dyn AsyncWrite + Send>>;

/// A command that the engine runs.
struct Command {
    docker: Docker,
    id: String,
    container: String,
}

/// Runs the command in this container.
pub(crate) async fn open(
    docker: &Docker,
    fleet: &FleetId,
    (uid, name): (&PodUid, &str),
    options: &ExecOptions,
) -> Result<Session, ActuatorError> {
    let pod = inspect(docker, fleet, Some(uid)).await?;
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
    let created = docker.create_exec(&container, create).await.map_err(|error| {
        // It may have ended since it was looked at.
        if is_conflict(&error) { not_running(name) } else { unavailable("make a command")(error) }
    })?;
    let start = StartExecOptions {
        detach: false,
        tty: options.tty,
        output_capacity: Some(PIECE_BYTES_MAX),
    };
    let started = docker.start_exec(&created.id, Some(start)).await;
    match started.map_err(unavailable("start a command"))? {
        StartExecResults::Attached { output, input } => {
            let command = Command { docker: docker.clone(), id: created.id, container };
            let (session, ends) = Session::pair();
            tokio::spawn(serve(command, (output.boxed(), input), ends));
            Ok(session)
        }
        StartExecResults::Detached => Err(ActuatorError::transient(
            "RunCommandError",
            "the engine keeps the command to itself",
        )),
    }
}

/// Serves the command until it ends or nobody listens.
async fn serve(command: Command, (said, heard): (Said, Heard), ends: Ends) {
    let Ends { input, output } = ends;
    let ended = tokio::select! {
        () = hear(&command, heard, input) => unreachable!("it never ends"),
        told = tell(said, &output) => match told {
            Ok(()) => command.code().await,
            Err(error) => Err(error),
        },
        () = output.closed() => {
            command.end().await;
            return;
        }
    };
    let _ = output.send(Output::Ended(ended)).await;
}

/// Tells what the command writes, until its output ends.
async fn tell(mut said: Said, output: &mpsc::Sender<Output>) -> Result<(), ActuatorError> {
    while let Some(piece) = said.next().await {
        let piece = match piece.map_err(unavailable("read what a command writes"))? {
            LogOutput::StdErr { message } => Output::Stderr(message.to_vec()),
            LogOutput::StdOut { message } | LogOutput::Console { message } => {
                Output::Stdout(message.to_vec())
            }
            LogOutput::StdIn { .. } => continue,
        };
        // Nobody listens any more: that is seen beside this.
        let _ = output.send(piece).await;
    }
    Ok(())
}

/// Passes on what is said to the command; whatever it is told, it runs on.
async fn hear(command: &Command, mut heard: Heard, mut input: mpsc::Receiver<Input>) {
    while let Some(said) = input.recv().await {
        // A command that reads no more is told nothing more, and keeps nobody waiting.
        let _ = match said {
            Input::Bytes(bytes) => write(&mut heard, &bytes).await,
            Input::End => heard.shutdown().await,
            Input::Size(columns, rows) => {
                command.resize(columns, rows).await;
                Ok(())
            }
        };
    }
    std::future::pending::<()>().await;
}

async fn write(heard: &mut Heard, bytes: &[u8]) -> std::io::Result<()> {
    heard.write_all(bytes).await?;
    heard.flush().await
}

impl Command {
    async fn resize(&self, columns: u16, rows: u16) {
        let size = ResizeExecOptions { height: rows, width: columns };
        // A terminal of another size is shown badly, and no more.
        let _ = self.docker.resize_exec(&self.id, size).await;
    }

    /// How it ended, once it has.
    async fn code(&self) -> Result<i32, ActuatorError> {
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

    /// Kills it and all that it started.
    async fn end(&self) {
        let Ok(seen) = self.docker.inspect_exec(&self.id).await else { return };
        if let (Some(true), Some(pid)) = (seen.running, seen.pid) {
            let container = self.container.clone();
            let _ = tokio::task::spawn_blocking(move || family::end(pid, &container)).await;
        }
    }
}
