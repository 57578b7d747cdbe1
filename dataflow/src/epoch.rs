//! What goes into a step and what comes out of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use setpoint_placement::DeviceLeft;
use setpoint_schemas::{
    Decision, NodeName, NodeRecord, NodeSnapshot, Observation, Placement, PodUid, Policy,
    RequestId, Resource, ResourceKey, Resources, Sourced,
};

use crate::decided::Decided;
use crate::views::{Fleet, Rollup};

/// One epoch: a batch of inputs and the engine time at which it is decided.
#[derive(Debug, Clone, Default)]
pub struct Epoch {
    /// One above the epoch before.
    pub number: i64,
    /// The reign; never falls.
    pub term: i64,
    /// Engine time, milliseconds since 1970; never falls.
    pub time_ms: i64,
    /// Whether the cold views and statuses are brought up to date.
    pub cold: bool,
    /// Whether the cut covers every partition's end as of `time_ms`: only then do deadlines fire.
    pub complete: bool,
    /// Whether every lease begins a full grace period anew.
    pub renew_leases: bool,
    /// The settings that decide, when they changed.
    pub policy: Option<Policy>,
    /// Whether the leader's state before it came otherwise than by exact replay.
    pub rebuilt: bool,
    /// Whether more was on the log than this takes in; never when `complete`.
    pub behind: bool,
    /// The inputs, in (topic rank, partition, offset) order.
    pub inputs: Vec<Sourced>,
}

/// What an epoch decided.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// The epoch.
    pub number: i64,
    /// The reign.
    pub term: i64,
    /// Engine time.
    pub time_ms: i64,
    /// Resources as they are now; `None`: deleted.
    pub resources: Vec<(ResourceKey, Option<Arc<Resource>>)>,
    /// Placements as they are now.
    pub placements: Vec<PlacementChange>,
    /// The ledger's new entries.
    pub decisions: Vec<Decided>,
    /// The verdict on each request of the epoch.
    pub verdicts: Vec<Verdict>,
    /// What readers see change beside resources and placements.
    pub served: Vec<Served>,
    /// Who is gone for good since the last epoch: once this one is committed, their keys in the
    /// compacted input topics are to be tombstoned.
    pub remains: Vec<Remains>,
    /// A hash over decisions and placements: a replay must reach the same.
    pub hash: i64,
    /// The next engine time at which something falls due, if nothing happens before.
    pub due_ms: Option<i64>,
    /// Whether a cold step has something to do.
    pub wants_cold: bool,
    /// Whether statuses or workloads are known to wait for it: after a cold step those that were too many
    /// for it.
    pub is_cold_left: bool,
    /// The fleet in numbers; in cold epochs only.
    pub overview: Option<Arc<Overview>>,
}

impl Outcome {
    /// The ledger's new entries in words, in order.
    #[must_use]
    pub fn ledger(&self) -> Vec<Decision> {
        self.decisions.iter().map(Decided::record).collect()
    }
}

/// The fleet in numbers, as of the last cold epoch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overview {
    /// All workloads and nodes in one row: drift is `missing` and `excess`.
    pub fleet: Fleet,
    /// Pods by namespace, of namespaces that have some.
    pub namespaces: BTreeMap<Arc<str>, Rollup>,
    /// Live pods of earlier revisions, by workload that has some: what updates have yet to replace.
    pub outdated: BTreeMap<ResourceKey, i64>,
}

/// A placement that is new, changed or withdrawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacementChange {
    /// The pod.
    pub uid: PodUid,
    /// Its node.
    pub node: NodeName,
    /// The placement; `None`: a tombstone, stop.
    pub placement: Option<Arc<Placement>>,
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The request.
    pub request: RequestId,
    /// Whether all of it was accepted.
    pub accepted: bool,
    /// One answer an item, in order. Of a refused request the items that would have been accepted
    /// say so with code 0.
    pub items: Vec<ItemVerdict>,
}

/// What a request would do if it came now.
#[derive(Debug, Clone, PartialEq)]
pub struct Foreseen {
    /// The verdict that it would get.
    pub verdict: Verdict,
    /// Its resources as they would be, one an item in order; `None` where an item leaves none.
    /// Empty when it would be refused.
    pub resources: Vec<Option<Arc<Resource>>>,
}

/// The answer to one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemVerdict {
    /// The resource.
    pub key: ResourceKey,
    /// `created`, `configured`, `unchanged`, `deleted`, or `refused`.
    pub result: &'static str,
    /// The HTTP code that says the same: 200, 201, 400, 404, 409, 422; 0: not done because another
    /// item was refused.
    pub code: u16,
    /// Why; empty when there is nothing to say.
    pub message: String,
}

/// What readers see change beside resources and placements.
#[derive(Debug, Clone, PartialEq)]
pub enum Served {
    /// A pod as observed.
    Pod(Observation),
    /// Nothing is left of a pod.
    PodGone(PodUid),
    /// A pod of a node that is only watched.
    Watched(Observation),
    /// Nothing is left of a pod of a node that is only watched.
    WatchedGone(PodUid),
    /// All pods of a node that is only watched: those that it does not list are gone.
    WatchedAll(Arc<NodeSnapshot>),
    /// A node; `None`: removed.
    Node(NodeName, Option<Arc<NodeServed>>),
    /// A pod that waits for a place.
    Waiting(Arc<WaitingPod>),
    /// A pod of this uid waits no more.
    WaitingGone(PodUid),
    /// The history of a Deployment's templates, the current one last.
    Revisions(ResourceKey, Vec<setpoint_rules::revision::Revision>),
    /// Whether replacements are held, and why.
    Hold(Option<String>),
}

/// A node as readers see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeServed {
    /// As it reported itself.
    pub record: Arc<NodeRecord>,
    /// Whether it is lost.
    pub lost: bool,
    /// Why nobody knows whether it is ready, when that is so though it is not lost: its lease ended
    /// under a hold.
    pub doubt: Option<String>,
    /// What its pods reserve.
    pub requested: Resources,
    /// Its devices and what is left of each, by index.
    pub devices: Vec<DeviceLeft>,
    /// The sequence of the last renewal of its lease that was taken in, where a pod of it may run at
    /// most once.
    pub lease: Option<i64>,
}

/// A pod that waits for a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingPod {
    /// The uid that it will have.
    pub uid: PodUid,
    /// Its workload.
    pub workload: ResourceKey,
    /// The name that it will have.
    pub name: String,
    /// Why it waits, in kube-scheduler's phrases.
    pub reason: String,
    /// Whether its gates keep it from being placed, whatever room there is.
    pub gated: bool,
    /// The node whose room is promised to it.
    pub nominated: Option<NodeName>,
    /// That node's devices which are promised to it, by id.
    pub devices: Vec<Arc<str>>,
}

/// What a leader committed of an epoch, read back from the log.
#[derive(Debug, Clone, Default)]
pub struct Recorded {
    /// The hash in the epoch's record.
    pub hash: i64,
    /// Resources as they were left; `None`: deleted.
    pub resources: Vec<(ResourceKey, Option<Arc<Resource>>)>,
    /// Placements as they were left.
    pub placements: Vec<PlacementChange>,
    /// The ledger's entries, in order.
    pub decisions: Vec<Decision>,
}

/// What the compacted topics say of a pod or of a node that is gone for good: its keys are to be
/// tombstoned.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum Remains {
    /// A pod as this node observed it.
    Pod {
        /// The pod.
        uid: PodUid,
        /// The node: its partition has the key.
        node: NodeName,
    },
    /// A node: its record and its last snapshot.
    Node(NodeName),
}

impl Remains {
    /// The pod that they are of.
    #[must_use]
    pub fn pod(&self) -> Option<&PodUid> {
        match self {
            Remains::Pod { uid, .. } => Some(uid),
            Remains::Node(_) => None,
        }
    }
}
