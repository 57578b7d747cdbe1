//! What agents and the API say to each other, in JSON under `/setpoint/v1/nodes/{node}`.

use serde::{Deserialize, Serialize};

#[cfg(doc)]
use crate::RUNTIME_LABEL;
use crate::{FleetId, NodeName, NodeSnapshot, Placement, PodObserved, PodUid, SessionId};

/// `GET …/placements?after=EPOCH`: all that a node should run. Answered at once when it changed
/// after that epoch or term, otherwise when it changes or after 20 s.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacementList {
    /// The fleet that says so; an agent of another fleet refuses it.
    pub fleet: FleetId,
    /// The node that is meant.
    pub node: NodeName,
    /// The reign; an agent refuses one below what it has persisted.
    pub term: i64,
    /// The epoch as of which the list holds; within a term it never falls.
    pub epoch: i64,
    /// Whether this is all; an agent stops nothing on an incomplete list.
    pub complete: bool,
    /// The life of the agent that registered the node last, as of the epoch; `None` when the node
    /// is not known. An agent that finds another one here after its own has been superseded.
    #[serde(default)]
    pub session: Option<SessionId>,
    /// The number of that life among the node's, its `started_ms`; 0 when it does not say.
    #[serde(default)]
    pub session_started_ms: i64,
    /// The runtime that it works on, its [`RUNTIME_LABEL`]; empty when it does not say.
    #[serde(default)]
    pub runtime_id: String,
    /// The sequence of the last renewal of that life which the engine has taken in, where a pod of the
    /// node may run at most once: until how long after sending it these may run. `None` where the
    /// node has none such. A node that registered and did not renew since has 0.
    #[serde(default)]
    pub lease: Option<i64>,
    /// The placements, by uid.
    pub placements: Vec<Placement>,
    /// Those of them that have ended for good, as the node said itself: nothing of them is started
    /// again, also when the node has forgotten it. Earlier versions do not say it.
    #[serde(default)]
    pub ended: Vec<PodUid>,
    /// The volumes whose folders the node is to remove, by name: no pod uses them any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes_leaving: Vec<String>,
}

/// The answer to a node that registers or renews its lease. Earlier versions answer nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeAnswer {
    /// How often the engine expects the lease to be renewed, milliseconds; 0 when it does not say.
    pub lease_renew_ms: i64,
}

/// `POST …/pods`: what a node observed since its last report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeReport {
    /// Single observations.
    pub observed: Vec<PodObserved>,
    /// All that it has, from time to time.
    pub snapshot: Option<NodeSnapshot>,
}
