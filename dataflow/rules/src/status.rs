//! The status that the leader maintains for workloads, in Kubernetes' shapes.

use serde_json::{Value, json};

/// What a workload's status is made from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkloadCounts {
    /// The generation that the counts speak of.
    pub generation: i64,
    /// How many pods are wanted.
    pub desired: i64,
    /// Live pods of all revisions.
    pub live: i64,
    /// Live pods of the current revision.
    pub updated: i64,
    /// Ready pods.
    pub ready: i64,
    /// Available pods.
    pub available: i64,
    /// Available pods of the current revision.
    pub updated_available: i64,
    /// Why the next pod has no place; empty when none waits.
    pub waiting: String,
    /// Whether the progress deadline has passed.
    pub stuck: bool,
    /// Engine time when availability last changed, RFC 3339.
    pub changed: String,
}

/// The status of a Deployment.
#[must_use]
pub fn deployment(counts: &WorkloadCounts) -> Value {
    let available = counts.available >= counts.desired && counts.waiting.is_empty();
    let complete = counts.updated_available >= counts.desired && counts.live == counts.updated;
    let (progress, reason) = match (complete, counts.stuck) {
        (true, _) => ("True", "NewReplicaSetAvailable"),
        (false, true) => ("False", "ProgressDeadlineExceeded"),
        (false, false) => ("True", "ReplicaSetUpdated"),
    };
    let mut conditions = vec![
        condition(
            "Available",
            if available { "True" } else { "False" },
            if available { "MinimumReplicasAvailable" } else { "MinimumReplicasUnavailable" },
            "",
            &counts.changed,
        ),
        condition("Progressing", progress, reason, "", &counts.changed),
    ];
    if !counts.waiting.is_empty() {
        conditions.push(condition(
            "ReplicaFailure",
            "True",
            "FailedScheduling",
            &counts.waiting,
            &counts.changed,
        ));
    }
    json!({
        "observedGeneration": counts.generation,
        "replicas": counts.live,
        "updatedReplicas": counts.updated,
        "readyReplicas": counts.ready,
        "availableReplicas": counts.available,
        "unavailableReplicas": (counts.desired - counts.available).max(0),
        "conditions": conditions,
    })
}

/// The status of a ReplicaSet or a ReplicationController.
#[must_use]
pub fn replica_set(counts: &WorkloadCounts) -> Value {
    json!({
        "observedGeneration": counts.generation,
        "replicas": counts.live,
        "fullyLabeledReplicas": counts.live,
        "readyReplicas": counts.ready,
        "availableReplicas": counts.available,
    })
}

/// The status of a DaemonSet.
#[must_use]
pub fn daemon_set(counts: &WorkloadCounts) -> Value {
    json!({
        "observedGeneration": counts.generation,
        "desiredNumberScheduled": counts.desired,
        "currentNumberScheduled": counts.live.min(counts.desired),
        "updatedNumberScheduled": counts.updated,
        "numberReady": counts.ready,
        "numberAvailable": counts.available,
        "numberUnavailable": (counts.desired - counts.available).max(0),
        "numberMisscheduled": (counts.live - counts.desired).max(0),
    })
}

fn condition(kind: &str, status: &str, reason: &str, message: &str, changed: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": changed, "lastUpdateTime": changed})
}
