//! The connection of one call: what the node says goes to the caller, what the caller says to the node.
//!
//! Guarantee: nothing waits here but a few frames; who does not read makes the other end wait, down to the
//! container. A node that goes away is told to the caller in words, and a caller that goes away ends the
//! call at the node.
//! Absent: what is written and said; it is neither looked at nor traced.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use axum::http::StatusCode;
use futures::stream::{SplitSink, SplitStream};
use futures::{Sink, SinkExt, Stream, StreamExt};
use setpoint_schemas::NodeName;
use setpoint_schemas::call::{
    CLOSE, CallEnd, RESIZE, STATUS, STDERR, STDIN, STDOUT, failed, parted,
};
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::calls::{Opened, Ticket};
use crate::connections::CallOn;
use crate::state::now_ms;
use crate::status::ApiError;

/// A message of a caller: kubectl's have 32 KiB at most, and ours too.
pub(crate) const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// A message of an agent: twice a piece of 32 KiB, so that a later version may say more beside it.
pub(crate) const NODE_MESSAGE_BYTES_MAX: usize = 64 << 10;
/// Frames that wait for a reader of logs: half a megabyte at most.
const FRAMES_MAX: usize = 8;
/// A runtime says within this whether it can do what is asked: one that takes longer hangs.
const BEGUN_WITHIN: Duration = Duration::from_secs(60);
/// The node is told that we are there, so that it sees when we are not.
const PING_EVERY: Duration = Duration::from_secs(20);
/// A node answers every ping; one that answers none of three is gone.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// The kubelet's bound for a call in which nothing is said.
const IDLE_MS_MAX: i64 = 4 * 60 * 60 * 1_000;
/// What was said is on its way by then.
const SENT_WITHIN: Duration = Duration::from_millis(200);
/// Whoever is told the end takes it at once, or not at all.
const LAST_WORDS_MAX: Duration = Duration::from_secs(5);

type Told = SplitSink<WebSocket, Message>;
type Heard = SplitStream<WebSocket>;

/// A call that a node serves.
pub(crate) struct Line {
    told: Told,
    heard: Heard,
    node: NodeName,
    closing: CancellationToken,
    /// When something was said last.
    active_ms: AtomicI64,
    _on: Option<CallOn>,
    _ticket: Ticket,
}

/// A frame of the node, or that it went away.
enum Said {
    Frame(Bytes),
    Ended(Bytes),
    Gone,
}

impl Line {
    /// The connection that an agent opened, once the node has begun.
    pub(crate) async fn begun(
        (opened, ticket): (Opened, Ticket),
        node: NodeName,
        closing: CancellationToken,
    ) -> Result<Line, ApiError> {
        let (told, heard) = opened.socket.split();
        let active_ms = AtomicI64::new(now_ms());
        let mut line =
            Line { told, heard, node, closing, active_ms, _on: opened.on, _ticket: ticket };
        let gateway = |message| ApiError::new(StatusCode::GATEWAY_TIMEOUT, message);
        match timeout(BEGUN_WITHIN, said(&mut line.heard)).await {
            Ok(Said::Frame(_)) => Ok(line),
            Ok(Said::Ended(status)) => match CallEnd::parse(&status) {
                CallEnd::Failed(code, _, message) => Err(ApiError::new(status_of(code), message)),
                CallEnd::Code(_) => Err(gateway(format!("node {} said nothing", line.node))),
            },
            Ok(Said::Gone) => Err(gateway(gone(&line.node))),
            Err(_) => {
                let seconds = BEGUN_WITHIN.as_secs();
                let node = &line.node;
                Err(gateway(format!(
                    "the runtime of node {node} has not answered within {seconds} s"
                )))
            }
        }
    }

    /// What the container wrote, as bytes. Where the node went away before the end, a line that says
    /// so is the last one and the stream breaks off.
    pub(crate) fn into_bytes(self) -> impl Stream<Item = std::io::Result<Bytes>> {
        let (tell, hear) = mpsc::channel(FRAMES_MAX);
        tokio::spawn(self.read_out(tell));
        let next =
            |mut hear: mpsc::Receiver<_>| async { hear.recv().await.map(|item| (item, hear)) };
        futures::stream::unfold(hear, next)
    }

    async fn read_out(self, tell: mpsc::Sender<std::io::Result<Bytes>>) {
        let Line { mut told, mut heard, node, closing, active_ms, _on, _ticket } = self;
        let read = async {
            loop {
                let piece = match said(&mut heard).await {
                    Said::Frame(frame) => frame.slice(1..),
                    Said::Ended(status) => return words_of_end(&status),
                    Said::Gone => return Some(gone(&node)),
                };
                active_ms.store(now_ms(), Ordering::Relaxed);
                if !piece.is_empty() && tell.send(Ok(piece)).await.is_err() {
                    return None;
                }
            }
        };
        let why = tokio::select! {
            why = read => why,
            why = kept(&mut told, &active_ms) => Some(why),
            () = tell.closed() => None,
            () = closing.cancelled() => Some("the server closes".to_owned()),
        };
        if let Some(why) = why {
            // Both for people and for programs.
            let line = Bytes::from(format!("\n{why}\n"));
            let _ = timeout(LAST_WORDS_MAX, tell.send(Ok(line))).await;
            // Who breaks off throws away what was not sent yet.
            sleep(SENT_WITHIN).await;
            let _ = timeout(LAST_WORDS_MAX, tell.send(Err(std::io::Error::other(why)))).await;
        }
        let _ = timeout(LAST_WORDS_MAX, told.close()).await;
    }

    /// Speaks with a caller until either ends.
    pub(crate) async fn speak(self, caller: WebSocket) {
        let Line { mut told, mut heard, node, closing, active_ms, _on, _ticket } = self;
        let (mut to_caller, mut from_caller) = caller.split();
        let down = async {
            let mut pings = pings();
            loop {
                let (frame, is_last) = match said_to(&mut to_caller, &mut heard, &mut pings).await?
                {
                    Said::Frame(frame) => (frame, false),
                    Said::Ended(status) => (with_channel(&status), true),
                    Said::Gone => return Some(gone(&node)),
                };
                active_ms.store(now_ms(), Ordering::Relaxed);
                let sent = to_caller.send(Message::Binary(frame)).await;
                if is_last || sent.is_err() {
                    return None;
                }
            }
        };
        let why = tokio::select! {
            why = down => why,
            why = passed_on(&mut from_caller, &mut told, &active_ms) => why,
            () = closing.cancelled() => Some("the server closes".to_owned()),
        };
        let bye = async {
            if let Some(why) = why {
                let last = failed(StatusCode::GATEWAY_TIMEOUT.as_u16(), "Timeout", &why);
                let _ = to_caller.send(Message::Binary(last.into())).await;
            }
            // kubectl takes a close without a code for a connection that broke, and the status with it.
            let close = CloseFrame { code: close_code::NORMAL, reason: "".into() };
            let _ = to_caller.send(Message::Close(Some(close))).await;
            // What a caller says meanwhile is read: unread, it would take the last words with it.
            while let Some(Ok(_)) = from_caller.next().await {}
        };
        let _ = timeout(LAST_WORDS_MAX, bye).await;
        let _ = timeout(LAST_WORDS_MAX, told.close()).await;
    }
}

/// The status of a refusal: what a node says that is none is the node's mistake.
fn status_of(code: u16) -> StatusCode {
    let status = StatusCode::from_u16(code).ok();
    let is_refusal = |status: &StatusCode| status.is_client_error() || status.is_server_error();
    status.filter(is_refusal).unwrap_or(StatusCode::BAD_GATEWAY)
}

/// The next frame of the node towards the caller.
async fn said(heard: &mut Heard) -> Said {
    while let Ok(Some(Ok(message))) = timeout(SILENCE_MAX, heard.next()).await {
        let Message::Binary(frame) = message else { continue };
        match parted(&frame) {
            Some((STDOUT | STDERR, _)) => return Said::Frame(frame),
            Some((STATUS, _)) => return Said::Ended(frame.slice(1..)),
            _ => {}
        }
    }
    Said::Gone
}

/// The next frame of the node, while the caller is asked whether it is there: one that has left and that
/// nobody reads any more is seen by that alone. `None` when it is gone.
async fn said_to(to_caller: &mut Told, heard: &mut Heard, pings: &mut Interval) -> Option<Said> {
    let mut said = std::pin::pin!(said(heard));
    loop {
        tokio::select! {
            said = &mut said => return Some(said),
            _ = pings.tick() => to_caller.send(Message::Ping(Bytes::new())).await.ok()?,
        }
    }
}

/// Passes on what the caller says, and tells the node that we are there; why it ends, `None` when the
/// caller has gone.
async fn passed_on<E>(
    from_caller: &mut (impl Stream<Item = Result<Message, E>> + Unpin),
    told: &mut (impl Sink<Message> + Unpin),
    active_ms: &AtomicI64,
) -> Option<String> {
    let mut pings = pings();
    // One message is read ahead: so a caller is seen to leave while the node takes nothing.
    let mut ahead = None;
    loop {
        let message = match ahead.take() {
            Some(message) => message,
            None => tokio::select! {
                message = for_a_node(from_caller, active_ms) => message?,
                _ = pings.tick() => Message::Ping(Bytes::new()),
            },
        };
        if let Some(why) = idle(active_ms) {
            return Some(why);
        }
        let mut sending = told.send(message);
        let sent = loop {
            tokio::select! {
                sent = &mut sending => break sent,
                message = for_a_node(from_caller, active_ms), if ahead.is_none() => {
                    ahead = Some(message?);
                }
            }
        };
        if sent.is_err() {
            // The other direction says that the node went away.
            sleep(SILENCE_MAX).await;
        }
    }
}

/// The next message of the caller that is for the node; `None` when the caller has gone.
async fn for_a_node<E>(
    from_caller: &mut (impl Stream<Item = Result<Message, E>> + Unpin),
    active_ms: &AtomicI64,
) -> Option<Message> {
    loop {
        match from_caller.next().await? {
            Ok(Message::Binary(frame)) if is_for_a_node(&frame) => {
                active_ms.store(now_ms(), Ordering::Relaxed);
                return Some(Message::Binary(frame));
            }
            Ok(Message::Close(_)) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

/// Tells the node that we are there until nothing was said for too long, and says so.
async fn kept(told: &mut Told, active_ms: &AtomicI64) -> String {
    let mut pings = pings();
    loop {
        pings.tick().await;
        if let Some(why) = idle(active_ms) {
            return why;
        }
        // A node that went away is seen where it is heard.
        let _ = told.send(Message::Ping(Bytes::new())).await;
    }
}

fn pings() -> Interval {
    let mut pings = interval(PING_EVERY);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first one comes when it is due, as the others do.
    pings.reset();
    pings
}

fn idle(active_ms: &AtomicI64) -> Option<String> {
    let idle_ms = now_ms().saturating_sub(active_ms.load(Ordering::Relaxed));
    let hours = IDLE_MS_MAX / (60 * 60 * 1_000);
    (idle_ms > IDLE_MS_MAX).then(|| format!("nothing was said for {hours} hours"))
}

fn is_for_a_node(frame: &[u8]) -> bool {
    matches!(parted(frame), Some((STDIN | RESIZE | CLOSE, _)))
}

fn with_channel(status: &[u8]) -> Bytes {
    setpoint_schemas::call::frame(STATUS, status).into()
}

/// What a reader of logs is told of their end; nothing when all were told.
fn words_of_end(status: &[u8]) -> Option<String> {
    match CallEnd::parse(status) {
        CallEnd::Code(_) => None,
        CallEnd::Failed(_, _, message) => Some(message),
    }
}

fn gone(node: &NodeName) -> String {
    format!("the agent of node {node} went away")
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::channel::mpsc::channel;

    use super::*;

    #[test]
    fn a_refusal_has_the_status_of_one() {
        let statuses = [404, 500, 200, 101, 302, 0, 9_999].map(|code| status_of(code).as_u16());
        assert_eq!(statuses, [404, 500, 502, 502, 502, 502, 502]);
    }

    #[tokio::test]
    async fn a_caller_that_leaves_is_seen_while_the_node_takes_nothing() {
        // Room for one message, which nobody takes.
        let (mut told, _node) = channel(0);
        let typed = || Ok::<_, Infallible>(Message::Binary(vec![STDIN, b'x'].into()));
        let mut caller = futures::stream::iter([typed()]);
        let active_ms = AtomicI64::new(now_ms());
        let passed = passed_on(&mut caller, &mut told, &active_ms);
        assert_eq!(timeout(Duration::from_secs(30), passed).await, Ok(None));
    }
}
