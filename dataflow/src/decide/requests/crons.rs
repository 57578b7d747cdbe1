//! CronJobs: the Jobs that they are made to start, and whether they can be.

use std::sync::Arc;

use serde_json::{Value, json};
use setpoint_rules::cron::Schedule;
use setpoint_schemas::{Resource, SCHEDULED_AT};

use super::workloads::compile;
use crate::state::{Cron, WorkloadKind};

/// The Job for a time of a CronJob's schedule.
pub(crate) fn job_of(schedule: &Schedule, resource: &Resource, name: &str, time_ms: i64) -> Value {
    let body: Value = serde_json::from_str(&resource.body).unwrap_or_default();
    let template = &body["spec"]["jobTemplate"];
    let mut metadata = json!({
        "name": name, "namespace": resource.namespace,
        "annotations": template["metadata"]["annotations"],
        "ownerReferences": [{
            "apiVersion": resource.api_version, "kind": resource.kind, "name": resource.name,
            "uid": resource.uid, "controller": true, "blockOwnerDeletion": true,
        }],
    });
    metadata["annotations"][SCHEDULED_AT] = json!(schedule.local(time_ms));
    if template["metadata"]["labels"].is_object() {
        metadata["labels"] = template["metadata"]["labels"].clone();
    }
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template["spec"]})
}

/// Whether a CronJob can be acted upon, and its Jobs.
///
/// # Errors
/// A sentence that names what cannot.
pub(crate) fn check_cron(resource: &Resource) -> Result<(), String> {
    let (_, schedule, _) = Cron::read(resource)?;
    let body = job_of(&schedule, resource, "job", 0).to_string();
    let job = Resource {
        kind: "Job".to_owned(),
        name: "job".to_owned(),
        body: Arc::from(body),
        ..resource.clone()
    };
    compile(WorkloadKind::Job, &job).map(|_| ()).map_err(|why| format!("spec.jobTemplate: {why}"))
}
