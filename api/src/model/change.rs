//! What the committer tells the read model.

use std::sync::Arc;

use setpoint_schemas::{
    NodeName, NodeRecord, Observation, Placement, PodUid, Resource, ResourceKey, Resources,
    WorkloadRef,
};

use super::Kept;

/// One committed change. `None` means that it is gone.
#[derive(Debug, Clone)]
pub enum Change {
    /// A resource was accepted, its status changed, or it was deleted.
    Resource(ResourceKey, Option<Arc<Resource>>),
    /// A pod was placed, or its placement withdrawn. A placed pod no longer waits.
    Placement(PodUid, Option<Arc<Placement>>),
    /// A pod was observed.
    Pod(Observation),
    /// What was observed of a pod before this model began, and since which engine time it is ready,
    /// milliseconds.
    PodSince(Observation, i64),
    /// Nothing is left of a pod on its node.
    PodGone(PodUid),
    /// A pod of a node that is only watched was observed.
    Watched(Observation),
    /// A node changed, or was removed.
    Node(NodeName, Option<Arc<NodeServed>>),
    /// A pod waits for a place, or no longer does.
    Waiting(PodUid, Option<Arc<WaitingPod>>),
    /// A decision was made; the latest are kept.
    Decision(Arc<dyn Kept>),
    /// What holds replacements at present, one sentence each; empty when nothing does.
    Holds(Vec<String>),
}

/// A node as served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeServed {
    /// What it says of itself.
    pub record: Arc<NodeRecord>,
    /// Whether its lease ran out.
    pub lost: bool,
    /// Why nobody knows whether it is ready, when that is so though it is not lost.
    pub doubt: Option<String>,
    /// The sum of what its pods reserve.
    pub requested: Resources,
    /// Its devices, by index.
    pub devices: Vec<DeviceServed>,
    /// The epoch of the node's last change.
    pub last_epoch: i64,
    /// The sequence of the last renewal of its lease that was taken in, where a pod of it may run at
    /// most once.
    pub lease: Option<i64>,
}

/// A device of a node as served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceServed {
    /// What the runtime knows it by.
    pub id: String,
    /// Its model; empty when nobody said.
    pub model: String,
    /// Thousandths that pods may use.
    pub milli: u16,
    /// Thousandths that no pod has.
    pub left: u16,
}

impl NodeServed {
    /// Whether it is known to be ready.
    pub(crate) fn is_ready(&self) -> bool {
        !self.lost && self.doubt.is_none() && self.record.is_ready()
    }
}

/// A pod that waits for a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingPod {
    /// The pod.
    pub uid: PodUid,
    /// Its workload.
    pub workload: WorkloadRef,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// One word: `Unschedulable`, or `SchedulingGated` of one whose gates hold it back.
    pub reason: String,
    /// A sentence, such as `0/3 nodes are available: 3 Insufficient cpu`.
    pub message: String,
    /// The node whose room is promised to it.
    pub nominated: Option<String>,
    /// Engine time since when it waits, milliseconds since 1970.
    pub since_ms: i64,
}
