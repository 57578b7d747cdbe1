//! Which of a workload's pods go first when there are too many.
//!
//! Source: the order of Kubernetes' ReplicaSet controller: not ready before ready, then the one
//! whose node holds more of the same workload, then the younger. Ties go by uid.

use setpoint_schemas::PodUid;

/// What the choice looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The pod.
    pub uid: PodUid,
    /// Whether it is available.
    pub available: bool,
    /// How many pods of the same workload its node holds.
    pub neighbours: usize,
    /// Its number within the workload: higher is younger.
    pub counter: u64,
}

/// The first `count` to go.
#[must_use]
pub fn choose(mut candidates: Vec<Candidate>, count: usize) -> Vec<PodUid> {
    candidates.sort_by(|a, b| {
        (a.available.cmp(&b.available))
            .then(b.neighbours.cmp(&a.neighbours))
            .then(b.counter.cmp(&a.counter))
            .then(a.uid.cmp(&b.uid))
    });
    candidates.truncate(count);
    candidates.into_iter().map(|candidate| candidate.uid).collect()
}
