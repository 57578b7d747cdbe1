//! One call, from its first frame to its last.
//!
//! Guarantee: the first frame says that the call has begun, or it is the last one and says why not. What
//! comes from the container waits until the server has taken what came before.

use std::time::Duration;

use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use setpoint_actuators::session::{Input, Lines, Output, PIECE_BYTES_MAX, Session};
use setpoint_actuators::{Actuator, ActuatorError};
use setpoint_schemas::call::{
    CLOSE, Deed, NodeCall, RESIZE, STDERR, STDIN, STDOUT, ended, failed, frame, parted,
    size_of_terminal,
};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::open::Line;

/// A server says every 20 s that it is there; one that does not for three of them is gone.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// A server takes the last frame at once, or not at all.
const LAST_WORDS_MAX: Duration = Duration::from_secs(10);

type Told = SplitSink<Line, Message>;
type Heard = SplitStream<Line>;

/// Why the other end hears no more.
struct Gone;

/// Serves a call until it ends or its caller has gone.
pub(super) async fn serve(actuator: &dyn Actuator, call: NodeCall, line: Line) {
    let (mut told, mut heard) = line.split();
    let served = match &call.deed {
        Deed::Logs(options) => match actuator.logs(&call.uid, &call.container, options).await {
            Ok(lines) => logs(lines, options.limit_bytes, &mut told, &mut heard).await,
            Err(error) => Ok(refusal(&error)),
        },
        Deed::Exec(options) => match actuator.session(&call.uid, &call.container, options).await {
            Ok(session) => exec(session, &mut told, &mut heard).await,
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
    told: &mut Told,
) -> Result<Vec<u8>, Gone> {
    let mut left = limit_bytes.and_then(|max| usize::try_from(max).ok()).unwrap_or(usize::MAX);
    while let Some(piece) = lines.next().await {
        let mut piece = match piece {
            Ok(piece) => piece,
            Err(error) => return Ok(refusal(&error)),
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
async fn exec(session: Session, told: &mut Told, heard: &mut Heard) -> Result<Vec<u8>, Gone> {
    let Session { input, output } = session;
    let tell = async {
        begin(told).await?;
        tell_output(output, told).await
    };
    tokio::select! {
        done = tell => done,
        gone = hear(heard, input) => Err(gone),
    }
}

async fn tell_output(mut output: mpsc::Receiver<Output>, told: &mut Told) -> Result<Vec<u8>, Gone> {
    while let Some(said) = output.recv().await {
        match said {
            Output::Stdout(bytes) => tell(told, STDOUT, &bytes).await?,
            Output::Stderr(bytes) => tell(told, STDERR, &bytes).await?,
            Output::Ended(Ok(code)) => return Ok(ended(code)),
            Output::Ended(Err(error)) => return Ok(refusal(&error)),
        }
    }
    Ok(failed(500, "InternalError", "the command ended without a word"))
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

async fn tell(told: &mut Told, channel: u8, bytes: &[u8]) -> Result<(), Gone> {
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
