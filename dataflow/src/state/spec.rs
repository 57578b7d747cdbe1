//! What a workload's resource says: its spec, and the template of its pods as it is compiled.

use std::collections::BTreeMap;

use serde_json::Value;
use setpoint_rules::own_claims::{self, OwnClaims};
use setpoint_schemas::{
    COMPLETION_INDEX, COMPLETION_INDEX_ENV, JOB_NAME_LABELS, JobSpec, ObjectMeta, PodSpec,
    PodTemplate, Resource, WorkloadSpec,
};

use super::workload::WorkloadKind;

/// The spec and the template of a workload's resource; the spec without the template, which is compiled
/// from its own text. A bare pod is a workload of one, whose template is itself.
pub(crate) fn read_spec(
    kind: WorkloadKind,
    resource: &Resource,
) -> Result<(WorkloadSpec, Value, BTreeMap<String, String>), String> {
    let body: Value = serde_json::from_str(&resource.body).map_err(|e| e.to_string())?;
    let metadata: ObjectMeta =
        serde_json::from_value(body["metadata"].clone()).map_err(|e| format!("metadata: {e}"))?;
    if kind == WorkloadKind::Bare {
        let _: PodSpec =
            serde_json::from_value(body["spec"].clone()).map_err(|e| format!("spec: {e}"))?;
        let json = serde_json::json!({"metadata": body["metadata"], "spec": body["spec"]});
        let spec = WorkloadSpec { replicas: Some(1), ..WorkloadSpec::default() };
        return Ok((spec, json, metadata.annotations));
    }
    let mut spec: WorkloadSpec =
        serde_json::from_value(body["spec"].clone()).map_err(|e| format!("spec: {e}"))?;
    spec.template = PodTemplate::default();
    if kind == WorkloadKind::Job {
        let job: JobSpec =
            serde_json::from_value(body["spec"].clone()).map_err(|e| format!("spec: {e}"))?;
        let template = job_template(&job, &resource.name, body["spec"]["template"].clone());
        spec.job = Some(Box::new(job));
        spec.cron = cron_of(&body["metadata"]["ownerReferences"]);
        return Ok((spec, template, metadata.annotations));
    }
    let mut template = body["spec"]["template"].clone();
    if kind == WorkloadKind::Stateful {
        own_claims::unmount(&mut template["spec"], &OwnClaims::of(&spec).templates);
    }
    Ok((spec, template, metadata.annotations))
}

/// The CronJob among the owners of an object: its name and its uid.
fn cron_of(owners: &Value) -> Option<(String, String)> {
    let is_cron = |owner: &&Value| owner["kind"] == "CronJob" && owner["controller"] == true;
    let owner = owners.as_array()?.iter().find(is_cron)?;
    Some((owner["name"].as_str()?.to_owned(), owner["uid"].as_str()?.to_owned()))
}

/// The template of a Job's pods: with the Job's name as labels, by which people find them, and where they
/// have indexes with the variable that tells it.
fn job_template(job: &JobSpec, name: &str, mut template: Value) -> Value {
    if !template["metadata"]["labels"].is_object() {
        template["metadata"]["labels"] = Value::Object(Default::default());
    }
    for label in JOB_NAME_LABELS {
        template["metadata"]["labels"][label] = Value::from(name);
    }
    if job.is_indexed() {
        for list in ["initContainers", "containers"] {
            let containers = template["spec"].get_mut(list).and_then(Value::as_array_mut);
            containers.into_iter().flatten().for_each(tell_index);
        }
    }
    template
}

/// The annotation of the pod says it, as in Kubernetes; what the container says itself stands.
fn tell_index(container: &mut Value) {
    let path = format!("metadata.annotations['{COMPLETION_INDEX}']");
    let from = serde_json::json!({"fieldRef": {"fieldPath": path}});
    let variable = serde_json::json!({"name": COMPLETION_INDEX_ENV, "valueFrom": from});
    match container["env"].as_array_mut() {
        Some(env) if env.iter().any(|known| known["name"] == COMPLETION_INDEX_ENV) => {}
        Some(env) => env.push(variable),
        None => container["env"] = Value::Array(vec![variable]),
    }
}
