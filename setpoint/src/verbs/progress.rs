//! How far an update is by a workload's status, in kubectl's words.
//!
//! Absent: waiting for it, and who of its pods is to blame.

use serde_json::Value;

use crate::output::field::{condition, number, text};
use crate::verbs::wait::Look;

/// How far a workload is, in kubectl's words.
pub(super) fn progress(object: &Value) -> Look<()> {
    match text(object, "/kind") {
        "Deployment" | "ReplicaSet" | "ReplicationController" | "DaemonSet" => {}
        "StatefulSet" => return progress_of_identities(object),
        "Pod" if text(object, "/status/phase") == "Pending" => {
            return Look::NotYet("the pod is pending".to_owned());
        }
        _ => return Look::Holds(()),
    }
    if is_on_delete(object) {
        return Look::Never(ON_DELETE.to_owned());
    }
    if let Some(look) = unseen_or_failed(object) {
        return look;
    }
    let [desired, updated, total, available] = counts(object);
    if updated < desired {
        Look::NotYet(format!("{updated} of {desired} new pods have been updated"))
    } else if total > updated {
        Look::NotYet(format!("{} old pods are pending termination", total - updated))
    } else if available < desired {
        Look::NotYet(format!("{available} of {desired} updated pods are available"))
    } else {
        Look::Holds(())
    }
}

/// What kubectl says of updates that go on when somebody deletes pods.
const ON_DELETE: &str = "rollout status is only available for RollingUpdate strategy type";

fn is_on_delete(object: &Value) -> bool {
    text(object, "/spec/updateStrategy/type") == "OnDelete"
}

/// A status that speaks of an earlier spec says nothing of this one; and one that speaks of this one may say
/// that its update failed.
fn unseen_or_failed(object: &Value) -> Option<Look<()>> {
    if number(object, "/status/observedGeneration") < number(object, "/metadata/generation") {
        return Some(Look::NotYet("waiting for the change to be seen".to_owned()));
    }
    let failed = [
        ("Progressing", "ProgressDeadlineExceeded"),
        ("Progressing", "UpdateFailed"),
        ("Pinned", "Reverted"),
    ];
    let failed = failed.into_iter().find_map(|(kind, reason)| {
        condition(object, kind).filter(|condition| text(condition, "/reason") == reason)
    });
    failed.map(|failed| Look::Never(text(failed, "/message").to_owned()))
}

/// How far a StatefulSet is, in kubectl's words.
fn progress_of_identities(object: &Value) -> Look<()> {
    let status = |field: &str| number(object, &format!("/status/{field}"));
    if is_on_delete(object) {
        return Look::Never(ON_DELETE.to_owned());
    }
    if let Some(look) = unseen_or_failed(object) {
        return look;
    }
    let desired = object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    let partition = number(object, "/spec/updateStrategy/rollingUpdate/partition");
    let (ready, updated) = (status("readyReplicas"), status("updatedReplicas"));
    let (current, update) =
        (text(object, "/status/currentRevision"), text(object, "/status/updateRevision"));
    if status("replicas") != desired {
        Look::NotYet(format!("{} of {desired} pods are there", status("replicas")))
    } else if updated < desired - partition {
        let all = desired - partition;
        Look::NotYet(format!("{updated} of {all} new pods have been updated"))
    } else if ready < desired {
        Look::NotYet(format!("{ready} of {desired} pods are ready"))
    } else if partition <= 0 && current != update {
        Look::NotYet(format!("{updated} pods at revision {update}"))
    } else {
        Look::Holds(())
    }
}

/// Desired, updated, total and available pods.
fn counts(object: &Value) -> [i64; 4] {
    let status = |field: &str| number(object, &format!("/status/{field}"));
    let desired = object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    match text(object, "/kind") {
        "DaemonSet" => [
            status("desiredNumberScheduled"),
            status("updatedNumberScheduled"),
            status("updatedNumberScheduled"),
            status("numberAvailable"),
        ],
        "Deployment" => {
            [desired, status("updatedReplicas"), status("replicas"), status("availableReplicas")]
        }
        _ => [desired, status("replicas"), status("replicas"), status("readyReplicas")],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(object: &Value) -> String {
        match progress(object) {
            Look::Holds(()) => "done".to_owned(),
            Look::NotYet(why) => why,
            Look::Never(why) => format!("never: {why}"),
        }
    }

    fn far(status: Value) -> String {
        told(&json!({"kind": "Deployment", "metadata": {"generation": 2},
            "spec": {"replicas": 3}, "status": status}))
    }

    #[test]
    fn an_update_is_followed_to_its_end() {
        let mut status = json!({"observedGeneration": 1});
        assert_eq!(far(status.clone()), "waiting for the change to be seen");
        status = json!({"observedGeneration": 2, "updatedReplicas": 1, "replicas": 4});
        assert_eq!(far(status.clone()), "1 of 3 new pods have been updated");
        status["updatedReplicas"] = json!(3);
        assert_eq!(far(status.clone()), "1 old pods are pending termination");
        status["replicas"] = json!(3);
        assert_eq!(far(status.clone()), "0 of 3 updated pods are available");
        status["availableReplicas"] = json!(3);
        assert_eq!(far(status), "done");
        for (kind, reason) in [
            ("Progressing", "ProgressDeadlineExceeded"),
            ("Progressing", "UpdateFailed"),
            ("Pinned", "Reverted"),
        ] {
            let failed = json!([{"type": kind, "reason": reason, "message": "revision 2 failed"}]);
            let seen = |generation| json!({"observedGeneration": generation, "conditions": failed});
            assert_eq!(
                far(seen(1)),
                "waiting for the change to be seen",
                "it is of the one before"
            );
            assert_eq!(far(seen(2)), "never: revision 2 failed");
        }
        let undone = json!([{"type": "Pinned", "reason": "Undone", "message": "so"}]);
        let seen = json!({"observedGeneration": 2, "conditions": undone});
        assert_eq!(far(seen), "0 of 3 new pods have been updated");
    }

    #[test]
    fn a_stateful_set_is_followed_by_its_revisions() {
        let far = |partition: i64, status: Value| {
            let strategy = json!({"rollingUpdate": {"partition": partition}});
            let object = json!({"kind": "StatefulSet", "metadata": {"generation": 1},
                "spec": {"replicas": 2, "updateStrategy": strategy}, "status": status});
            told(&object)
        };
        let status = |pods: i64, updated: i64, ready: i64, current: &str| {
            json!({"observedGeneration": 1, "replicas": pods, "updatedReplicas": updated,
                "readyReplicas": ready, "currentRevision": current, "updateRevision": "web-b"})
        };
        assert_eq!(far(0, json!({})), "waiting for the change to be seen");
        assert_eq!(far(0, status(1, 1, 1, "web-a")), "1 of 2 pods are there");
        assert_eq!(far(0, status(2, 1, 2, "web-a")), "1 of 2 new pods have been updated");
        assert_eq!(far(0, status(2, 2, 1, "web-a")), "1 of 2 pods are ready");
        assert_eq!(far(0, status(2, 2, 2, "web-a")), "2 pods at revision web-b");
        assert_eq!(far(0, status(2, 2, 2, "web-b")), "done");
        assert_eq!(far(1, status(2, 1, 2, "web-a")), "done", "the rest keeps its revision");
        let mut failed = status(2, 1, 1, "web-a");
        failed["conditions"] =
            json!([{"type": "Pinned", "reason": "Reverted", "message": "revision 2 failed"}]);
        assert_eq!(far(0, failed), "never: revision 2 failed");
    }

    #[test]
    fn a_daemon_set_is_followed_by_its_nodes_unless_somebody_else_goes_on_with_it() {
        let far = |kind: &str, status: Value| {
            let object = json!({"kind": "DaemonSet", "metadata": {"generation": 1},
                "spec": {"updateStrategy": {"type": kind}}, "status": status});
            told(&object)
        };
        let status = json!({"observedGeneration": 1, "desiredNumberScheduled": 2,
            "updatedNumberScheduled": 1, "numberAvailable": 2});
        assert_eq!(far("RollingUpdate", status.clone()), "1 of 2 new pods have been updated");
        assert_eq!(far("OnDelete", status.clone()), format!("never: {ON_DELETE}"));
        let mut late = status;
        late["conditions"] = json!([{"type": "Progressing", "message": "it is late",
            "reason": "ProgressDeadlineExceeded"}]);
        assert_eq!(far("RollingUpdate", late), "never: it is late");
    }
}
