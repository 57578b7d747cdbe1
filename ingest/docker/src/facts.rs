//! What an engine says of one container: in a list, or in an event.

use std::collections::BTreeMap;

use bollard::models::{
    ContainerInspectResponse, EventMessage, EventMessageTypeEnum, HealthStatusEnum,
};
use setpoint_schemas::ContainerState;

/// What Docker writes for a time that has not come.
const NEVER: &str = "0001-01-01";
const NANOS_PER_MILLI: i64 = 1_000_000;
const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// What is known of one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The engine's id of it.
    pub id: String,
    /// Its name, without the slash.
    pub name: String,
    /// Its image, as it was asked for.
    pub image: String,
    /// Its labels; from an event also the event's own attributes.
    pub labels: BTreeMap<String, String>,
    /// Its state.
    pub state: ContainerState,
    /// Whether the engine itself is about to start it again.
    pub restarting: bool,
    /// Whether it is paused.
    pub paused: bool,
    /// What its health check says; `None` without one.
    pub healthy: Option<bool>,
    /// The code of its last end.
    pub exit_code: Option<i32>,
    /// Whether the kernel killed it for want of memory.
    pub oom_killed: bool,
    /// What the engine says went wrong; empty when nothing.
    pub error: String,
    /// How often the engine itself restarted it.
    pub restarts: i32,
    /// Its address; empty when it has none.
    pub address: String,
    /// When it last started, by the engine's clock, milliseconds since 1970; 0 when never.
    pub started_ms: i64,
    /// When it last ended, by the engine's clock, milliseconds since 1970; 0 when never.
    pub finished_ms: i64,
}

/// Something that happened to a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The engine's id of the container.
    pub id: String,
    /// What happened, in the engine's word, such as `die`.
    pub action: String,
    /// What goes with it: name, image, labels, exit code.
    pub attributes: BTreeMap<String, String>,
    /// When, by the engine's clock, nanoseconds since 1970.
    pub time_ns: i64,
}

impl Event {
    /// The event, when it is about a container.
    #[must_use]
    pub fn of(message: EventMessage) -> Option<Event> {
        if message.typ != Some(EventMessageTypeEnum::CONTAINER) {
            return None;
        }
        let actor = message.actor?;
        let seconds = message.time.unwrap_or(0);
        Some(Event {
            id: actor.id.filter(|id| !id.is_empty())?,
            action: message.action?,
            attributes: actor.attributes.unwrap_or_default().into_iter().collect(),
            time_ns: message.time_nano.unwrap_or_else(|| seconds.saturating_mul(NANOS_PER_SECOND)),
        })
    }

    pub(crate) fn time_ms(&self) -> i64 {
        self.time_ns / NANOS_PER_MILLI
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }
}

impl Facts {
    /// What an event alone tells of a container that was not known: it was made.
    #[must_use]
    pub fn of_event(event: &Event) -> Facts {
        Facts {
            id: event.id.clone(),
            name: event.attribute("name").unwrap_or_default().to_owned(),
            image: event.attribute("image").unwrap_or_default().to_owned(),
            labels: event.attributes.clone(),
            state: ContainerState::Waiting,
            restarting: false,
            paused: false,
            healthy: None,
            exit_code: None,
            oom_killed: false,
            error: String::new(),
            restarts: 0,
            address: String::new(),
            started_ms: 0,
            finished_ms: 0,
        }
    }

    /// What the engine tells of a container when it is asked; `None` without an id.
    #[must_use]
    pub fn of_inspect(container: ContainerInspectResponse) -> Option<Facts> {
        let address = address(&container).unwrap_or_default();
        let state = container.state.unwrap_or_default();
        let config = container.config.unwrap_or_default();
        let started_ms = millis(state.started_at.as_deref());
        let restarting = state.restarting == Some(true);
        let now = match (restarting, state.running == Some(true), started_ms > 0) {
            (true, _, _) => ContainerState::Waiting,
            (false, true, _) => ContainerState::Running,
            (false, false, true) => ContainerState::Terminated,
            (false, false, false) => ContainerState::Waiting,
        };
        let ended = restarting || now == ContainerState::Terminated;
        Some(Facts {
            id: container.id?,
            name: container.name.unwrap_or_default().trim_start_matches('/').to_owned(),
            image: config.image.unwrap_or_default(),
            labels: config.labels.unwrap_or_default().into_iter().collect(),
            state: now,
            restarting,
            paused: state.paused == Some(true),
            healthy: state.health.and_then(|health| match health.status? {
                HealthStatusEnum::HEALTHY => Some(true),
                HealthStatusEnum::UNHEALTHY | HealthStatusEnum::STARTING => Some(false),
                _ => None,
            }),
            exit_code: state.exit_code.filter(|_| ended).and_then(|code| i32::try_from(code).ok()),
            oom_killed: state.oom_killed == Some(true),
            error: state.error.unwrap_or_default(),
            restarts: container.restart_count.and_then(|n| i32::try_from(n).ok()).unwrap_or(0),
            address,
            started_ms,
            // The engine notes the start after containerd has noted the end of what ends at once.
            finished_ms: if ended {
                millis(state.finished_at.as_deref()).max(started_ms)
            } else {
                0
            },
        })
    }
}

fn address(container: &ContainerInspectResponse) -> Option<String> {
    let networks = container.network_settings.as_ref()?.networks.as_ref()?;
    let addresses = networks.values().filter_map(|endpoint| endpoint.ip_address.clone());
    addresses.filter(|address| !address.is_empty()).min()
}

/// Docker's time as milliseconds since 1970, 0 when it has not come.
fn millis(time: Option<&str>) -> i64 {
    let time = time.filter(|text| !text.starts_with(NEVER));
    let time = time.and_then(|text| text.parse::<jiff::Timestamp>().ok());
    time.map_or(0, jiff::Timestamp::as_millisecond)
}
