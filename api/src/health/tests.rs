//! How objects are, case by case; what Argo CD says of its own cases stands in `api/tests/api/health.rs`.

use serde_json::json;

use super::*;
use crate::kinds::managed_kinds;

fn told(kind: &str, object: Value) -> String {
    let Health { state, message } = health(kind, Some(&object));
    let colon = if message.is_empty() { "" } else { ": " };
    format!("{}{colon}{message}", state.word())
}

#[test]
fn every_managed_kind_says_how_it_is() {
    for kind in managed_kinds() {
        let has_rule = RULES.iter().any(|(known, _)| *known == kind);
        assert!(has_rule || THERE_IS_ENOUGH.contains(&kind), "{kind}");
    }
    assert_eq!(
        told("Ingress", json!({})),
        "Unknown: nothing acts upon a Ingress or says how it is"
    );
    assert_eq!(health("Pod", None).state, HealthState::Missing);
}

#[test]
fn what_is_being_deleted_progresses_whatever_else_it_says() {
    let gone = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"},
        "status": {"phase": "Failed"}});
    for kind in ["Pod", "Namespace", "PersistentVolumeClaim"] {
        assert_eq!(told(kind, gone.clone()), "Progressing: it is being deleted", "{kind}");
    }
}

#[test]
fn a_deployment_is_healthy_when_its_update_is_complete() {
    let web = |spec: Value, status: Value| {
        told("Deployment", json!({"metadata": {"generation": 2}, "spec": spec, "status": status}))
    };
    let three = || json!({"replicas": 3});
    let stuck = json!([{"type": "Progressing", "status": "False", "message": "it is stuck",
        "reason": "ProgressDeadlineExceeded"}]);
    let no_room = json!([{"type": "ReplicaFailure", "status": "True", "message": "0/3 nodes"}]);
    let counts = |updated: i64, live: i64, available: i64| {
        json!({"observedGeneration": 2, "updatedReplicas": updated, "replicas": live,
            "availableReplicas": available})
    };
    let table = [
        (json!({"replicas": 3, "paused": true}), counts(3, 3, 3), "Suspended: it is paused"),
        (three(), json!({"observedGeneration": 1}), SEEN_LATER),
        (three(), counts(1, 3, 3), "Progressing: 1 of 3 new pods have been updated"),
        (three(), counts(3, 4, 3), "Progressing: 1 old pods are pending termination"),
        (three(), counts(3, 3, 2), "Progressing: 2 of 3 updated pods are available"),
        (three(), counts(3, 3, 3), "Healthy"),
        (json!({"replicas": 0}), counts(0, 0, 0), "Healthy"),
    ];
    for (spec, status, expected) in table {
        assert_eq!(web(spec, status), expected);
    }
    let mut status = counts(1, 3, 3);
    status["conditions"] = no_room;
    let expected = "Progressing: 1 of 3 new pods have been updated: 0/3 nodes";
    assert_eq!(web(three(), status.clone()), expected);
    status["conditions"] = stuck;
    assert_eq!(web(three(), status), "Degraded: it is stuck");
}

/// What is said of a spec that nobody has looked at yet.
const SEEN_LATER: &str = "Progressing: the change of its spec has not been seen yet";

#[test]
fn a_stateful_set_is_healthy_when_all_that_should_be_updated_is() {
    let db = |strategy: Value, ready: i64, updated: i64, current: &str| {
        told(
            "StatefulSet",
            json!({"metadata": {"generation": 1},
                "spec": {"replicas": 3, "updateStrategy": strategy},
                "status": {"observedGeneration": 1, "readyReplicas": ready,
                    "updatedReplicas": updated, "currentRevision": current,
                    "updateRevision": "db-b"}}),
        )
    };
    let partition = || json!({"rollingUpdate": {"partition": 2}});
    assert_eq!(db(json!({}), 2, 3, "db-b"), "Progressing: 2 of 3 pods are ready");
    assert_eq!(db(json!({}), 3, 1, "db-a"), "Progressing: 1 pods at revision db-b");
    assert_eq!(db(json!({}), 3, 3, "db-b"), "Healthy");
    assert_eq!(db(partition(), 3, 0, "db-a"), "Progressing: 0 of 1 new pods have been updated");
    assert_eq!(db(partition(), 3, 1, "db-a"), "Healthy");
    assert_eq!(db(json!({"type": "OnDelete"}), 3, 0, "db-a"), "Healthy");
}

#[test]
fn a_set_whose_update_failed_is_degraded_and_one_whose_updates_are_paused_is_suspended() {
    let failed = json!([{"type": "Progressing", "status": "False", "message": "it stands still",
        "reason": "UpdateFailed"}]);
    for kind in ["StatefulSet", "DaemonSet"] {
        let status = json!({"readyReplicas": 1, "conditions": failed});
        let object = json!({"spec": {}, "status": status});
        assert_eq!(told(kind, object), "Degraded: it stands still", "{kind}");
        let paused = json!({"annotations": {"setpoint.dev/update-paused": "true"}});
        let object = json!({"metadata": paused, "spec": {}, "status": status});
        assert_eq!(told(kind, object), "Suspended: its updates are paused", "{kind}");
    }
}

#[test]
fn other_workloads_are_healthy_when_enough_of_their_pods_are() {
    let daemon = |updated: i64, available: i64| {
        told(
            "DaemonSet",
            json!({"status": {"desiredNumberScheduled": 2,
            "updatedNumberScheduled": updated, "numberAvailable": available}}),
        )
    };
    assert_eq!(daemon(1, 2), "Progressing: 1 of 2 new pods have been updated");
    assert_eq!(daemon(2, 1), "Progressing: 1 of 2 updated pods are available");
    assert_eq!(daemon(2, 2), "Healthy");
    for kind in ["ReplicaSet", "ReplicationController"] {
        let of = |available: i64| {
            told(kind, json!({"spec": {"replicas": 2}, "status": {"availableReplicas": available}}))
        };
        assert_eq!(of(1), "Progressing: 1 of 2 pods are available");
        assert_eq!(of(2), "Healthy");
    }
}

#[test]
fn a_job_and_a_schedule_are_as_their_runs_end() {
    let job =
        |conditions: Value| told("Job", json!({"status": {"active": 1, "conditions": conditions}}));
    let is = |kind: &str| json!([{"type": kind, "status": "True", "message": "so it is"}]);
    assert_eq!(job(json!([])), "Progressing: 1 active, 0 succeeded, 0 failed");
    assert_eq!(job(is("Failed")), "Degraded: so it is");
    assert_eq!(job(is("Complete")), "Healthy: so it is");
    assert_eq!(job(is("Suspended")), "Suspended: it is suspended");
    let cron = |suspend: bool, status: Value| {
        told("CronJob", json!({"spec": {"suspend": suspend}, "status": status}))
    };
    assert_eq!(cron(true, json!({})), "Suspended: it is suspended");
    assert_eq!(cron(false, json!({})), "Healthy: no time of its schedule has come yet");
    let never_well = json!({"lastScheduleTime": "2026-01-01T00:00:00Z"});
    assert_eq!(cron(false, never_well), "Degraded: its latest run did not succeed");
}

#[test]
fn a_pod_is_degraded_by_what_will_not_pass_by_waiting() {
    let pod = |policy: &str, phase: &str, list: &str, state: Value| {
        told(
            "Pod",
            json!({"spec": {"restartPolicy": policy},
            "status": {"phase": phase, list: [{"name": "main", "state": state}]}}),
        )
    };
    let waits = |reason: &str| json!({"waiting": {"reason": reason, "message": "no"}});
    for reason in [
        "ErrImagePull",
        "ImagePullBackOff",
        "CrashLoopBackOff",
        "RunContainerError",
        "CreateContainerConfigError",
        "InvalidImageName",
    ] {
        for list in ["containerStatuses", "initContainerStatuses"] {
            let said = pod("Always", "Pending", list, waits(reason));
            assert_eq!(said, format!("Degraded: container main: {reason}: no"), "{list}");
        }
        let said = pod("OnFailure", "Running", "containerStatuses", waits(reason));
        assert_eq!(said, "Progressing: it has not ended yet");
    }
    for reason in ["ContainerCreating", "PodInitializing"] {
        assert_eq!(pod("Always", "Pending", "containerStatuses", waits(reason)), "Progressing");
    }
    for (reason, word) in [("NoCommand", "Degraded"), ("CreateContainerError", "Progressing")] {
        let said = pod("Never", "Pending", "containerStatuses", waits(reason));
        assert_eq!(said, format!("{word}: container main: {reason}: no"));
    }
    let ended = json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}});
    let said = pod("Never", "Failed", "containerStatuses", ended);
    assert_eq!(said, "Degraded: container main ended with exit code 137 (OOMKilled)");
    assert_eq!(pod("Never", "Succeeded", "containerStatuses", json!({})), "Healthy");
    assert_eq!(pod("Always", "Unknown", "containerStatuses", json!({})), "Unknown");
}

#[test]
fn nodes_and_volumes_are_as_they_say() {
    let node = |cordoned: bool, status: &str| {
        told(
            "Node",
            json!({"spec": {"unschedulable": cordoned}, "status": {"conditions": [
            {"type": "Ready", "status": status, "message": "because"}]}}),
        )
    };
    assert_eq!(node(false, "True"), "Healthy");
    assert_eq!(node(true, "True"), "Suspended: it is cordoned");
    assert_eq!(node(true, "False"), "Degraded: because");
    assert_eq!(node(false, "Unknown"), "Unknown: because");
    for (kind, phase, expected) in [
        ("PersistentVolumeClaim", "Bound", "Healthy"),
        ("PersistentVolumeClaim", "Pending", "Progressing: it waits for its volume"),
        ("PersistentVolumeClaim", "Lost", "Degraded: its volume is gone"),
        ("PersistentVolume", "Available", "Healthy"),
        ("PersistentVolume", "Released", "Healthy"),
        ("PersistentVolume", "Failed", "Degraded"),
    ] {
        assert_eq!(told(kind, json!({"status": {"phase": phase}})), expected, "{kind} {phase}");
    }
}
