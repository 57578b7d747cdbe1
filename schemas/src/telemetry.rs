//! Usage samples.

use serde::{Deserialize, Serialize};

use crate::{NodeName, PodUid};

/// What one container used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageSample {
    /// The pod.
    pub uid: PodUid,
    /// The container's name.
    pub container: String,
    /// The node.
    pub node: NodeName,
    /// By the node's clock, milliseconds since 1970.
    pub time_ms: i64,
    /// Processor time since the container started, in nanoseconds.
    pub cpu_nanos: i64,
    /// Memory in use, in bytes, page cache excluded where the runtime tells.
    pub memory_bytes: i64,
}
