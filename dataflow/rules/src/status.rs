//! The status that the leader maintains for workloads, in Kubernetes' shapes.

use serde_json::{Value, json};

/// What a workload's status is made from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkloadCounts {
    /// The workload's name.
    pub name: String,
    /// The generation that the counts speak of.
    pub generation: i64,
    /// How many pods are wanted.
    pub desired: i64,
    /// How many of them an update may leave unavailable.
    pub unavailable_max: i64,
    /// Live pods of all revisions.
    pub live: i64,
    /// Live pods of the current revision.
    pub updated: i64,
    /// Ready pods.
    pub ready: i64,
    /// Available pods.
    pub available: i64,
    /// Why the next pod has no place; empty when none waits.
    pub waiting: String,
    /// How the update to the current revision proceeds.
    pub progress: Progress,
    /// Engine time of the last progress, RFC 3339.
    pub progressed: String,
}

/// How an update proceeds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Progress {
    /// It does, or has time left to.
    #[default]
    Proceeds,
    /// The current revision was complete once: what happens since is no update.
    Complete,
    /// It made no progress for longer than its deadline.
    Stuck,
    /// It is paused.
    Paused,
}

/// The status of a Deployment, after the status that it had, as of this time (RFC 3339).
///
/// Source: the conditions of Kubernetes' Deployment controller, where a ReplicaSet stands in for
/// the revision. Ours beside them: `ReplicaFailure` when a pod has no place.
#[must_use]
pub fn deployment(counts: &WorkloadCounts, before: &Value, now: &str) -> Value {
    let dated = |said: Said| condition(said, before, now);
    let mut progressing = dated(progress(counts));
    if counts.progress == Progress::Proceeds && !counts.progressed.is_empty() {
        progressing["lastUpdateTime"] = json!(counts.progressed);
    }
    let mut conditions = vec![dated(availability(counts)), progressing];
    if !counts.waiting.is_empty() {
        let message = counts.waiting.clone();
        conditions.push(dated(("ReplicaFailure", "True", "FailedScheduling", message)));
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

/// A condition before it has times: its type, status, reason and message.
type Said = (&'static str, &'static str, &'static str, String);

fn availability(counts: &WorkloadCounts) -> Said {
    let (status, reason, message) =
        match counts.available >= counts.desired - counts.unavailable_max {
            true => ("True", "MinimumReplicasAvailable", "Deployment has minimum availability."),
            false => (
                "False",
                "MinimumReplicasUnavailable",
                "Deployment does not have minimum availability.",
            ),
        };
    ("Available", status, reason, message.to_owned())
}

fn progress(counts: &WorkloadCounts) -> Said {
    let name = &counts.name;
    let (status, reason, message) = match counts.progress {
        Progress::Proceeds => {
            ("True", "ReplicaSetUpdated", format!("Deployment {name:?} is progressing."))
        }
        Progress::Complete => (
            "True",
            "NewReplicaSetAvailable",
            format!("Deployment {name:?} has successfully progressed."),
        ),
        Progress::Stuck => (
            "False",
            "ProgressDeadlineExceeded",
            format!("Deployment {name:?} has timed out progressing."),
        ),
        Progress::Paused => ("Unknown", "DeploymentPaused", "Deployment is paused".to_owned()),
    };
    ("Progressing", status, reason, message)
}

/// A condition with the times of the one before it: of the transition while the status stays, of the
/// update while all of it does.
fn condition((kind, status, reason, message): Said, before: &Value, now: &str) -> Value {
    let old = before["conditions"].as_array().into_iter().flatten().find(|c| c["type"] == kind);
    let old = old.filter(|old| old["status"] == status);
    let same = old.filter(|old| old["reason"] == reason && old["message"] == *message);
    let time = |old: Option<&Value>, field: &str| old.map_or(json!(now), |o| o[field].clone());
    json!({
        "type": kind, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": time(old, "lastTransitionTime"),
        "lastUpdateTime": time(same, "lastUpdateTime"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(available: i64, progress: Progress) -> WorkloadCounts {
        let name = "web".to_owned();
        WorkloadCounts {
            name,
            desired: 4,
            unavailable_max: 1,
            available,
            progress,
            ..<_>::default()
        }
    }

    fn told(status: &Value) -> Vec<String> {
        let conditions = status["conditions"].as_array().expect("conditions");
        let text = |c: &Value, field: &str| c[field].as_str().unwrap_or_default().to_owned();
        let fields = ["type", "status", "reason", "lastTransitionTime", "lastUpdateTime"];
        conditions.iter().map(|c| fields.map(|field| text(c, field)).join(" ")).collect()
    }

    #[test]
    fn conditions_say_what_kubernetes_says_and_keep_the_time_of_their_last_change() {
        let first = deployment(&counts(0, Progress::Proceeds), &json!({}), "t1");
        assert_eq!(
            told(&first),
            [
                "Available False MinimumReplicasUnavailable t1 t1",
                "Progressing True ReplicaSetUpdated t1 t1"
            ]
        );
        let done = deployment(&counts(3, Progress::Complete), &first, "t2");
        assert_eq!(
            told(&done),
            [
                "Available True MinimumReplicasAvailable t2 t2",
                "Progressing True NewReplicaSetAvailable t1 t2"
            ],
            "three of four are enough where one may be unavailable"
        );
        let stuck = deployment(&counts(2, Progress::Stuck), &done, "t3");
        assert_eq!(
            told(&stuck),
            [
                "Available False MinimumReplicasUnavailable t3 t3",
                "Progressing False ProgressDeadlineExceeded t3 t3"
            ]
        );
        assert_eq!(
            stuck["conditions"][1]["message"],
            "Deployment \"web\" has timed out progressing."
        );
        assert_eq!(deployment(&counts(2, Progress::Stuck), &stuck, "t4"), stuck);
    }
}
