//! What the node says of itself: told at the start, when its condition changes, and when the API
//! no longer knows it. An API that was away and still knows it is told nothing: another agent may
//! have taken the node meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use setpoint_actuators::{Actuator, RuntimeInfo};
use setpoint_schemas::{
    Condition, ConditionStatus, Device, GPU, GPU_PRODUCT, NodeAnswer, NodeRecord, RUNTIME_LABEL,
    Resources, add_devices,
};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::AgentOptions;
use crate::client::{Api, Backoff};
use crate::clock::now_ms;
use crate::lease::Expected;
use crate::pressure::Pressures;
use crate::pressure::conditions::conditions;
use crate::room::Room;
use crate::session::Session;
use crate::standing::{Holder, Whose};

/// A registration shows in the lists of placements within this, or is told again.
const SHOWS_MAX: Duration = Duration::from_secs(2);

/// How the runtime does, as the node's loop sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Health {
    /// It answers.
    Good,
    /// It does not, and why.
    Bad(String),
}

/// What registering depends on, and who hears of it.
pub(crate) struct Ties {
    /// How the runtime does.
    pub(crate) health: watch::Receiver<Health>,
    /// How the disks do.
    pub(crate) room: watch::Receiver<Room>,
    /// What the node is short of.
    pub(crate) pressures: watch::Receiver<Pressures>,
    /// Whose the node is.
    pub(crate) whose: watch::Receiver<Whose>,
    /// Who hears that the node is registered.
    pub(crate) told: Told,
}

/// Who hears that the node is registered.
pub(crate) struct Told {
    /// Counts the registrations.
    pub(crate) registrations: watch::Sender<u64>,
    /// How often the engine expects the lease.
    pub(crate) expected: Expected,
}

/// Registers the node, again and again when there is reason to.
pub(crate) async fn register(
    api: Arc<Api>,
    actuator: Arc<dyn Actuator>,
    options: Arc<AgentOptions>,
    session: Session,
    ties: Ties,
) {
    let Ties { mut health, mut room, mut pressures, whose, told } = ties;
    let retry_max = options.intervals.retry_max;
    let info = describe(&*actuator, &mut Backoff::new(retry_max)).await;
    let mut ready = as_ready(&health.borrow_and_update(), now_ms());
    let of_strains = |room: &Room, pressures: &Pressures, before: &[Condition]| {
        conditions(room, pressures, now_ms(), before)
    };
    let mut strains = of_strains(&room.borrow_and_update(), &pressures.borrow_and_update(), &[]);
    let record = |ready: &Condition, strains: &[Condition]| {
        let conditions = std::iter::once(ready).chain(strains).cloned().collect();
        Some(record(&options, &session, &info, conditions))
    };
    let records = watch::channel(record(&ready, &strains));
    let changes = async {
        loop {
            tokio::select! {
                Ok(()) = health.changed() => ready = as_ready(&health.borrow_and_update(), now_ms()),
                Ok(()) = room.changed() => {}
                Ok(()) = pressures.changed() => {}
                else => return,
            }
            strains =
                of_strains(&room.borrow_and_update(), &pressures.borrow_and_update(), &strains);
            records.0.send_replace(record(&ready, &strains));
        }
    };
    tokio::join!(changes, announce(api, records.1, whose, told, retry_max));
}

/// Tells the API of the node: when its record changes, and when the API no longer knows it.
pub(crate) async fn announce(
    api: Arc<Api>,
    mut records: watch::Receiver<Option<NodeRecord>>,
    mut whose: watch::Receiver<Whose>,
    told: Told,
    retry_max: Duration,
) {
    let mut backoff = Backoff::new(retry_max);
    let mut at_least_ms = 0;
    loop {
        let record = records.borrow_and_update().clone();
        let record = record
            .map(|record| NodeRecord { started_ms: record.started_ms.max(at_least_ms), ..record });
        if let Some(record) = &record {
            told.expected.hear(tell(&api, record, &mut backoff).await);
            told.registrations.send_modify(|count| *count += 1);
        }
        tokio::select! {
            changed = records.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            holder = forgotten(&mut whose), if record.is_some() => {
                let ours_ms = record.as_ref().map_or(0, |record| record.started_ms);
                at_least_ms = holder.map_or(0, |holder| above(&holder, ours_ms));
            }
        }
    }
}

/// Waits until the lists say for a while that the node is not ours, and whose it is.
async fn forgotten(whose: &mut watch::Receiver<Whose>) -> Option<Holder> {
    loop {
        if whose.wait_for(Whose::is_not_ours).await.is_err() {
            // Whoever tells us ends: so does the agent.
            return std::future::pending().await;
        }
        let ours = whose.wait_for(|whose| !whose.is_not_ours());
        if tokio::time::timeout(SHOWS_MAX, ours).await.is_err() {
            return match &*whose.borrow() {
                Whose::NotOurs(holder) => holder.clone(),
                Whose::Ours | Whose::Taken(_) => None,
            };
        }
    }
}

/// The number that this life needs to come after the one that has the node. The engine takes a lower
/// one for late words of an earlier life; ours is lower where a clock is wrong, and the log, not a
/// clock, says who came last.
fn above(holder: &Holder, ours_ms: i64) -> i64 {
    if holder.started_ms < ours_ms {
        return 0;
    }
    warn!(
        holder = %holder.session,
        holder_started_ms = holder.started_ms,
        ours_ms,
        "the node is another agent's, which by its clock started after this one; one of the clocks is wrong. This agent registers after it"
    );
    holder.started_ms.saturating_add(1)
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

async fn tell(api: &Api, record: &NodeRecord, backoff: &mut Backoff) -> Option<NodeAnswer> {
    let path = format!("/setpoint/v1/nodes/{}", record.node);
    loop {
        match api.ask(Method::PUT, &path, record).await {
            Ok(answer) => {
                info!(node = %record.node, session = %record.session, "registered");
                backoff.reset();
                return answer;
            }
            Err(error) => api.tell("the node is not registered", &error),
        }
        backoff.wait().await;
    }
}

fn record(
    options: &AgentOptions,
    session: &Session,
    info: &RuntimeInfo,
    conditions: Vec<Condition>,
) -> NodeRecord {
    let capacity = capacity_of(options, info);
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
        labels: labels(options, info),
        conditions,
        devices: options.devices.clone(),
    }
}

/// What pods of the node may use, of all that it has.
pub(crate) fn allocatable_of(options: &AgentOptions, info: &RuntimeInfo) -> Resources {
    allocatable(&capacity_of(options, info), &options.reserved)
}

fn capacity_of(options: &AgentOptions, info: &RuntimeInfo) -> Resources {
    let mut capacity = capacity(info, &options.capacity);
    add_devices(&mut capacity, &options.devices);
    capacity
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

/// Kubernetes' well-known labels; configured ones win. The runtime's own is nobody's choice.
fn labels(options: &AgentOptions, info: &RuntimeInfo) -> BTreeMap<String, String> {
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
    let own = own.into_iter().chain(device_labels(&options.devices));
    let mut labels: BTreeMap<String, String> = own.chain(options.labels.clone()).collect();
    labels.remove(RUNTIME_LABEL);
    if !info.id.is_empty() {
        labels.insert(RUNTIME_LABEL.to_owned(), info.id.clone());
    }
    labels
}

/// The labels that NVIDIA's feature discovery gives a node with devices: model and memory in MiB are
/// the first device's, as there.
fn device_labels(devices: &[Device]) -> Vec<(String, String)> {
    let Some(first) = devices.first() else { return Vec::new() };
    let label = |name: &str, value: String| (format!("{GPU}.{name}"), value);
    let mut labels = vec![label("count", devices.len().to_string())];
    if !first.model.is_empty() {
        labels.push((GPU_PRODUCT.to_owned(), first.model.clone()));
    }
    if first.memory_bytes > 0 {
        labels.push(label("memory", (first.memory_bytes >> 20).to_string()));
    }
    labels
}

fn as_ready(health: &Health, transition_ms: i64) -> Condition {
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
        let info = RuntimeInfo {
            runtime: "process".into(),
            version: "1".into(),
            id: "folder-1".into(),
            capacity: found,
        };
        options.devices = vec!["GPU-1=T4/16Gi".parse().expect("a device")];
        let session = Session { id: SessionId::parse("s").expect("valid"), started_ms: 5 };
        let ready = as_ready(&Health::Bad("down".into()), 7);
        let mut told = conditions(&Room::Short("full".into()), &Pressures::default(), 8, &[]);
        told.push(ready);
        let record = record(&options, &session, &info, told);
        assert_eq!(record.capacity.cpu_milli, 3_000);
        assert_eq!((record.allocatable.cpu_milli, record.allocatable.memory_bytes), (2_500, 0));
        assert_eq!(record.labels["kubernetes.io/hostname"], "n1");
        assert_eq!(record.labels[RUNTIME_LABEL], "folder-1");
        assert_eq!((&*record.labels["zone"], &*record.labels["kubernetes.io/os"]), ("a", "plan9"));
        assert_eq!((record.session.as_str(), record.started_ms), ("s", 5));
        assert!(!record.is_ready() && record.has_disk_pressure());
        let extended = &record.allocatable.extended;
        assert_eq!((extended[GPU], extended["setpoint.dev/gpu-milli"]), (1, 1000));
        let labelled =
            ["product", "count", "memory"].map(|l| &*record.labels[&format!("{GPU}.{l}")]);
        assert_eq!((labelled, record.devices), (["T4", "1", "16384"], options.devices));
    }
}
