//! Calls to this node's containers: asked for at the API, and answered over a connection that the agent
//! opens.
//!
//! The node accepts no connections. So it asks each server that it knows for calls, and opens one
//! WebSocket to that server for each: a call works at whichever server somebody made it.
//! Guarantee: a bounded number at once; a call whose caller or server has gone is ended, and what it
//! started in a container with it. Nothing that a container writes or is told is traced.
//! Absent: who may call; the API has judged that.

mod open;
mod forward;
mod serve;

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use setpoint_actuators::Actuator;
use setpoint_schemas::NodeName;
use setpoint_schemas::call::{NodeCall, NodeCalls};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tracing::debug;

use crate::client::{Api, Backoff};
use crate::standing::Whose;

/// Calls at once, of all servers together: each may hold a process and some hundred kilobytes.
const CALLS_MAX: usize = 64;
/// A server of an earlier version knows no calls; it may be replaced by a newer one.
const ABSENT_WAIT: Duration = Duration::from_secs(30);

/// What answering a call needs.
pub(crate) struct Desk {
    pub(crate) api: Arc<Api>,
    pub(crate) actuator: Arc<dyn Actuator>,
    pub(crate) node: NodeName,
    pub(crate) retry_max: Duration,
}

/// Answers calls for ever, while the node is ours.
pub(crate) async fn answer(desk: Desk, whose: watch::Receiver<Whose>) {
    let desk = Arc::new(desk);
    let room = Arc::new(Semaphore::new(CALLS_MAX));
    let server = |server| at(desk.clone(), server, whose.clone(), room.clone());
    join_all((0..desk.api.servers()).map(server)).await;
}

/// The same at one server.
async fn at(
    desk: Arc<Desk>,
    server: usize,
    mut whose: watch::Receiver<Whose>,
    room: Arc<Semaphore>,
) {
    let path = format!("/setpoint/v1/nodes/{}/calls", desk.node);
    let mut backoff = Backoff::new(desk.retry_max);
    // Ended with this: what they started must not outlive the agent's own end. An agent that crashes ends
    // nothing: with processes the next one does, on Docker such commands run on.
    let mut calls = JoinSet::new();
    loop {
        // Another agent's calls are about containers that we may not have.
        if whose.wait_for(|whose| matches!(whose, Whose::Ours)).await.is_err() {
            return std::future::pending().await;
        }
        match desk.api.poll_at::<NodeCalls>(server, &path).await {
            Ok(asked) => {
                backoff.reset();
                for call in asked.calls {
                    calls.spawn(take(desk.clone(), server, call, room.clone()));
                }
            }
            Err(error) if error.is_not_found() => tokio::time::sleep(ABSENT_WAIT).await,
            // Others tell of a server that does not answer.
            Err(error) => {
                debug!(%error, "no calls are heard");
                backoff.wait().await;
            }
        }
        while calls.try_join_next().is_some() {}
    }
}

/// Opens the connection of a call and serves it.
async fn take(desk: Arc<Desk>, server: usize, call: NodeCall, room: Arc<Semaphore>) {
    let Ok(_room) = room.acquire().await else { return };
    let path = format!("/setpoint/v1/nodes/{}/calls/{}", desk.node, call.id);
    match open::open(&desk.api, server, &path).await {
        Ok(line) => serve::serve(&*desk.actuator, call, line).await,
        // Whoever asked has gone, or is told by the server.
        Err(error) => debug!(%error, "a call is not answered"),
    }
}
