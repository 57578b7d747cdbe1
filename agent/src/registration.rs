//! What the node says of itself: told at the start, after a reconnection, and when its condition
//! changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use reqwest::Method;
use setpoint_actuators::{Actuator, RuntimeInfo};
use setpoint_schemas::{Condition, ConditionStatus, NodeRecord, Resources};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::AgentOptions;
use crate::client::{Api, Backoff};
use crate::clock::now_ms;
use crate::session::Session;

/// How the runtime does, as the node's loop sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Health {
    /// It answers.
    Good,
    /// It does not, and why.
    Bad(String),
}

/// Registers the node, again and again when there is reason to.
pub(crate) async fn register(
    api: Arc<Api>,
    actuator: Arc<dyn Actuator>,
    options: Arc<AgentOptions>,
    session: Session,
    mut health: watch::Receiver<Health>,
) {
    let mut connections = api.connections();
    let mut transition_ms = now_ms();
    let mut backoff = Backoff::new(options.intervals.retry_max);
    let info = describe(&*actuator, &mut backoff).await;
    loop {
        let now = health.borrow_and_update().clone();
        let record = record(&options, &session, &info, &now, transition_ms);
        tell(&api, &record, &mut backoff).await;
        tokio::select! {
            changed = health.changed() => {
                if changed.is_err() {
                    return;
                }
                transition_ms = now_ms();
            }
            _ = connections.changed() => {}
        }
    }
}

async fn describe(actuator: &dyn Actuator, backoff: &mut Backoff) -> RuntimeInfo {
    loop {
        match actuator.describe().await {
            Ok(info) => return info,
            Err(error) => warn!(%error, "the runtime does not say what it is"),
        }
        backoff.wait().await;
    }
}

async fn tell(api: &Api, record: &NodeRecord, backoff: &mut Backoff) {
    let path = format!("/setpoint/v1/nodes/{}", record.node);
    loop {
        match api.send(Method::PUT, &path, record).await {
            Ok(()) => {
                info!(node = %record.node, session = %record.session, "registered");
                backoff.reset();
                return;
            }
            Err(error) => warn!(%error, "the node is not registered"),
        }
        backoff.wait().await;
    }
}

fn record(
    options: &AgentOptions,
    session: &Session,
    info: &RuntimeInfo,
    health: &Health,
    transition_ms: i64,
) -> NodeRecord {
    let capacity = capacity(info, &options.capacity);
    NodeRecord {
        node: options.node.clone(),
        session: session.id.clone(),
        started_ms: session.started_ms,
        time_ms: now_ms(),
        runtime: info.runtime.clone(),
        runtime_version: info.version.clone(),
        agent_version: env!("CARGO_PKG_VERSION").into(),
        address: options.address.clone(),
        allocatable: allocatable(&capacity, &options.reserved),
        capacity,
        labels: labels(options),
        conditions: vec![ready(health, transition_ms)],
    }
}

fn capacity(info: &RuntimeInfo, told: &Resources) -> Resources {
    let choose = |told: i64, found: i64| if told > 0 { told } else { found };
    let mut capacity = info.capacity.clone();
    capacity.cpu_milli = choose(told.cpu_milli, capacity.cpu_milli);
    capacity.memory_bytes = choose(told.memory_bytes, capacity.memory_bytes);
    capacity.ephemeral_bytes = choose(told.ephemeral_bytes, capacity.ephemeral_bytes);
    capacity.pods = choose(told.pods, capacity.pods);
    capacity.extended.extend(told.extended.clone());
    capacity
}

fn allocatable(capacity: &Resources, reserved: &Resources) -> Resources {
    let mut rest = capacity.clone();
    rest.subtract(reserved);
    rest.maximize(&Resources::default());
    rest.extended.retain(|_, amount| *amount > 0);
    rest
}

/// Kubernetes' well-known labels; configured ones win.
fn labels(options: &AgentOptions) -> BTreeMap<String, String> {
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let own = [
        ("kubernetes.io/hostname", options.node.as_str()),
        ("kubernetes.io/os", std::env::consts::OS),
        ("kubernetes.io/arch", arch),
    ];
    let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
    own.into_iter().chain(options.labels.clone()).collect()
}

fn ready(health: &Health, transition_ms: i64) -> Condition {
    let (status, reason, message) = match health {
        Health::Good => (ConditionStatus::True, "AgentReady", "the runtime answers".to_owned()),
        Health::Bad(why) => (ConditionStatus::False, "RuntimeNotReady", why.clone()),
    };
    let reason = reason.to_owned();
    Condition { kind: "Ready".into(), status, reason, message, transition_ms }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use setpoint_schemas::{FleetId, NodeName, SessionId};

    use super::*;

    #[test]
    fn what_is_reserved_is_not_allocatable_and_what_is_configured_wins() {
        let fleet = FleetId::parse("f").expect("valid");
        let node = NodeName::parse("n1").expect("valid");
        let mut options = AgentOptions::new(fleet, node, "http://x", PathBuf::new());
        options.capacity.cpu_milli = 3_000;
        options.reserved = Resources { cpu_milli: 500, memory_bytes: 99, ..Resources::default() };
        options.labels.insert("zone".into(), "a".into());
        options.labels.insert("kubernetes.io/os".into(), "plan9".into());
        let found =
            Resources { cpu_milli: 8_000, memory_bytes: 50, pods: 110, ..Resources::default() };
        let info = RuntimeInfo { runtime: "process".into(), version: "1".into(), capacity: found };
        let session = Session { id: SessionId::parse("s").expect("valid"), started_ms: 5 };
        let record = record(&options, &session, &info, &Health::Bad("down".into()), 7);
        assert_eq!(record.capacity.cpu_milli, 3_000);
        assert_eq!((record.allocatable.cpu_milli, record.allocatable.memory_bytes), (2_500, 0));
        assert_eq!(record.labels["kubernetes.io/hostname"], "n1");
        assert_eq!((&*record.labels["zone"], &*record.labels["kubernetes.io/os"]), ("a", "plan9"));
        assert_eq!((record.session.as_str(), record.started_ms), ("s", 5));
        assert!(!record.is_ready());
    }
}
