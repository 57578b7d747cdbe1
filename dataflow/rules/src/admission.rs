//! What becomes of one item of a request: the object after it, or why it is refused.
//!
//! The answers are Kubernetes': 404 for what is not there, 409 for what is there already or has
//! another version, 413 for what is too large, 422 for what is not valid.

use serde_json::{Map, Value, json};
use setpoint_schemas::{CronJobSpec, JobSpec, RESOURCE_BYTES_MAX, RequestItem, Verb, WorkloadSpec};

use crate::immutable;
use crate::ownership::{self, Managers};

/// Why an item is refused, with the HTTP code that says the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// 400, 404, 409, 413 or 422.
    pub code: u16,
    /// What, where, why.
    pub message: String,
}

/// An object and who owns its fields.
#[derive(Debug, Clone, PartialEq)]
pub struct Owned {
    /// The object, without status.
    pub object: Value,
    /// Who owns what.
    pub managers: Managers,
}

/// What is to become of the resource.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It is to be this, and this is told to who asked; empty for nothing.
    Put(Owned, String),
    /// It is to go.
    Gone,
}

/// The resource as it stands, for an item to change.
#[derive(Debug, Clone, Copy)]
pub struct Present<'a> {
    /// The object and its owners.
    pub owned: &'a Owned,
    /// The epoch of its last change.
    pub version: i64,
}

/// What becomes of the resource by this item.
///
/// # Errors
/// [`Refusal`] with Kubernetes' code and a message that names the resource.
pub fn admit(
    present: Option<Present<'_>>,
    item: &RequestItem,
    manager: &str,
    force: bool,
) -> Result<Outcome, Refusal> {
    let what = || format!("{} {:?}", item.kind, item.name);
    if item.subresource == "status" {
        return Err(invalid(item, "status: it is the leader's to write"));
    }
    if let (Some(expected), Some(present)) = (item.expected_version, present)
        && expected != present.version
    {
        let message = format!(
            "{}: the object has been modified (version {}, not {expected}); apply your changes to the latest version and try again",
            what(),
            present.version
        );
        return Err(Refusal { code: 409, message });
    }
    match (item.verb, present) {
        (Verb::Create, Some(_)) => {
            Err(Refusal { code: 409, message: format!("{} already exists", what()) })
        }
        (Verb::Create | Verb::Apply | Verb::Update, None) if item.verb != Verb::Update => {
            let nothing = Owned { object: json!({}), managers: Managers::new() };
            applied(&nothing, item, manager, true)
        }
        (_, None) => Err(Refusal { code: 404, message: format!("{} not found", what()) }),
        (Verb::Delete, Some(_)) => Ok(Outcome::Gone),
        (Verb::Apply, Some(present)) => {
            allowed(present.owned, item, applied(present.owned, item, manager, force)?)
        }
        (_, Some(present)) => allowed(present.owned, item, written(present.owned, item, manager)?),
    }
}

/// A change, unless it touches what stays as it was created.
fn allowed(present: &Owned, item: &RequestItem, outcome: Outcome) -> Result<Outcome, Refusal> {
    let refusals = match &outcome {
        Outcome::Put(after, _) => immutable::refusals(item, &present.object, &after.object),
        Outcome::Gone => Vec::new(),
    };
    if refusals.is_empty() { Ok(outcome) } else { Err(invalid(item, &refusals.join(", "))) }
}

fn applied(
    present: &Owned,
    item: &RequestItem,
    manager: &str,
    force: bool,
) -> Result<Outcome, Refusal> {
    let wanted = strip(body(item)?);
    ownable(item, &wanted)?;
    let done = ownership::apply(&present.object, &present.managers, &wanted, manager, force);
    match done {
        Ok(done) => {
            let mut object = done.object;
            identify(&mut object, &wanted);
            let told: Vec<String> = done.taken_back.iter().map(taken_back).collect();
            checked(item, Owned { object, managers: done.managers }, told.join(", "))
        }
        Err(conflicts) => {
            let list: Vec<String> = conflicts
                .iter()
                .map(|c| format!("{} is owned by {:?}", pointer_path(&c.field), c.manager))
                .collect();
            let message = format!(
                "{} {:?}: apply failed with {} conflict(s): {}; leave the field out, or take it over with --force-conflicts",
                item.kind,
                item.name,
                conflicts.len(),
                list.join(", ")
            );
            Err(Refusal { code: 409, message })
        }
    }
}

fn written(present: &Owned, item: &RequestItem, manager: &str) -> Result<Outcome, Refusal> {
    let change = body(item)?;
    let mut object = present.object.clone();
    match item.verb {
        Verb::MergePatch => setpoint_patch::merge(&mut object, &change),
        Verb::StrategicMergePatch => setpoint_patch::strategic(&mut object, &change)
            .map_err(|error| invalid(item, &error.to_string()))?,
        Verb::JsonPatch | Verb::RolloutUndo => setpoint_patch::operations(&mut object, &change)
            .map_err(|error| invalid(item, &error.to_string()))?,
        _ => object = change,
    }
    let mut object = strip(object);
    identify(&mut object, &present.object);
    ownable(item, &object)?;
    let managers = present.managers.clone();
    let managers = match (item.verb, item.subresource.as_str()) {
        (Verb::RolloutUndo, _) => ownership::restored(&object, managers, manager),
        (_, "scale") => ownership::scaled(&present.object, &object, managers, manager),
        _ => ownership::own(&present.object, &object, managers, manager),
    };
    checked(item, Owned { object, managers }, String::new())
}

fn taken_back(field: &ownership::TakenBack) -> String {
    format!("{} was {}, set by scale; now {}", pointer_path(&field.field), field.was, field.now)
}

fn body(item: &RequestItem) -> Result<Value, Refusal> {
    serde_json::from_str(&item.body).map_err(|e| Refusal {
        code: 400,
        message: format!("{} {:?}: the body is not JSON: {e}", item.kind, item.name),
    })
}

/// Without what the server maintains.
fn strip(mut object: Value) -> Value {
    setpoint_schemas::strip_server_fields(&mut object);
    object
}

/// Kind and name never change.
fn identify(object: &mut Value, from: &Value) {
    let Some(map) = object.as_object_mut() else { return };
    for key in ["apiVersion", "kind"] {
        if let Some(value) = from.get(key) {
            map.insert(key.to_owned(), value.clone());
        }
    }
    let metadata = map.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    for key in ["name", "namespace"] {
        if let (Some(value), Some(metadata)) = (from["metadata"].get(key), metadata.as_object_mut())
        {
            metadata.insert(key.to_owned(), value.clone());
        }
    }
}

/// The paths of all fields, which their managers are written down by, are not many times the object:
/// long names around many fields would make gigabytes of a small request.
fn ownable(item: &RequestItem, object: &Value) -> Result<(), Refusal> {
    let bytes = ownership::paths_bytes(object);
    if bytes <= RESOURCE_BYTES_MAX {
        return Ok(());
    }
    let message = format!(
        "{} {:?}: the paths of its fields have {bytes} bytes, more than the {RESOURCE_BYTES_MAX} of a resource",
        item.kind, item.name
    );
    Err(Refusal { code: 413, message })
}

/// The last gate: what decides must be readable as what it is.
fn checked(item: &RequestItem, owned: Owned, told: String) -> Result<Outcome, Refusal> {
    if matches!(
        item.kind.as_str(),
        "Deployment" | "ReplicaSet" | "ReplicationController" | "DaemonSet" | "StatefulSet" | "Job"
    ) {
        let spec: WorkloadSpec = serde_json::from_value(owned.object["spec"].clone())
            .map_err(|e| invalid(item, &format!("spec: {e}")))?;
        if spec.replicas.is_some_and(|replicas| replicas < 0) {
            return Err(invalid(item, "spec.replicas: must be greater than or equal to 0"));
        }
        if spec.template.spec.containers.is_empty() {
            return Err(invalid(item, "spec.template.spec.containers: at least one is required"));
        }
    }
    if matches!(item.kind.as_str(), "Job" | "CronJob") && item.api_version == "batch/v1" {
        checked_job(item, &owned.object)?;
    }
    if item.kind == "Pod" {
        let spec: setpoint_schemas::PodSpec = serde_json::from_value(owned.object["spec"].clone())
            .map_err(|e| invalid(item, &format!("spec: {e}")))?;
        if spec.containers.is_empty() {
            return Err(invalid(item, "spec.containers: at least one is required"));
        }
    }
    Ok(Outcome::Put(owned, told))
}

fn checked_job(item: &RequestItem, object: &Value) -> Result<(), Refusal> {
    let spec = &object["spec"];
    let (job, at) = match item.kind.as_str() {
        "CronJob" => {
            let _: CronJobSpec = serde_json::from_value(spec.clone())
                .map_err(|e| invalid(item, &format!("spec: {e}")))?;
            (&spec["jobTemplate"]["spec"], "spec.jobTemplate.spec")
        }
        _ => (spec, "spec"),
    };
    let read: JobSpec =
        serde_json::from_value(job.clone()).map_err(|e| invalid(item, &format!("{at}: {e}")))?;
    if read.is_indexed() && read.completions.is_none() {
        return Err(invalid(item, &format!("{at}.completions: is required with indexes")));
    }
    let containers = job["template"]["spec"]["containers"].as_array().map_or(0, Vec::len);
    if containers == 0 {
        let why = format!("{at}.template.spec.containers: at least one is required");
        return Err(invalid(item, &why));
    }
    Ok(())
}

fn invalid(item: &RequestItem, why: &str) -> Refusal {
    Refusal { code: 422, message: format!("{} {:?} is invalid: {why}", item.kind, item.name) }
}

/// `/spec/replicas` as `spec.replicas`.
fn pointer_path(pointer: &str) -> String {
    pointer.trim_start_matches('/').replace('/', ".").replace("~1", "/").replace("~0", "~")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(verb: Verb, body: &Value) -> RequestItem {
        RequestItem {
            verb,
            api_version: "v1".into(),
            kind: "ConfigMap".into(),
            namespace: "default".into(),
            name: "c".into(),
            subresource: String::new(),
            body: body.to_string(),
            expected_version: None,
        }
    }

    fn put(outcome: Result<Outcome, Refusal>) -> Owned {
        match outcome.expect("accepted") {
            Outcome::Put(owned, _) => owned,
            Outcome::Gone => panic!("it is gone"),
        }
    }

    fn code(outcome: Result<Outcome, Refusal>) -> u16 {
        outcome.expect_err("refused").code
    }

    #[test]
    fn the_verbs_answer_as_kubernetes_does() {
        let object = json!({"kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1"}});
        assert_eq!(code(admit(None, &item(Verb::MergePatch, &object), "m", false)), 404);
        assert_eq!(code(admit(None, &item(Verb::Update, &object), "m", false)), 404);
        let owned = put(admit(None, &item(Verb::Create, &object), "m", false));
        let present = Some(Present { owned: &owned, version: 7 });
        assert_eq!(code(admit(present, &item(Verb::Create, &object), "m", false)), 409);
        let mut stale = item(Verb::Delete, &object);
        stale.expected_version = Some(6);
        assert_eq!(code(admit(present, &stale, "m", false)), 409);
        assert_eq!(admit(present, &item(Verb::Delete, &object), "m", false), Ok(Outcome::Gone));
        let patched = put(admit(
            present,
            &item(Verb::MergePatch, &json!({"data": {"a": null, "b": "2"}})),
            "m",
            false,
        ));
        assert_eq!(patched.object["data"], json!({"b": "2"}));
        let json_patch = json!([{"op": "replace", "path": "/data/a", "value": "3"}]);
        let patched = put(admit(present, &item(Verb::JsonPatch, &json_patch), "m", false));
        assert_eq!(patched.object["data"], json!({"a": "3"}));
    }

    #[test]
    fn nothing_is_written_by_way_of_a_status() {
        let object = json!({"kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1"}});
        let owned = put(admit(None, &item(Verb::Create, &object), "m", false));
        let patch = json!({"data": {"a": "2"}, "status": {"x": 1}});
        let verbs = [Verb::MergePatch, Verb::StrategicMergePatch, Verb::Update, Verb::Apply];
        for present in [None, Some(Present { owned: &owned, version: 1 })] {
            for verb in verbs {
                let to_status = RequestItem { subresource: "status".into(), ..item(verb, &patch) };
                assert_eq!(code(admit(present, &to_status, "m", true)), 422, "{verb:?}");
            }
        }
    }

    #[test]
    fn fields_whose_paths_would_fill_the_memory_are_refused() {
        let fields: Map<String, Value> = (0..10_000).map(|n| (n.to_string(), json!(n))).collect();
        let nested = json!({"metadata": {"name": "c"}, "x".repeat(500_000): fields});
        assert_eq!(code(admit(None, &item(Verb::Create, &nested), "m", false)), 413);
        let owned = put(admit(None, &item(Verb::Create, &json!({"data": {}})), "m", false));
        let present = Some(Present { owned: &owned, version: 1 });
        assert_eq!(code(admit(present, &item(Verb::MergePatch, &nested), "m", false)), 413);
        assert_eq!(code(admit(present, &item(Verb::Apply, &nested), "m", false)), 413);
    }

    #[test]
    fn a_patch_cannot_rename_nor_write_what_the_server_maintains() {
        let object = json!({"kind": "ConfigMap", "metadata": {"name": "c"}, "data": {}});
        let owned = put(admit(None, &item(Verb::Create, &object), "m", false));
        let present = Some(Present { owned: &owned, version: 1 });
        let patch = json!({
            "metadata": {"name": "d", "uid": "x", "deletionGracePeriodSeconds": 30},
            "status": {"x": 1},
        });
        let patched = put(admit(present, &item(Verb::MergePatch, &patch), "m", false));
        assert_eq!(patched.object["metadata"], json!({"name": "c"}));
        assert_eq!(patched.object.get("status"), None);
    }
}
