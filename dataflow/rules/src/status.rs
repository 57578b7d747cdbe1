//! The status that the leader maintains for workloads, in Kubernetes' shapes.

mod updates;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

pub use self::updates::{Pin, Progress};
use self::updates::{conditions, pinned, progressing};
use crate::quota;

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
    /// What other workloads the next pod waits for; empty when it waits for none.
    pub held: String,
    /// Whether anybody judges how its update proceeds; a Deployment's is judged in any case.
    pub is_judged: bool,
    /// How the update to the current revision proceeds.
    pub progress: Progress,
    /// Engine time of the last progress, RFC 3339.
    pub progressed: String,
    /// Live pods of the revision before the update (StatefulSet).
    pub current: i64,
    /// The name of that revision.
    pub current_revision: String,
    /// The name of the template's revision.
    pub update_revision: String,
    /// Why its update stands still; empty unless it does.
    pub halted: String,
    /// What was gone back from, while that is not taken again.
    pub pinned: Option<Pin>,
}

/// The status of a Deployment in JSON, after the status that it had, as of this time (RFC 3339).
///
/// Source: the conditions of Kubernetes' Deployment controller, where a ReplicaSet stands in for
/// the revision. Ours beside them: `ReplicaFailure` when a pod has no place, and as theirs when a quota
/// forbids to make it, `Waiting`, which is no failure, when it waits for what the workload depends on, and
/// `Pinned` while what was gone back to stays whatever its manifest says.
#[must_use]
pub fn deployment(counts: &WorkloadCounts, before: &str, now: &str) -> String {
    let before: Before = serde_json::from_str(before).unwrap_or_default();
    let words = ["ReplicaSetUpdated", "NewReplicaSetAvailable", "DeploymentPaused"];
    let progressing = progressing("Deployment", words, counts, &before, now);
    let mut conditions = vec![condition(availability(counts), &before, now), progressing];
    if !counts.waiting.is_empty() {
        let message = Cow::Borrowed(&*counts.waiting);
        let reason = match quota::is_refusal(&counts.waiting) {
            true => "FailedCreate",
            false => "FailedScheduling",
        };
        let said = ("ReplicaFailure", "True", reason, message);
        conditions.push(condition(said, &before, now));
    }
    if !counts.held.is_empty() {
        let said = ("Waiting", "True", "DependsOn", Cow::Borrowed(&*counts.held));
        conditions.push(condition(said, &before, now));
    }
    if let Some(pin) = &counts.pinned {
        conditions.push(condition(pinned(pin), &before, now));
    }
    json_of(&DeploymentStatus {
        available_replicas: counts.available,
        conditions,
        observed_generation: counts.generation,
        ready_replicas: counts.ready,
        replicas: counts.live,
        unavailable_replicas: (counts.desired - counts.available).max(0),
        updated_replicas: counts.updated,
    })
}

/// The status of a ReplicaSet or a ReplicationController in JSON.
#[must_use]
pub fn replica_set(counts: &WorkloadCounts) -> String {
    json_of(&ReplicaSetStatus {
        available_replicas: counts.available,
        fully_labeled_replicas: counts.live,
        observed_generation: counts.generation,
        ready_replicas: counts.ready,
        replicas: counts.live,
    })
}

/// The status of a DaemonSet in JSON, after the status that it had, as of this time (RFC 3339).
#[must_use]
pub fn daemon_set(counts: &WorkloadCounts, before: &str, now: &str) -> String {
    let before: Before = serde_json::from_str(before).unwrap_or_default();
    json_of(&DaemonSetStatus {
        conditions: conditions("DaemonSet", counts, &before, now),
        current_number_scheduled: counts.live.min(counts.desired),
        desired_number_scheduled: counts.desired,
        number_available: counts.available,
        number_misscheduled: (counts.live - counts.desired).max(0),
        number_ready: counts.ready,
        number_unavailable: (counts.desired - counts.available).max(0),
        observed_generation: counts.generation,
        updated_number_scheduled: counts.updated,
    })
}

/// The status of a StatefulSet in JSON, as of a DaemonSet.
#[must_use]
pub fn stateful_set(counts: &WorkloadCounts, before: &str, now: &str) -> String {
    let before: Before = serde_json::from_str(before).unwrap_or_default();
    json_of(&StatefulSetStatus {
        available_replicas: counts.available,
        collision_count: 0,
        conditions: conditions("StatefulSet", counts, &before, now),
        current_replicas: counts.current,
        current_revision: &counts.current_revision,
        observed_generation: counts.generation,
        ready_replicas: counts.ready,
        replicas: counts.live,
        update_revision: &counts.update_revision,
        updated_replicas: counts.updated,
    })
}

/// Fields in the order of their names, as all JSON of ours: the same status is the same text.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeploymentStatus<'a> {
    available_replicas: i64,
    conditions: Vec<Condition<'a>>,
    observed_generation: i64,
    ready_replicas: i64,
    replicas: i64,
    unavailable_replicas: i64,
    updated_replicas: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReplicaSetStatus {
    available_replicas: i64,
    fully_labeled_replicas: i64,
    observed_generation: i64,
    ready_replicas: i64,
    replicas: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DaemonSetStatus<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    conditions: Vec<Condition<'a>>,
    current_number_scheduled: i64,
    desired_number_scheduled: i64,
    number_available: i64,
    number_misscheduled: i64,
    number_ready: i64,
    number_unavailable: i64,
    observed_generation: i64,
    updated_number_scheduled: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatefulSetStatus<'a> {
    available_replicas: i64,
    collision_count: i64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    conditions: Vec<Condition<'a>>,
    current_replicas: i64,
    current_revision: &'a str,
    observed_generation: i64,
    ready_replicas: i64,
    replicas: i64,
    update_revision: &'a str,
    updated_replicas: i64,
}

/// What of an earlier status the next one follows from.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Before<'a> {
    #[serde(borrow)]
    conditions: Vec<Condition<'a>>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Condition<'a> {
    #[serde(borrow)]
    last_transition_time: Cow<'a, str>,
    #[serde(borrow)]
    last_update_time: Cow<'a, str>,
    #[serde(borrow)]
    message: Cow<'a, str>,
    #[serde(borrow)]
    reason: Cow<'a, str>,
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

fn json_of(status: &impl Serialize) -> String {
    serde_json::to_string(status).expect("a status is numbers and texts")
}

/// A condition before it has times: its type, status, reason and message.
type Said<'a> = (&'static str, &'static str, &'static str, Cow<'a, str>);

fn availability(counts: &WorkloadCounts) -> Said<'static> {
    let (status, reason, message) =
        match counts.available >= counts.desired - counts.unavailable_max {
            true => ("True", "MinimumReplicasAvailable", "Deployment has minimum availability."),
            false => (
                "False",
                "MinimumReplicasUnavailable",
                "Deployment does not have minimum availability.",
            ),
        };
    ("Available", status, reason, Cow::Borrowed(message))
}

/// A condition with the times of the one before it: of the transition while the status stays, of the
/// update while all of it does.
fn condition<'a>(
    (kind, status, reason, message): Said<'a>,
    before: &Before<'a>,
    now: &'a str,
) -> Condition<'a> {
    let old = before.conditions.iter().find(|old| old.kind == kind && old.status == status);
    let same = old.filter(|old| old.reason == reason && old.message == message);
    let time = |old: Option<&Cow<'a, str>>| {
        old.filter(|time| !time.is_empty()).cloned().unwrap_or(Cow::Borrowed(now))
    };
    Condition {
        last_transition_time: time(old.map(|old| &old.last_transition_time)),
        last_update_time: time(same.map(|same| &same.last_update_time)),
        message,
        reason: Cow::Borrowed(reason),
        status: Cow::Borrowed(status),
        kind: Cow::Borrowed(kind),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

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

    fn told(status: &str) -> Vec<String> {
        let status: Value = serde_json::from_str(status).expect("json");
        let conditions = status["conditions"].as_array().expect("conditions");
        let text = |c: &Value, field: &str| c[field].as_str().unwrap_or_default().to_owned();
        let fields = ["type", "status", "reason", "lastTransitionTime", "lastUpdateTime"];
        conditions.iter().map(|c| fields.map(|field| text(c, field)).join(" ")).collect()
    }

    #[test]
    fn conditions_say_what_kubernetes_says_and_keep_the_time_of_their_last_change() {
        let first = deployment(&counts(0, Progress::Proceeds), "{}", "t1");
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
        assert!(stuck.contains(r#""message":"Deployment \"web\" has timed out progressing.""#));
        assert_eq!(deployment(&counts(2, Progress::Stuck), &stuck, "t4"), stuck);
    }

    #[test]
    fn each_kind_of_workload_counts_its_pods_in_kubernetes_words() {
        let counts = WorkloadCounts {
            generation: 7,
            live: 5,
            updated: 2,
            ready: 4,
            current: 3,
            current_revision: "web-a".to_owned(),
            update_revision: "web-b".to_owned(),
            ..counts(3, Progress::Proceeds)
        };
        let same = [("observedGeneration", 7), ("availableReplicas", 3), ("readyReplicas", 4)];
        let table: [(String, &[(&str, i64)]); 4] = [
            (
                deployment(&counts, "{}", "t"),
                &[("replicas", 5), ("updatedReplicas", 2), ("unavailableReplicas", 1)],
            ),
            (replica_set(&counts), &[("replicas", 5), ("fullyLabeledReplicas", 5)]),
            (
                stateful_set(&counts, "{}", "t"),
                &[("replicas", 5), ("currentReplicas", 3), ("updatedReplicas", 2)],
            ),
            (
                daemon_set(&counts, "{}", "t"),
                &[
                    ("desiredNumberScheduled", 4),
                    ("currentNumberScheduled", 4),
                    ("numberMisscheduled", 1),
                    ("numberReady", 4),
                    ("numberAvailable", 3),
                    ("numberUnavailable", 1),
                    ("updatedNumberScheduled", 2),
                ],
            ),
        ];
        for (status, own) in table {
            let status: Value = serde_json::from_str(&status).expect("json");
            let is_daemon_set = status.get("numberReady").is_some();
            let shared = if is_daemon_set { &same[..1] } else { &same[..] };
            for (field, count) in own.iter().chain(shared) {
                assert_eq!(status[field].as_i64(), Some(*count), "{field} of {status}");
            }
        }
    }

    #[test]
    fn who_waits_for_others_has_not_failed() {
        let held = "waits until Deployment db is healthy".to_owned();
        let counts = WorkloadCounts { held, ..counts(0, Progress::Proceeds) };
        let status = deployment(&counts, "{}", "t1");
        let waits = told(&status).pop();
        assert_eq!(waits.as_deref(), Some("Waiting True DependsOn t1 t1"), "{status}");
        assert!(!status.contains("ReplicaFailure"), "{status}");
    }

    #[test]
    fn what_was_gone_back_to_is_told_as_pinned_and_a_failed_update_that_stands_still_as_failed() {
        let pin = |why: &str| Some(Pin { left: 2, stands: 3, why: why.to_owned() });
        for (why, reason) in [("", "Undone"), ("no image", "Reverted")] {
            let counts = WorkloadCounts { pinned: pin(why), ..counts(4, Progress::Complete) };
            let status = deployment(&counts, "{}", "t");
            assert_eq!(told(&status)[2], format!("Pinned True {reason} t t"));
        }
        let halted = "1 of 4 new pods failed".to_owned();
        let counts = WorkloadCounts { halted, ..counts(3, Progress::Halted) };
        let status = deployment(&counts, "{}", "t");
        assert_eq!(told(&status)[1], "Progressing False UpdateFailed t t");
        assert!(status.contains("stands still: 1 of 4 new pods failed"));
    }

    #[test]
    fn a_pod_that_a_quota_forbids_is_a_failed_creation() {
        let refused = "pods \"web-1\" is forbidden: exceeded quota: q, requested: pods=1";
        let table = [(refused, "FailedCreate"), ("0/1 nodes are available: …", "FailedScheduling")];
        for (waiting, reason) in table {
            let counts = WorkloadCounts { waiting: waiting.to_owned(), ..<_>::default() };
            let status: Value =
                serde_json::from_str(&deployment(&counts, "{}", "t1")).expect("json");
            let failure = &status["conditions"][2];
            assert_eq!(
                (&failure["type"], &failure["status"]),
                (&"ReplicaFailure".into(), &"True".into())
            );
            assert_eq!(failure["reason"], reason);
            assert_eq!(failure["message"], waiting);
        }
    }

    #[test]
    fn a_status_is_written_as_any_json_of_ours_with_its_fields_in_order() {
        let counts = WorkloadCounts { is_judged: true, ..counts(3, Progress::Complete) };
        let statuses = [
            deployment(&counts, "{}", "t"),
            replica_set(&counts),
            daemon_set(&counts, "{}", "t"),
            stateful_set(&counts, "{}", "t"),
        ];
        for status in statuses {
            let value: Value = serde_json::from_str(&status).expect("json");
            assert_eq!(value.to_string(), status);
        }
    }
}
