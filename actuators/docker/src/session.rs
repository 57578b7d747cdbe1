//! A command beside a container's own, with what is said to it and what it says.

use bollard::Docker;
use bollard::container::LogOutput;
use futures::StreamExt;
use setpoint_actuators::ActuatorError;
use setpoint_actuators::session::{Ends, Input, Output, Session};
use setpoint_schemas::PodUid;
use setpoint_schemas::call::ExecOptions;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use crate::DockerConfig;
use crate::command::{CODE_NOT_RUN, Command, Heard, Said, Started};
use crate::engine::unavailable;

/// Runs the command in this container.
pub(crate) async fn open(
    docker: &Docker,
    config: &DockerConfig,
    of: (&PodUid, &str),
    options: &ExecOptions,
) -> Result<Session, ActuatorError> {
    let command = Command::make(docker, config, of, options).await?;
    let started = command.start(of.1).await?;
    let (session, ends) = Session::pair();
    match started {
        Started::Runs(said, heard) => {
            tokio::spawn(serve(command, (said, heard), ends));
        }
        Started::NotRun(why) => {
            tokio::spawn(async move {
                let _ = ends.output.send(Output::Stderr(why.into_bytes())).await;
                let _ = ends.output.send(Output::Ended(Ok(CODE_NOT_RUN))).await;
            });
        }
    }
    Ok(session)
}

/// Serves the command until it ends or nobody listens.
async fn serve(command: Command, (said, heard): (Said, Heard), ends: Ends) {
    let Ends { input, output } = ends;
    let ended = tokio::select! {
        () = hear(&command, heard, input) => unreachable!("it never ends"),
        told = tell(said, &output) => match told {
            Ok(()) => command.code().await,
            Err(error) => {
                // Nobody would hear of it any more, and it would run on.
                command.end().await;
                Err(error)
            }
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
    // Who says nothing any more has said the end.
    let _ = heard.shutdown().await;
    drop(heard);
    std::future::pending::<()>().await;
}

async fn write(heard: &mut Heard, bytes: &[u8]) -> std::io::Result<()> {
    heard.write_all(bytes).await?;
    heard.flush().await
}
