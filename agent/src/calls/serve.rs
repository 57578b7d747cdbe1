//! One call, from its first frame to its last.
//!
//! Guarantee: the first frame says that the call has begun, or it is the last one and says why not. What
//! comes from the container waits until the server has taken what came before.

use std::time::Duration;

use bytes::Bytes;
use futures::stream::{SplitSink, SplitStream};
use futures::{Sink, SinkExt, StreamExt};
use setpoint_actuators::session::{Input, Lines, Output, PIECE_BYTES_MAX, Session};
use setpoint_actuators::{Actuator, ActuatorError};
use setpoint_schemas::call::{
    CLOSE, Deed, ExecOptions, NodeCall, RESIZE, STDERR, STDIN, STDOUT, ended, failed, frame,
    parted, size_of_terminal,
};
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite::Message;

use super::forward;
use super::open::Line;

/// A server says every 20 s that it is there; one that does not for three of them is gone.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// The server is told that we are there, also while a command reads nothing of what is said to it and its
/// pings wait behind that.
const PING_EVERY: Duration = Duration::from_secs(20);
/// A server takes the last frame at once, or not at all.
const LAST_WORDS_MAX: Duration = Duration::from_secs(10);

/// A connection to a port is spoken with as a command is that reads and writes.
const BOTH_WAYS: ExecOptions =
    ExecOptions { command: Vec::new(), stdin: true, stdout: true, stderr: false, tty: false };

type Told = SplitSink<Line, Message>;
type Heard = SplitStream<Line>;

/// Why the other end hears no more.
struct Gone;

/// Serves a call until it ends or its caller has gone.
pub(super) async fn serve(actuator: &dyn Actuator, call: NodeCall, line: Line) {
    let (mut told, mut heard) = line.split();
    let served = match &call.deed {
        Deed::Logs(options) => {
            let opened = tokio::select! {
                opened = actuator.logs(&call.uid, &call.container, options) => Ok(opened),
                gone = until_gone(&mut heard) => Err(gone),
            };
            match opened {
                Ok(Ok(lines)) => logs(lines, options.limit_bytes, &mut told, &mut heard).await,
                Ok(Err(error)) => Ok(refusal(&error)),
                Err(gone) => Err(gone),
            }
        }
        // Whoever leaves meanwhile is seen when it has begun: given up half-way, a command would run on.
        Deed::Exec(options) => match actuator.session(&call.uid, &call.container, options).await {
            Ok(session) => exec(session, options, &mut told, &mut heard).await,
            Err(error) => Ok(refusal(&error)),
        },
        Deed::Forward(options) => match forward::open(actuator, &call.uid, options).await {
            Ok(session) => exec(session, &BOTH_WAYS, &mut told, &mut heard).await,
            Err(error) => Ok(refusal(&error)),
        },
    };
    if let Ok(last) = served {
        let bye = async {
            let _ = told.send(Message::Binary(last.into())).await;
            let _ = told.close().await;
            // What is said meanwhile is read: unread, it would take the last frame with it.
            while let Some(Ok(_)) = heard.next().await {}
        };
        let _ = timeout(LAST_WORDS_MAX, bye).await;
    }
}

/// Tells lines; the last frame.
async fn logs(
    lines: Lines,
    limit_bytes: Option<u64>,
    told: &mut Told,
    heard: &mut Heard,
) -> Result<Vec<u8>, Gone> {
    let tell = async {
        begin(told).await?;
        tell_lines(lines, limit_bytes, told).await
    };
    tokio::select! {
        done = tell => done,
        gone = until_gone(heard) => Err(gone),
    }
}

async fn tell_lines(
    mut lines: Lines,
    limit_bytes: Option<u64>,
    told: &mut (impl Sink<Message> + Unpin),
) -> Result<Vec<u8>, Gone> {
    let mut left = limit_bytes.and_then(|max| usize::try_from(max).ok()).unwrap_or(usize::MAX);
    let mut pings = pings();
    loop {
        let piece = tokio::select! {
            piece = lines.next() => piece,
            _ = pings.tick() => {
                ping(told).await?;
                continue;
            }
        };
        let mut piece = match piece {
            Some(Ok(piece)) => piece,
            Some(Err(error)) => return Ok(refusal(&error)),
            None => break,
        };
        piece.truncate(left);
        left -= piece.len();
        tell(told, STDOUT, &piece).await?;
        if left == 0 {
            break;
        }
    }
    Ok(ended(0))
}

/// Speaks with a command; the last frame.
async fn exec(
    session: Session,
    options: &ExecOptions,
    told: &mut Told,
    heard: &mut Heard,
) -> Result<Vec<u8>, Gone> {
    let Session { input, output } = session;
    let tell = async {
        begin(told).await?;
        tell_output(output, options, told).await
    };
    tokio::select! {
        done = tell => done,
        gone = hear(heard, input) => Err(gone),
    }
}

/// Tells what the command says, as far as the caller wants it.
async fn tell_output(
    mut output: mpsc::Receiver<Output>,
    options: &ExecOptions,
    told: &mut (impl Sink<Message> + Unpin),
) -> Result<Vec<u8>, Gone> {
    let mut pings = pings();
    loop {
        let said = tokio::select! {
            said = output.recv() => said,
            _ = pings.tick() => {
                ping(told).await?;
                continue;
            }
        };
        match said {
            Some(Output::Stdout(bytes)) if options.stdout => tell(told, STDOUT, &bytes).await?,
            Some(Output::Stderr(bytes)) if options.stderr => tell(told, STDERR, &bytes).await?,
            Some(Output::Stdout(_) | Output::Stderr(_)) => {}
            Some(Output::Ended(Ok(code))) => return Ok(ended(code)),
            Some(Output::Ended(Err(error))) => return Ok(refusal(&error)),
            None => return Ok(failed(500, "InternalError", "the command ended without a word")),
        }
    }
}

fn pings() -> Interval {
    let mut pings = interval(PING_EVERY);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pings
}

async fn ping(told: &mut (impl Sink<Message> + Unpin)) -> Result<(), Gone> {
    told.send(Message::Ping(Bytes::new())).await.map_err(|_| Gone)
}

/// Passes on what is said to a command, until nobody says anything any more.
async fn hear(heard: &mut Heard, input: mpsc::Sender<Input>) -> Gone {
    while let Ok(Some(Ok(message))) = timeout(SILENCE_MAX, heard.next()).await {
        let Message::Binary(bytes) = message else { continue };
        let said = match parted(&bytes) {
            Some((STDIN, bytes)) if !bytes.is_empty() => Some(Input::Bytes(bytes.to_vec())),
            Some((RESIZE, size)) => {
                size_of_terminal(size).map(|(columns, rows)| Input::Size(columns, rows))
            }
            Some((CLOSE, [STDIN])) => Some(Input::End),
            // Whatever else there may be one day.
            _ => None,
        };
        if let Some(said) = said {
            // A command that has ended hears nothing more; its end is told beside this.
            let _ = input.send(said).await;
        }
    }
    Gone
}

/// Waits until nobody says anything any more.
async fn until_gone(heard: &mut Heard) -> Gone {
    while let Ok(Some(Ok(_))) = timeout(SILENCE_MAX, heard.next()).await {}
    Gone
}

/// Says that the call has begun: an empty piece.
async fn begin(told: &mut Told) -> Result<(), Gone> {
    told.send(Message::Binary(vec![STDOUT].into())).await.map_err(|_| Gone)
}

async fn tell(
    told: &mut (impl Sink<Message> + Unpin),
    channel: u8,
    bytes: &[u8],
) -> Result<(), Gone> {
    for piece in bytes.chunks(PIECE_BYTES_MAX) {
        told.send(Message::Binary(frame(channel, piece).into())).await.map_err(|_| Gone)?;
    }
    Ok(())
}

/// Why a call is not carried out, with the HTTP status that fits.
fn refusal(error: &ActuatorError) -> Vec<u8> {
    let (code, reason) = match error.reason() {
        "NotFound" => (404, "NotFound"),
        "NotStarted" | "NotRunning" | "NoPrevious" => (400, "BadRequest"),
        _ => (500, "InternalError"),
    };
    failed(code, reason, &error.to_string())
}

#[cfg(test)]
mod tests {
    use futures::channel::mpsc::unbounded;

    use super::*;

    /// The first word comes within a tick of the timer.
    const AT_ONCE: Duration = Duration::from_millis(100);

    #[tokio::test]
    async fn a_server_hears_of_us_while_a_command_or_a_container_says_nothing() {
        let (command, output) = mpsc::channel(1);
        let options = ExecOptions::default();
        let (mut told, mut heard) = unbounded();
        let silent = tell_output(output, &options, &mut told);
        assert!(timeout(AT_ONCE, silent).await.is_err(), "the command goes on");
        assert_eq!(heard.try_recv().ok(), Some(Message::Ping(Bytes::new())));
        drop(command);

        let lines = futures::stream::pending().boxed();
        let silent = tell_lines(lines, None, &mut told);
        assert!(timeout(AT_ONCE, silent).await.is_err(), "so does the other");
        assert_eq!(heard.try_recv().ok(), Some(Message::Ping(Bytes::new())));
    }

    #[tokio::test]
    async fn what_nobody_asked_for_is_not_told() {
        for (stdout, stderr, wanted) in [(true, false, STDOUT), (false, true, STDERR)] {
            let (command, output) = mpsc::channel(3);
            let (out, err) = (b"out".to_vec(), b"err".to_vec());
            for said in [Output::Stdout(out), Output::Stderr(err), Output::Ended(Ok(0))] {
                assert!(command.send(said).await.is_ok());
            }
            let options = ExecOptions { stdout, stderr, ..ExecOptions::default() };
            let (mut told, heard) = unbounded();
            assert!(tell_output(output, &options, &mut told).await.is_ok());
            drop(told);
            let is_told = |message: &Message| matches!(message, Message::Binary(_));
            let channels: Vec<u8> = heard
                .filter(|message| std::future::ready(is_told(message)))
                .map(|message| message.into_data()[0])
                .collect()
                .await;
            assert_eq!(channels, [wanted]);
        }
    }
}
