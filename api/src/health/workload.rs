//! Workloads whose pods should run on: the counts of their status against what is wanted.

use serde_json::Value;

use super::Health;
use super::field::{condition, count, held, said, text};

/// What is said while the status speaks of an earlier spec.
const UNSEEN: &str = "the change of its spec has not been seen yet";

pub(super) fn deployment(object: &Value) -> Health {
    if object["spec"]["paused"] == true {
        return Health::suspended("it is paused");
    }
    if !is_seen(object) {
        return Health::progressing(UNSEEN);
    }
    if let Some(stuck) = stuck(object) {
        return Health::degraded(said(stuck));
    }
    let (desired, updated) = (desired(object), count(object, "updatedReplicas"));
    let (live, available) = (count(object, "replicas"), count(object, "availableReplicas"));
    let left = if updated < desired {
        format!("{updated} of {desired} new pods have been updated")
    } else if live > updated {
        format!("{} old pods are pending termination", live - updated)
    } else if available < updated {
        format!("{available} of {updated} updated pods are available")
    } else {
        return Health::healthy("");
    };
    // Why the next pod has no place says more than how many are missing.
    let why = held(object, "ReplicaFailure").or_else(|| held(object, "Waiting"));
    let why = why.map(said).unwrap_or_default();
    Health::progressing(if why.is_empty() { left } else { format!("{left}: {why}") })
}

pub(super) fn stateful_set(object: &Value) -> Health {
    if let Some(of_update) = of_update(object) {
        return of_update;
    }
    let strategy = &object["spec"]["updateStrategy"];
    let (desired, ready) = (desired(object), count(object, "readyReplicas"));
    if ready < desired {
        return Health::progressing(format!("{ready} of {desired} pods are ready"));
    }
    if strategy["type"] == "OnDelete" {
        return Health::healthy("");
    }
    let (status, updated) = (&object["status"], count(object, "updatedReplicas"));
    let kept = strategy["rollingUpdate"]["partition"].as_i64().unwrap_or(0);
    if kept > 0 {
        let wanted = (desired - kept).max(0);
        if updated < wanted {
            return Health::progressing(format!(
                "{updated} of {wanted} new pods have been updated"
            ));
        }
        return Health::healthy("");
    }
    if status["updateRevision"] != status["currentRevision"] {
        let revision = text(&status["updateRevision"]);
        return Health::progressing(format!("{updated} pods at revision {revision}"));
    }
    Health::healthy("")
}

pub(super) fn daemon_set(object: &Value) -> Health {
    if let Some(of_update) = of_update(object) {
        return of_update;
    }
    if object["spec"]["updateStrategy"]["type"] == "OnDelete" {
        return Health::healthy("");
    }
    let desired = count(object, "desiredNumberScheduled");
    let updated = count(object, "updatedNumberScheduled");
    let available = count(object, "numberAvailable");
    if updated < desired {
        return Health::progressing(format!("{updated} of {desired} new pods have been updated"));
    }
    if available < desired {
        return Health::progressing(format!("{available} of {desired} updated pods are available"));
    }
    Health::healthy("")
}

/// What is known of a StatefulSet or a DaemonSet before its pods are counted: its update is paused, not seen
/// yet, or failed.
fn of_update(object: &Value) -> Option<Health> {
    if object["metadata"]["annotations"]["setpoint.dev/update-paused"] == "true" {
        return Some(Health::suspended("its updates are paused"));
    }
    if !is_seen(object) {
        return Some(Health::progressing(UNSEEN));
    }
    stuck(object).map(|stuck| Health::degraded(said(stuck)))
}

/// The condition that says that an update failed or is late.
fn stuck(object: &Value) -> Option<&Value> {
    let is_stuck =
        |c: &&Value| matches!(text(&c["reason"]), "ProgressDeadlineExceeded" | "UpdateFailed");
    condition(object, "Progressing").filter(is_stuck)
}

/// A ReplicaSet or a ReplicationController.
pub(super) fn replicas(object: &Value) -> Health {
    if !is_seen(object) {
        return Health::progressing(UNSEEN);
    }
    if let Some(failure) = held(object, "ReplicaFailure") {
        return Health::degraded(said(failure));
    }
    let (desired, available) = (desired(object), count(object, "availableReplicas"));
    if available < desired {
        return Health::progressing(format!("{available} of {desired} pods are available"));
    }
    Health::healthy("")
}

/// Whether the status speaks of the present spec.
fn is_seen(object: &Value) -> bool {
    let generation = object["metadata"]["generation"].as_i64().unwrap_or(0);
    generation <= count(object, "observedGeneration")
}

fn desired(object: &Value) -> i64 {
    object["spec"]["replicas"].as_i64().unwrap_or(1)
}
