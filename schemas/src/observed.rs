//! What really runs, as the nodes observe it.

use serde::{Deserialize, Serialize};

use crate::{Namespace, NodeName, PodUid, ResourceName, SessionId};

/// The reason of a pod that was ended because its time was over.
pub const DEADLINE_EXCEEDED: &str = "DeadlineExceeded";
/// The reason of a pod that its node ended because of what it used.
pub const EVICTED: &str = "Evicted";

/// What a node observed of one pod. Newer by `sequence` within one session of the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodObserved {
    /// The pod.
    pub uid: PodUid,
    /// The node that observes.
    pub node: NodeName,
    /// The life of its agent.
    pub session: SessionId,
    /// Rises with every observation of a session.
    pub sequence: i64,
    /// When it was observed, by the node's clock, milliseconds since 1970.
    pub time_ms: i64,
    /// The pod's namespace.
    pub namespace: Namespace,
    /// The pod's name.
    pub name: ResourceName,
    /// The restart generation that runs.
    pub generation: i64,
    /// The phase.
    pub phase: PodPhase,
    /// Whether all containers are ready.
    pub ready: bool,
    /// One word, in camel case; empty when there is nothing to say.
    pub reason: String,
    /// A sentence; empty when there is nothing to say.
    pub message: String,
    /// The pod's address; empty when it has none.
    pub address: String,
    /// When its first container started, milliseconds since 1970; 0 before that.
    pub started_ms: i64,
    /// Its containers in the order in which they begin: init containers first, each in the order of
    /// the spec.
    pub containers: Vec<ContainerObserved>,
}

/// Kubernetes' phases of a pod, and `Gone`: the node has nothing left of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PodPhase {
    /// Accepted by the node, not all containers started yet.
    Pending,
    /// At least one container runs or is being restarted.
    Running,
    /// All containers ended well and none restarts: finished, never to be started again.
    Succeeded,
    /// All containers ended, one badly, and none restarts, or an init container failed for good, or
    /// the pod was ended ([`DEADLINE_EXCEEDED`]): finished, never to be started again.
    Failed,
    /// The runtime does not answer.
    Unknown,
    /// The node has nothing left of it.
    Gone,
}

impl PodPhase {
    /// Whether the pod has ended for good.
    #[must_use]
    pub fn is_finished(self) -> bool {
        matches!(self, PodPhase::Succeeded | PodPhase::Failed)
    }
}

/// What a node observed of one container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerObserved {
    /// The container's name in the spec.
    pub name: String,
    /// The runtime's id of it; empty when it has none.
    pub id: String,
    /// The image that runs.
    pub image: String,
    /// The state.
    pub state: ContainerState,
    /// Whether it is ready.
    pub ready: bool,
    /// How often it was restarted in place.
    pub restarts: i32,
    /// The exit code of the present or the last end.
    pub exit_code: Option<i32>,
    /// One word, such as `CrashLoopBackOff` or `ImagePullBackOff`.
    pub reason: String,
    /// A sentence.
    pub message: String,
    /// Milliseconds since 1970; 0 when it never started.
    pub started_ms: i64,
    /// Milliseconds since 1970; 0 when it never ended.
    pub finished_ms: i64,
    /// Whether its startup probe has passed; true where it has none.
    #[serde(default = "without_probe")]
    pub started: bool,
    /// How its life before this one ended: told while it waits for its restart, and while the next life
    /// runs. `None` when it was not restarted in place.
    #[serde(default)]
    pub last: Option<ContainerEnd>,
}

/// How a life of a container ended.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ContainerEnd {
    /// The runtime's id of it in that life; empty when it had none.
    pub id: String,
    /// The exit code.
    pub exit_code: i32,
    /// One word, such as `OOMKilled`; empty when nothing but the code is known.
    pub reason: String,
    /// A sentence; empty when there is nothing to say.
    pub message: String,
    /// When that life began, milliseconds since 1970.
    pub started_ms: i64,
    /// When it ended, milliseconds since 1970.
    pub finished_ms: i64,
}

impl std::fmt::Debug for ContainerEnd {
    /// Without the message, in which a program may have said anything: it is no one's log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ContainerEnd { exit_code, reason, started_ms, finished_ms, .. } = self;
        write!(f, "ContainerEnd({exit_code} {reason:?}, {started_ms} to {finished_ms})")
    }
}

impl ContainerObserved {
    /// How the life ended that it was in last; `None` while it runs, or waits.
    #[must_use]
    pub fn end(&self) -> Option<ContainerEnd> {
        let has_ended = self.state == ContainerState::Terminated;
        has_ended.then(|| ContainerEnd {
            id: self.id.clone(),
            exit_code: self.exit_code.unwrap_or(0),
            reason: self.reason.clone(),
            message: self.message.clone(),
            started_ms: self.started_ms,
            finished_ms: self.finished_ms,
        })
    }
}

/// Who does not say it has no startup probe.
fn without_probe() -> bool {
    true
}

/// The state of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ContainerState {
    /// Not started, or between two restarts.
    Waiting,
    /// Running.
    Running,
    /// Ended.
    Terminated,
}

/// All that a node has, in one record. It speaks only of observations with a lower sequence:
/// a pod last observed before it and absent from it is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSnapshot {
    /// The node.
    pub node: NodeName,
    /// The life of its agent.
    pub session: SessionId,
    /// In the same count as the observations of the session.
    pub sequence: i64,
    /// By the node's clock, milliseconds since 1970.
    pub time_ms: i64,
    /// Every pod of this fleet that the node has.
    pub uids: Vec<PodUid>,
    /// The epoch of the list of placements that the node went by when it looked; −1 when it had none
    /// or does not say. What is absent was not about to be started by a list of this epoch or an
    /// earlier one.
    #[serde(default = "no_list")]
    pub epoch: i64,
}

/// Who names no list went by none.
fn no_list() -> i64 {
    -1
}
