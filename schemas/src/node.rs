//! Nodes as they report themselves, and their leases.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Device, InvalidDevices, NodeName, Resources, SessionId, check_devices};

/// The label of a node whose engine Setpoint only watches, with the value `true`.
pub const WATCHED_LABEL: &str = "setpoint.dev/watched";

/// The label that tells runtimes apart: agents of one value work on the same containers. Empty, or
/// absent, from an agent that cannot say.
pub const RUNTIME_LABEL: &str = "setpoint.dev/runtime-id";

/// The label of a node that takes connections of other nodes to its pods: the port at its address.
pub const FERRY_LABEL: &str = "setpoint.dev/ferry";
/// The label by which a node promises that a pod which may run at most once has ended there so many
/// milliseconds after the sending of the last renewal that the engine has taken in, whatever becomes
/// of its agent. Absent where nothing but a living agent would end it.
pub const FENCE_LABEL: &str = "setpoint.dev/fenced-within-ms";

/// A promise beyond a day is none: nobody waits for it.
const FENCE_MS_MAX: i64 = 86_400_000;

/// The condition of a node whose disk has no room for another pod; Kubernetes' word.
pub const DISK_PRESSURE: &str = "DiskPressure";
/// The condition of a node that is short of memory; Kubernetes' word.
pub const MEMORY_PRESSURE: &str = "MemoryPressure";
/// The condition of a node that is short of process ids; Kubernetes' word.
pub const PID_PRESSURE: &str = "PIDPressure";

/// What a node says of itself. Its taints and whether it may be used are desired state (the Node
/// resource), not observation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// The node.
    pub node: NodeName,
    /// This life of its agent.
    pub session: SessionId,
    /// Orders the lives of a node's agents: higher with each start, about the time of the start in
    /// milliseconds since 1970; 0 from an agent that does not say it.
    #[serde(default)]
    pub started_ms: i64,
    /// When it was said, by the node's clock, milliseconds since 1970.
    pub time_ms: i64,
    /// `docker`, `process` or `simulated`.
    pub runtime: String,
    /// The runtime's own version.
    pub runtime_version: String,
    /// The agent's version.
    pub agent_version: String,
    /// Where the node is reached.
    pub address: String,
    /// What it has.
    pub capacity: Resources,
    /// What pods may use of it.
    pub allocatable: Resources,
    /// Its labels, `kubernetes.io/hostname` among them.
    pub labels: BTreeMap<String, String>,
    /// Its conditions; a node without `Ready` true is not ready.
    pub conditions: Vec<Condition>,
    /// Its GPUs that are there and healthy; a device's place in the list is its index.
    #[serde(default)]
    pub devices: Vec<Device>,
}

/// A condition, as Kubernetes shapes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Condition {
    /// Such as `Ready`.
    pub kind: String,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// One word, in camel case.
    pub reason: String,
    /// A sentence.
    pub message: String,
    /// When `status` last changed, milliseconds since 1970.
    pub transition_ms: i64,
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Nobody knows.
    Unknown,
}

/// A renewal of a node's lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The node.
    pub node: NodeName,
    /// The life of the agent that renews.
    pub session: SessionId,
    /// Rises by one with each renewal of a session.
    pub sequence: i64,
    /// When it was renewed, by the node's clock, milliseconds since 1970.
    pub time_ms: i64,
}

/// The largest amount that a node may say it has, and a pod ask for: more bytes (64 TiB) and
/// thousandths of a core than any machine, and few enough that a fleet's sum fits into 64 bits.
pub const AMOUNT_MAX: i64 = 1 << 46;

/// A node that cannot be as it says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNode {
    /// An amount that no machine has.
    #[error("its {what} is {amount}, which is not between 0 and {AMOUNT_MAX}")]
    Amount {
        /// Which amount, such as `allocatable cpu`.
        what: String,
        /// What it says.
        amount: i64,
    },
    /// Devices that cannot be.
    #[error(transparent)]
    Devices(#[from] InvalidDevices),
}

impl NodeRecord {
    /// Whether its amounts and its devices can be true.
    ///
    /// # Errors
    /// [`InvalidNode`] names the first that cannot.
    pub fn check(&self) -> Result<(), InvalidNode> {
        for (of, amounts) in [("capacity", &self.capacity), ("allocatable", &self.allocatable)] {
            let own = [
                ("cpu", amounts.cpu_milli),
                ("memory", amounts.memory_bytes),
                ("ephemeral-storage", amounts.ephemeral_bytes),
                ("pods", amounts.pods),
            ];
            let extended = amounts.extended.iter().map(|(name, amount)| (name.as_str(), *amount));
            let broken =
                own.into_iter().chain(extended).find(|(_, n)| !(0..=AMOUNT_MAX).contains(n));
            if let Some((name, amount)) = broken {
                return Err(InvalidNode::Amount { what: format!("{of} {name}"), amount });
            }
        }
        Ok(check_devices(&self.devices)?)
    }

    /// Whether the node says that it is ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let ready = |c: &Condition| c.kind == "Ready" && c.status == ConditionStatus::True;
        self.conditions.iter().any(ready)
    }

    /// Whether the node says that it is so.
    #[must_use]
    pub fn says(&self, condition: &str) -> bool {
        let is_so = |c: &Condition| c.kind == condition && c.status == ConditionStatus::True;
        self.conditions.iter().any(is_so)
    }

    /// Whether the node says that its disk has no room for another pod.
    #[must_use]
    pub fn has_disk_pressure(&self) -> bool {
        self.says(DISK_PRESSURE)
    }

    /// Whether its engine is only watched: its pods are shown and nothing is placed there.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.labels.get(WATCHED_LABEL).is_some_and(|value| value == "true")
    }

    /// What it promises by its [`FENCE_LABEL`], milliseconds.
    #[must_use]
    pub fn fenced_within_ms(&self) -> Option<i64> {
        let promised: i64 = self.labels.get(FENCE_LABEL)?.parse().ok()?;
        (1..=FENCE_MS_MAX).contains(&promised).then_some(promised)
    }

    /// The runtime that it works on; empty when it does not say.
    #[must_use]
    pub fn runtime_id(&self) -> &str {
        self.labels.get(RUNTIME_LABEL).map_or("", String::as_str)
    }
}
