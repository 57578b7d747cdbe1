//! Jobs and CronJobs at the gate: what Kubernetes refuses is refused with its path.

use serde_json::{Value, json};
use setpoint_ingest_manifest::{GateOptions, gate};

fn job(spec: &Value) -> Value {
    let mut job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"},
        "spec": {"template": {"spec": {"restartPolicy": "Never",
            "containers": [{"name": "main", "image": "x"}]}}}});
    merge(&mut job["spec"], spec);
    job
}

fn cron_job(spec: &Value) -> Value {
    let mut cron = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "c"},
        "spec": {"schedule": "@hourly", "jobTemplate": {"spec": job(&json!({}))["spec"]}}});
    merge(&mut cron["spec"], spec);
    cron
}

fn merge(into: &mut Value, more: &Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (key, value) in more {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more.clone(),
    }
}

/// The paths of what is wrong.
fn refused(object: &Value) -> Vec<String> {
    match gate(object, &GateOptions::default()) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(|problem| problem.path.to_string()).collect(),
    }
}

#[test]
fn a_job_is_held_to_what_kubernetes_holds_it_to() {
    let policy = |rule: Value| json!({"podFailurePolicy": {"rules": [rule]}});
    let codes = json!({"operator": "In", "values": [1]});
    for (spec, path) in [
        (json!({}), ""),
        (json!({"completions": 3, "completionMode": "Indexed", "backoffLimitPerIndex": 1}), ""),
        (policy(json!({"action": "FailJob", "onExitCodes": codes})), ""),
        (json!({"completions": -1}), "spec.completions"),
        (json!({"completionMode": "Indexed"}), "spec.completions"),
        (json!({"completionMode": "Some"}), "spec.completionMode"),
        (json!({"backoffLimitPerIndex": 1}), "spec.backoffLimitPerIndex"),
        (json!({"maxFailedIndexes": 1}), "spec.maxFailedIndexes"),
        (json!({"podReplacementPolicy": "Never"}), "spec.podReplacementPolicy"),
        (
            json!({"template": {"spec": {"restartPolicy": "Always"}}}),
            "spec.template.spec.restartPolicy",
        ),
        (
            policy(json!({"action": "FailIndex", "onExitCodes": codes})),
            "spec.podFailurePolicy.rules[0].action",
        ),
        (policy(json!({"action": "Ignore"})), "spec.podFailurePolicy.rules[0]"),
        (
            policy(json!({"action": "Count", "onExitCodes": {"operator": "In", "values": [0]}})),
            "spec.podFailurePolicy.rules[0].onExitCodes.values[0]",
        ),
        (
            policy(json!({"action": "Count",
                "onExitCodes": {"operator": "In", "values": [1], "containerName": "other"}})),
            "spec.podFailurePolicy.rules[0].onExitCodes.containerName",
        ),
        (json!({"successPolicy": {"rules": [{"succeededCount": 1}]}}), "spec.successPolicy"),
        (json!({"managedBy": "example.org/other"}), "spec.managedBy"),
    ] {
        let found = refused(&job(&spec));
        match path {
            "" => assert_eq!(found, [""; 0], "{spec}"),
            path => assert_eq!(found, [path], "{spec}"),
        }
    }
}

#[test]
fn a_cron_job_is_held_to_it_as_its_jobs_are() {
    for (spec, path) in [
        (json!({}), ""),
        (json!({"schedule": ""}), "spec.schedule"),
        (json!({"timeZone": ""}), "spec.timeZone"),
        (json!({"concurrencyPolicy": "Maybe"}), "spec.concurrencyPolicy"),
        (json!({"successfulJobsHistoryLimit": -1}), "spec.successfulJobsHistoryLimit"),
        (
            json!({"jobTemplate": {"spec": {"completionMode": "Indexed"}}}),
            "spec.jobTemplate.spec.completions",
        ),
    ] {
        let found = refused(&cron_job(&spec));
        match path {
            "" => assert_eq!(found, [""; 0], "{spec}"),
            path => assert_eq!(found, [path], "{spec}"),
        }
    }
    let mut long = cron_job(&json!({}));
    long["metadata"]["name"] = json!("a".repeat(53));
    assert_eq!(refused(&long), ["metadata.name"]);
    let mut odd = cron_job(&json!({}));
    odd["metadata"]["annotations"] = json!({"setpoint.dev/catch-up": "some"});
    assert_eq!(refused(&odd).len(), 1);
}
