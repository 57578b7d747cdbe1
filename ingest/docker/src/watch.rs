//! The one task that talks to an engine: subscribe, list, merge; list again from time to time.
//!
//! The subscription begins at the engine's own time from before the list, so that nothing between
//! the two is missed; what is in both changes nothing twice.

use std::time::Duration;

use bollard::errors::Error;
use bollard::models::{EventMessage, SystemInfo};
use bollard::query_parameters::{
    EventsOptionsBuilder, InspectContainerOptions, ListContainersOptionsBuilder,
};
use bollard::{API_DEFAULT_VERSION, Docker};
use futures::Stream;
use futures::stream::{self, StreamExt, TryStreamExt};
use setpoint_schemas::{Input, NodeRecord};
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;

use crate::{Event, Facts, View, Watcher, node_of, node_unreachable};

/// An engine under load answers in seconds; one that takes longer hangs.
const ANSWER_SECONDS_MAX: u64 = 60;
/// Enough to hide the engine's latency; more only queues inside it.
const CALLS_AT_ONCE: usize = 8;

/// How an engine is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchSettings {
    /// Who watches what.
    pub watcher: Watcher,
    /// How often everything is listed: so long a lost event may go unnoticed.
    pub snapshot_every: Duration,
    /// The wait before an engine that does not answer is tried again.
    pub retry_after: Duration,
}

/// Why a watch ended or an engine could not be reached.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The engine does not answer, or not as one does.
    #[error("failed to {attempt}")]
    Engine {
        /// What was attempted.
        attempt: &'static str,
        /// What the client said.
        #[source]
        source: Error,
    },
    /// The engine ended the stream of events.
    #[error("the engine ended its stream of events")]
    Ended,
    /// Nobody takes the observations any more.
    #[error("nobody takes the observations")]
    Closed,
}

/// Connects to the engine at `unix://…` or `tcp://…` and agrees with it on a version of its API.
///
/// # Errors
/// [`WatchError::Engine`] when it does not answer.
pub async fn connect(host: &str) -> Result<Docker, WatchError> {
    let docker = if host.starts_with("tcp://") {
        Docker::connect_with_http(host, ANSWER_SECONDS_MAX, API_DEFAULT_VERSION)
    } else {
        Docker::connect_with_unix(host, ANSWER_SECONDS_MAX, API_DEFAULT_VERSION)
    };
    let docker = docker.map_err(engine("connect to the engine"))?;
    docker.negotiate_version().await.map_err(engine("agree on a version of the API"))
}

/// Watches an engine until cancelled, or until nobody takes the observations. An engine that does
/// not answer is told as a node that is not ready, and tried again. `clock` is the watcher's clock,
/// milliseconds since 1970.
///
/// Sends the node's record when it changed, then observations in order; each batch whole.
pub async fn watch(
    docker: &Docker,
    settings: &WatchSettings,
    clock: impl Fn() -> i64 + Send + Sync,
    sink: Sender<Vec<Input>>,
    cancel: CancellationToken,
) {
    let view = View::new(settings.watcher.clone());
    let mut watch = Watch { docker, settings, clock, sink, view, node: None };
    tokio::select! {
        () = cancel.cancelled() => {}
        () = watch.run() => {}
    }
}

struct Watch<'a, C> {
    docker: &'a Docker,
    settings: &'a WatchSettings,
    clock: C,
    sink: Sender<Vec<Input>>,
    view: View,
    node: Option<NodeRecord>,
}

impl<C: Fn() -> i64 + Send + Sync> Watch<'_, C> {
    async fn run(&mut self) {
        loop {
            let ended = match self.follow().await {
                Err(WatchError::Closed) => return,
                Err(error) => error,
                Ok(never) => match never {},
            };
            tracing::warn!(node = %self.settings.watcher.node, reason = %ended, "engine lost from sight");
            if self.tell_unreachable(&ended).await.is_err() {
                return;
            }
            tokio::time::sleep(self.settings.retry_after).await;
        }
    }

    /// One subscription, until it ends.
    async fn follow(&mut self) -> Result<std::convert::Infallible, WatchError> {
        let since = self.info().await?;
        let mut events = std::pin::pin!(self.subscribe(engine_time(&since)));
        let mut listing = tokio::time::interval(self.settings.snapshot_every);
        listing.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = listing.tick() => self.list().await?,
                event = events.next() => {
                    let event = event.ok_or(WatchError::Ended)?.map_err(engine("read events"))?;
                    if let Some(event) = Event::of(event) {
                        let inputs = self.view.event(&event, (self.clock)());
                        self.send(inputs).await?;
                    }
                }
            }
        }
    }

    fn subscribe(&self, since_ns: i64) -> impl Stream<Item = Result<EventMessage, Error>> + use<C> {
        let wanted = [("type".to_owned(), vec!["container".to_owned()])].into();
        let mut options = EventsOptionsBuilder::new().filters(&wanted);
        if since_ns > 0 {
            let (seconds, nanos) = (since_ns / 1_000_000_000, since_ns % 1_000_000_000);
            options = options.since(&format!("{seconds}.{nanos:09}"));
        }
        self.docker.events(Some(options.build()))
    }

    async fn list(&mut self) -> Result<(), WatchError> {
        let info = self.info().await?;
        let containers = containers(self.docker).await?;
        let now_ms = (self.clock)();
        let node = node_of(&self.settings.watcher, &info, now_ms);
        let mut inputs = self.node_changed(node);
        inputs.extend(self.view.listed(containers, engine_time(&info), now_ms));
        self.send(inputs).await
    }

    /// The node's record when something but its time changed.
    fn node_changed(&mut self, mut node: NodeRecord) -> Vec<Input> {
        if let Some(last) = &self.node {
            if last.is_ready() == node.is_ready() {
                node.conditions.clone_from(&last.conditions);
            }
            let same = NodeRecord { time_ms: last.time_ms, ..node.clone() };
            if same == *last {
                return Vec::new();
            }
        }
        self.node = Some(node.clone());
        vec![Input::Node(Box::new(node))]
    }

    async fn tell_unreachable(&mut self, why: &WatchError) -> Result<(), WatchError> {
        let (watcher, now_ms) = (&self.settings.watcher, (self.clock)());
        let node = node_unreachable(watcher, self.node.as_ref(), &why.to_string(), now_ms);
        let inputs = self.node_changed(node);
        self.send(inputs).await
    }

    async fn info(&self) -> Result<SystemInfo, WatchError> {
        self.docker.info().await.map_err(engine("ask the engine about itself"))
    }

    async fn send(&self, inputs: Vec<Input>) -> Result<(), WatchError> {
        if inputs.is_empty() {
            return Ok(());
        }
        self.sink.send(inputs).await.map_err(|_closed| WatchError::Closed)
    }
}

/// Every container in detail. One that goes away between list and look is left out.
async fn containers(docker: &Docker) -> Result<Vec<Facts>, WatchError> {
    let options = ListContainersOptionsBuilder::new().all(true).build();
    let list = docker.list_containers(Some(options)).await.map_err(engine("list containers"))?;
    let looks =
        stream::iter(list.into_iter().filter_map(|summary| summary.id)).map(|id| async move {
            match docker.inspect_container(&id, None::<InspectContainerOptions>).await {
                Ok(details) => Ok(Facts::of_inspect(details)),
                Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
                Err(error) => Err(engine("inspect a container")(error)),
            }
        });
    looks.buffered(CALLS_AT_ONCE).try_filter_map(|facts| async { Ok(facts) }).try_collect().await
}

/// The engine's own time, nanoseconds since 1970; 0 when it does not tell.
fn engine_time(info: &SystemInfo) -> i64 {
    let time = info.system_time.as_deref().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    time.and_then(|time| i64::try_from(time.as_nanosecond()).ok()).unwrap_or(0)
}

fn engine(attempt: &'static str) -> impl Fn(Error) -> WatchError {
    move |source| WatchError::Engine { attempt, source }
}
