//! Room for calls that change something: how many at once, how many of one caller, and how many
//! bytes of bodies.
//!
//! Guarantee: a turn is taken only once the body is here, so who sends slowly keeps nobody from
//! writing. Clients and nodes have rooms of their own, and no caller fills one alone.
//! Absent: who may do what; that is decided before.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use futures::StreamExt;
use setpoint_schemas::REQUEST_BYTES_MAX;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::status::ApiError;

/// A body that becomes a request: it cannot be larger than the record.
pub(crate) const REQUEST_BODY_BYTES_MAX: usize = REQUEST_BYTES_MAX;
/// A node's report: a snapshot of some ten thousand pods with their containers.
pub(crate) const REPORT_BODY_BYTES_MAX: usize = 8 << 20;
/// What of a body over its bound is read only to be dropped; a caller of more is cut off.
const DROPPED_BYTES_MAX: usize = 256 << 20;
/// A body that takes longer is not coming.
const BODY_PATIENCE: Duration = Duration::from_secs(30);

/// Writes of clients at once: each waits for the leader's verdict, and more than these would only
/// wait there.
const CLIENT_TURNS: usize = 256;
/// Calls of one client that send a body, wait or are decided: a busy controller has some dozens.
const CLIENT_CALLS_MAX: usize = 1_024;
/// A request of the largest size in each turn of a client.
const CLIENT_BYTES_MAX: usize = 256 << 20;
/// Words of nodes at once: each waits for its append only, and in a fleet of ten thousand many
/// renew their leases in the same moment.
const NODE_TURNS: usize = 1_024;
/// Calls for one node: an agent has four, and as many again for each that it gave up.
const NODE_CALLS_MAX: usize = 16;
/// Reports of the largest size from sixty nodes; most are a few kilobytes.
const NODE_BYTES_MAX: usize = 512 << 20;

/// Room for so many calls.
pub(crate) struct Room {
    turns: Semaphore,
    bytes: Semaphore,
    callers: Mutex<HashMap<String, usize>>,
    calls_max: usize,
}

/// A call that is inside, with its body; it leaves when this is dropped.
pub(crate) struct Stay<'a> {
    pub(crate) body: Bytes,
    _turn: Option<SemaphorePermit<'a>>,
    _bytes: SemaphorePermit<'a>,
    _entry: Entry<'a>,
}

impl Room {
    /// The room of those who ask for changes.
    pub(crate) fn of_clients() -> Self {
        Room::new(CLIENT_TURNS, CLIENT_CALLS_MAX, CLIENT_BYTES_MAX)
    }

    /// The room of nodes, which speak for themselves.
    pub(crate) fn of_nodes() -> Self {
        Room::new(NODE_TURNS, NODE_CALLS_MAX, NODE_BYTES_MAX)
    }

    /// Reads the whole body, within a bound and in time, then waits for a turn.
    pub(crate) async fn enter(
        &self,
        caller: &str,
        body: Body,
        max: usize,
    ) -> Result<Stay<'_>, ApiError> {
        let entry = self.entry(caller)?;
        let read = tokio::time::timeout(BODY_PATIENCE, self.bounded(body, max)).await;
        let slow =
            |_| ApiError::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time");
        let (body, bytes) = read.map_err(slow)??;
        let turn = self.turns.acquire().await.ok();
        Ok(Stay { body, _turn: turn, _bytes: bytes, _entry: entry })
    }

    fn new(turns: usize, calls_max: usize, bytes_max: usize) -> Self {
        let (turns, bytes) = (Semaphore::new(turns), Semaphore::new(bytes_max));
        Room { turns, bytes, callers: Mutex::default(), calls_max }
    }

    fn entry(&self, caller: &str) -> Result<Entry<'_>, ApiError> {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        let calls = callers.entry(caller.to_owned()).or_default();
        if *calls >= self.calls_max {
            return Err(too_many(format!("{caller:?} has {calls} calls open: try again later")));
        }
        *calls += 1;
        Ok(Entry { room: self, caller: caller.to_owned() })
    }

    /// What is over the bound is read on and dropped: a caller who is cut off while it still sends
    /// learns of a broken connection, and never of the bound.
    async fn bounded(
        &self,
        body: Body,
        max: usize,
    ) -> Result<(Bytes, SemaphorePermit<'_>), ApiError> {
        let (mut stream, mut held, mut bytes) = (body.into_data_stream(), Vec::new(), 0_usize);
        let mut reserved = self.reserve(0)?;
        while let Some(part) = stream.next().await {
            let part = part.map_err(|_| ApiError::bad_request("the body broke off"))?;
            bytes = bytes.saturating_add(part.len());
            match bytes {
                _ if bytes <= max => {
                    reserved.merge(self.reserve(part.len())?);
                    held.extend_from_slice(&part);
                }
                _ if bytes <= DROPPED_BYTES_MAX => held = Vec::new(),
                _ => break,
            }
        }
        if bytes <= max {
            return Ok((held.into(), reserved));
        }
        let message = format!("the body is larger than {max} bytes");
        Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, message))
    }

    /// Whoever would wait for bytes holds some itself, so nobody waits.
    fn reserve(&self, bytes: usize) -> Result<SemaphorePermit<'_>, ApiError> {
        let full = || too_many("the server holds too many bodies: try again later".to_owned());
        let bytes = u32::try_from(bytes).map_err(|_| full())?;
        self.bytes.try_acquire_many(bytes).map_err(|_| full())
    }
}

/// A call in its caller's count.
struct Entry<'a> {
    room: &'a Room,
    caller: String,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        let mut callers = self.room.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(calls) = callers.get_mut(&self.caller) {
            *calls -= 1;
            if *calls == 0 {
                callers.remove(&self.caller);
            }
        }
    }
}

fn too_many(message: String) -> ApiError {
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_caller_fills_no_room_alone_and_leaves_what_it_took() {
        let room = Room::new(4, 2, 10);
        let first = room.enter("a", Body::from("12345"), 8).await.expect("there is room");
        let second = room.enter("a", Body::empty(), 8).await.expect("there is room");
        let refusal =
            |stay: Result<Stay<'_>, ApiError>| stay.map(drop).map_err(|e| e.code.as_u16());
        assert_eq!(refusal(room.enter("a", Body::empty(), 8).await), Err(429), "a third of a");
        assert_eq!(refusal(room.enter("b", Body::from("123456"), 8).await), Err(429), "bytes");
        assert_eq!(refusal(room.enter("b", Body::from("123456789"), 8).await), Err(413));
        drop((first, second));
        assert_eq!(refusal(room.enter("a", Body::from("12345678"), 8).await), Ok(()));
        assert!(room.callers.lock().expect("no panic").is_empty());
        assert_eq!((room.turns.available_permits(), room.bytes.available_permits()), (4, 10));
    }
}
