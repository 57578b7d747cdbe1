//! A placed pod.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use setpoint_placement::PodShape;
use setpoint_schemas::{Cause, NodeName, PodObserved, PodUid, ResourceKey, SessionId};

use crate::views::{PodFact, Standing};

/// A placed pod with its numbers.
#[derive(Debug, Clone)]
pub(crate) struct Pod {
    pub(crate) row: PodRow,
    pub(crate) workload: u32,
    pub(crate) node: u32,
    pub(crate) namespace: u32,
    pub(crate) shape: Arc<PodShape>,
    /// The fact that the views have of it.
    pub(crate) fact: Option<PodFact>,
    /// Whether the views know that its node has said that it has it.
    pub(crate) is_seen: bool,
}

/// What the checkpoint keeps of a pod.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PodRow {
    pub(crate) uid: PodUid,
    pub(crate) name: String,
    pub(crate) workload: ResourceKey,
    pub(crate) node: NodeName,
    pub(crate) revision: u32,
    pub(crate) counter: u64,
    pub(crate) generation: i64,
    pub(crate) epoch: i64,
    pub(crate) term: i64,
    pub(crate) placed_ms: i64,
    pub(crate) standing: Standing,
    /// Engine time since when it is ready; 0 while it is not.
    pub(crate) ready_ms: i64,
    /// What runs of it, as last observed; `None` when nothing does.
    pub(crate) observed: Option<PodObserved>,
    /// How far its node's word of it is known, its absence included.
    pub(crate) heard: Option<Heard>,
    /// The observation that brought it where it stands.
    pub(crate) cause: Option<Cause>,
}

/// A place in what a session of a node's agent says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Heard {
    pub(crate) session: SessionId,
    pub(crate) sequence: i64,
}

impl Pod {
    /// Whether what the node's present session says at this sequence is news of this pod.
    pub(crate) fn is_news(&self, session: &SessionId, sequence: i64) -> bool {
        let heard = self.row.heard.as_ref();
        heard.is_none_or(|heard| heard.session != *session || heard.sequence < sequence)
    }

    /// The fact that the views should have of it.
    pub(crate) fn wanted_fact(&self, id: u32) -> PodFact {
        let requests = self.shape.requests();
        PodFact {
            node: self.node,
            pod: id,
            workload: self.workload,
            revision: self.row.revision,
            namespace: self.namespace,
            standing: self.row.standing,
            cpu_milli: requests.cpu_milli,
            memory_bytes: requests.memory_bytes,
        }
    }
}
