//! A Docker engine that Setpoint does not manage, shown as a node with its pods. Never acted upon.

use std::time::Duration;

use anyhow::Context as _;
use setpoint_agent::Session;
use setpoint_ingest_docker::{Scope, WatchSettings, Watcher, connect, watch};
use setpoint_schemas::NodeName;
use setpoint_settings::Settings;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{options, state};
use crate::clock::now_ms;

/// So long a lost event may go unnoticed.
const LIST_EVERY: Duration = Duration::from_secs(15);
/// An engine that is restarted is back within a few of these.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Batches that the API has not taken yet; beyond this the engine's events wait.
const BATCHES_MAX: usize = 64;

/// Watches until `closing`.
///
/// # Errors
/// Whatever keeps it from running; an engine that falls silent later is a node that is not ready.
pub(super) async fn serve(
    settings: &Settings,
    node: NodeName,
    closing: CancellationToken,
) -> anyhow::Result<()> {
    let host = &settings.agent.docker.host;
    let docker = connect(host).await;
    let docker = docker.with_context(|| format!("failed to reach the Docker engine at {host}"))?;
    let session = Session::begin(&state(settings, &node)?).context("the agent's session")?;
    let watcher =
        Watcher { node: node.clone(), session: session.id.clone(), scope: Scope::Unmanaged };
    let watching = WatchSettings { watcher, snapshot_every: LIST_EVERY, retry_after: RETRY_AFTER };
    let (sink, inputs) = mpsc::channel(BATCHES_MAX);
    let relay = setpoint_agent::relay(options(settings, node)?, session, inputs, closing.clone());
    tokio::select! {
        ended = relay => ended.context("the agent stopped"),
        () = watch(&docker, &watching, now_ms, sink, closing.clone()) => Ok(()),
    }
}
