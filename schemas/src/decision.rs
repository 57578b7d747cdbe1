//! The ledger: every action and every verdict, with its reason.

use serde::{Deserialize, Serialize};

/// One decision. On the log under the pod uid, or the resource key where no pod is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The epoch.
    pub epoch: i64,
    /// The reign.
    pub term: i64,
    /// Its place within the epoch, from 0.
    pub sequence: i32,
    /// Engine time, milliseconds since 1970.
    pub time_ms: i64,
    /// What was decided.
    pub action: Action,
    /// The pod; empty when none is meant.
    pub pod: String,
    /// The key of the workload or resource; empty when none is meant.
    pub resource: String,
    /// The node; empty when none is meant.
    pub node: String,
    /// The request that it answers; empty when none.
    pub request: String,
    /// The rule that decided.
    pub rule: String,
    /// Why, in a sentence.
    pub reason: String,
    /// The events that caused it.
    pub causes: Vec<Cause>,
    /// What else was looked at.
    pub alternatives: Vec<Alternative>,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Action {
    /// A request was accepted.
    Accept,
    /// A request was refused.
    Refuse,
    /// A pod was placed on a node.
    Place,
    /// A pod could not be placed; said once, and again when the reason changes.
    Wait,
    /// A pod's placement was withdrawn.
    Stop,
    /// A pod's restart generation rose.
    Restart,
    /// A node is lost.
    NodeLost,
    /// A lost node is back.
    NodeReturned,
    /// Replacements are held.
    Hold,
    /// Held replacements proceed.
    Release,
    /// An update began, proceeded, completed or is stuck.
    Rollout,
}

/// An event that caused a decision.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cause {
    /// The topic's name.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// A short rendering.
    pub text: String,
}

/// A node that was looked at for a placement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alternative {
    /// The node, or how many nodes of one verdict.
    pub node: String,
    /// Why not, in kube-scheduler's phrases; or the scores, as `name=value`.
    pub verdict: String,
    /// The total score in hundredths; `None` when a filter said no.
    pub score: Option<i64>,
}
