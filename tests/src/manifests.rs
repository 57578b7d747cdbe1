//! Manifests, requests and nodes for tests, short to write and to read.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use setpoint_schemas::{
    Condition, ConditionStatus, Lease, NodeName, NodeRecord, Request, RequestId, RequestItem,
    Resources, SessionId, Verb,
};

/// The finalizer of people who hold things back; nobody else takes it away.
pub const HOLD: &str = "people.example/hold";

/// A Deployment of one container that asks for `cpu` thousandths of a core, of this image.
#[must_use]
pub fn deployment(namespace: &str, name: &str, replicas: i64, cpu: i64, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicas": replicas, "template": template(name, cpu, image)},
    })
}

/// A DaemonSet of one container.
#[must_use]
pub fn daemon_set(namespace: &str, name: &str, cpu: i64, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"template": template(name, cpu, image)},
    })
}

/// A Job of one container that is not restarted, with this said of it beside its template.
#[must_use]
pub fn job(namespace: &str, name: &str, cpu: i64, more: &Value) -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": name, "namespace": namespace}, "spec": job_spec(name, cpu, more),
    })
}

/// A CronJob of this schedule whose Jobs are of one container, with this said of it beside that.
#[must_use]
pub fn cron_job(namespace: &str, name: &str, schedule: &str, more: &Value) -> Value {
    let mut spec = json!({"schedule": schedule,
        "jobTemplate": {"spec": job_spec(name, 100, &json!({}))}});
    more.as_object().into_iter().flatten().for_each(|(key, value)| spec[key] = value.clone());
    json!({
        "apiVersion": "batch/v1", "kind": "CronJob",
        "metadata": {"name": name, "namespace": namespace}, "spec": spec,
    })
}

fn job_spec(name: &str, cpu: i64, more: &Value) -> Value {
    let mut spec = json!({"template": template(name, cpu, "work:1")});
    spec["template"]["spec"]["restartPolicy"] = json!("Never");
    more.as_object().into_iter().flatten().for_each(|(key, value)| spec[key] = value.clone());
    spec
}

/// A StatefulSet of one container.
#[must_use]
pub fn stateful_set(namespace: &str, name: &str, replicas: i64, cpu: i64, image: &str) -> Value {
    let mut set = deployment(namespace, name, replicas, cpu, image);
    set["kind"] = json!("StatefulSet");
    set["spec"]["serviceName"] = json!(name);
    set
}

/// Gives each pod of a StatefulSet a claim of its own of this name.
#[must_use]
pub fn with_own_claim(mut set: Value, name: &str) -> Value {
    let spec = claim("", name, "ReadWriteOnce")["spec"].clone();
    set["spec"]["volumeClaimTemplates"] = json!([{"metadata": {"name": name}, "spec": spec}]);
    set
}

/// The text of a pod's spec without what a StatefulSet's pod has of its own.
#[must_use]
pub fn without_identity(spec: &str) -> String {
    let mut spec: Value = serde_json::from_str(spec).unwrap_or_default();
    let ending = format!("-{}", spec["hostname"].as_str().unwrap_or_default());
    let is_own = |volume: &Value| {
        let claim = volume["persistentVolumeClaim"]["claimName"].as_str().unwrap_or_default();
        let template = claim.strip_suffix(&ending).unwrap_or_default();
        !template.is_empty() && volume["name"] == template
    };
    if let Some(volumes) = spec["volumes"].as_array_mut() {
        volumes.retain(|volume| !is_own(volume));
    }
    let lacks = |volumes: &Value| volumes.as_array().is_none_or(Vec::is_empty);
    if let Some(fields) = spec.as_object_mut()
        && fields.get("volumes").is_some_and(lacks)
    {
        fields.remove("volumes");
    }
    for own in ["hostname", "subdomain"] {
        spec.as_object_mut().map(|spec| spec.remove(own));
    }
    spec.to_string()
}

/// What LimitRanges of journeys request for who says nothing: nobody asks for as much himself.
pub const FILLED_CPU: &str = "150m";

/// Whether a pod's spec was made from this one, what LimitRanges filled in for its containers aside: who has
/// anything filled in has limits, and nobody says any himself.
#[must_use]
pub fn is_made_from(spec: &str, template: &str) -> bool {
    if spec == template || !spec.contains("\"limits\"") {
        return spec == template;
    }
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let (mut spec, template) = (read(spec), read(template));
    let said = template["containers"].as_array().cloned().unwrap_or_default();
    let containers = spec["containers"].as_array_mut().into_iter().flatten();
    for (container, said) in containers.zip(said) {
        let said = &said["resources"];
        let Some(resources) = container["resources"].as_object_mut() else { continue };
        for (kind, amounts) in resources.iter_mut() {
            if let Some(amounts) = amounts.as_object_mut() {
                let is_own = |amount: &Value| kind == "requests" && amount != FILLED_CPU;
                amounts.retain(|name, amount| !said[kind][name].is_null() || is_own(amount));
            }
        }
        let is_there = |amounts: &Value| amounts.as_object().is_none_or(|some| !some.is_empty());
        resources.retain(|_, amounts| is_there(amounts));
    }
    spec == template
}

/// A bare pod of one container.
#[must_use]
pub fn bare_pod(namespace: &str, name: &str, cpu: i64, image: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": template(name, cpu, image)["spec"],
    })
}

/// A Namespace.
#[must_use]
pub fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

fn template(app: &str, cpu: i64, image: &str) -> Value {
    let requests = json!({"cpu": format!("{cpu}m"), "memory": "16Mi"});
    json!({
        "metadata": {"labels": {"app": app}},
        "spec": {"containers": [{"name": "main", "image": image, "resources": {"requests": requests}}]},
    })
}

/// Keeps the pods of a workload on different nodes.
#[must_use]
pub fn apart(mut workload: Value) -> Value {
    let labels = workload["spec"]["template"]["metadata"]["labels"].clone();
    workload["spec"]["template"]["spec"]["affinity"] = json!({"podAntiAffinity": {
    "requiredDuringSchedulingIgnoredDuringExecution": [
        {"labelSelector": {"matchLabels": labels}, "topologyKey": "kubernetes.io/hostname"},
    ]}});
    workload
}

/// Lets the pods of a workload run only on nodes that have a pod of this app.
#[must_use]
pub fn near(mut workload: Value, app: &str) -> Value {
    workload["spec"]["template"]["spec"]["affinity"] = json!({"podAffinity": {
    "requiredDuringSchedulingIgnoredDuringExecution": [
        {"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": "kubernetes.io/hostname"},
    ]}});
    workload
}

/// Spreads the pods of a workload over the nodes, none having two more than another.
#[must_use]
pub fn even(mut workload: Value) -> Value {
    let labels = workload["spec"]["template"]["metadata"]["labels"].clone();
    workload["spec"]["template"]["spec"]["topologySpreadConstraints"] = json!([{
        "maxSkew": 1, "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": labels},
    }]);
    workload
}

/// Bounds the rolling update of a Deployment.
#[must_use]
pub fn rolling(mut workload: Value, surge: i64, unavailable: i64) -> Value {
    workload["spec"]["strategy"] = json!({"type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}});
    workload
}

/// Gives the pods of a workload, or a bare pod, this priority.
#[must_use]
pub fn of_priority(mut object: Value, priority: i64) -> Value {
    pod_spec(&mut object)["priority"] = json!(priority);
    object
}

/// Gives the pods of a workload, or a bare pod, the priority of this class.
#[must_use]
pub fn of_class(mut object: Value, class: &str) -> Value {
    pod_spec(&mut object)["priorityClassName"] = json!(class);
    object
}

fn pod_spec(object: &mut Value) -> &mut Value {
    let is_pod = object["kind"] == "Pod";
    if is_pod { &mut object["spec"] } else { &mut object["spec"]["template"]["spec"] }
}

/// A claim of this access mode.
#[must_use]
pub fn claim(namespace: &str, name: &str, mode: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"accessModes": [mode], "resources": {"requests": {"storage": "1Gi"}}}})
}

/// A claim on a volume of this class that somebody writes; of none where it is empty.
#[must_use]
pub fn claim_of_class(name: &str, class: &str) -> Value {
    let mut claim = claim("default", name, "ReadWriteOnce");
    claim["spec"]["storageClassName"] = json!(class);
    claim
}

/// A volume of this class and size at a path: of this node, or of the one that its first pod is placed on.
#[must_use]
pub fn volume(name: &str, class: &str, storage: &str, node: Option<&str>) -> Value {
    let mut volume = json!({"apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce", "ReadOnlyMany"], "capacity": {"storage": storage},
            "storageClassName": class, "hostPath": {"path": format!("/mnt/{name}")}}});
    if let Some(node) = node {
        let term = json!({"matchExpressions": [
            {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]});
        volume["spec"]["nodeAffinity"] = json!({"required": {"nodeSelectorTerms": [term]}});
    }
    volume
}

/// Gives the pods of a workload, or a bare pod, the data of these claims.
#[must_use]
pub fn with_claims(mut object: Value, claims: &[&str]) -> Value {
    let volume = |name: &&str| json!({"name": name, "persistentVolumeClaim": {"claimName": name}});
    pod_spec(&mut object)["volumes"] = claims.iter().map(volume).collect();
    object
}

/// A PriorityClass.
#[must_use]
pub fn priority_class(name: &str, value: i64) -> Value {
    json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
        "metadata": {"name": name}, "value": value})
}

/// A budget in the namespace `default` that keeps so many pods of this app available.
#[must_use]
pub fn budget(app: &str, min_available: i64) -> Value {
    json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": app, "namespace": "default"},
        "spec": {"minAvailable": min_available, "selector": {"matchLabels": {"app": app}}}})
}

/// A quota in the namespace `default` of these bounds.
#[must_use]
pub fn quota(hard: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ResourceQuota",
        "metadata": {"name": "q", "namespace": "default"}, "spec": {"hard": hard}})
}

/// A LimitRange of this name in the namespace `default`.
#[must_use]
pub fn limit_range(name: &str, limits: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "LimitRange",
        "metadata": {"name": name, "namespace": "default"}, "spec": {"limits": limits}})
}

/// One item of a request: the verb, on what this object names.
#[must_use]
pub fn item(verb: Verb, object: &Value) -> RequestItem {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    RequestItem {
        verb,
        api_version: text(&object["apiVersion"]),
        kind: text(&object["kind"]),
        namespace: text(&object["metadata"]["namespace"]),
        name: text(&object["metadata"]["name"]),
        subresource: String::new(),
        body: if verb == Verb::Delete { String::new() } else { object.to_string() },
        expected_version: None,
    }
}

/// One item whose body is not the object: a patch, an undo.
#[must_use]
pub fn patch(
    verb: Verb,
    kind: (&str, &str),
    namespace: &str,
    name: &str,
    body: &Value,
) -> RequestItem {
    let object = json!({"apiVersion": kind.0, "kind": kind.1,
        "metadata": {"namespace": namespace, "name": name}});
    RequestItem { body: body.to_string(), ..item(verb, &object) }
}

/// The Deployment `web` with the template that it had before.
#[must_use]
pub fn undo_web() -> RequestItem {
    let before = json!({"toRevision": 0});
    patch(Verb::RolloutUndo, ("apps/v1", "Deployment"), "default", "web", &before)
}

/// A request of these items.
///
/// # Panics
/// When the id is none.
#[must_use]
pub fn request(id: &str, items: Vec<RequestItem>) -> Request {
    Request {
        id: RequestId::parse(id).expect("a test's id follows the grammar"),
        time_ms: 0,
        actor: "tester".to_owned(),
        field_manager: "test".to_owned(),
        force: true,
        items,
    }
}

/// A ready node of `cpu` thousandths of a core, in this session.
#[must_use]
pub fn node(name: &NodeName, session: &SessionId, cpu: i64) -> NodeRecord {
    let amounts = Resources {
        cpu_milli: cpu,
        memory_bytes: 4 << 30,
        ephemeral_bytes: 10 << 30,
        pods: 110,
        extended: BTreeMap::new(),
    };
    NodeRecord {
        node: name.clone(),
        session: session.clone(),
        started_ms: 0,
        time_ms: 0,
        runtime: "simulated".to_owned(),
        runtime_version: "1".to_owned(),
        agent_version: "1".to_owned(),
        address: "192.0.2.1".to_owned(),
        capacity: amounts.clone(),
        allocatable: amounts,
        labels: BTreeMap::from([("kubernetes.io/hostname".to_owned(), name.to_string())]),
        conditions: vec![Condition {
            kind: "Ready".to_owned(),
            status: ConditionStatus::True,
            reason: "AgentReady".to_owned(),
            message: String::new(),
            transition_ms: 0,
        }],
        devices: Vec::new(),
    }
}

/// A renewal of a node's lease.
#[must_use]
pub fn lease(node: &NodeName, session: &SessionId, sequence: i64) -> Lease {
    Lease { node: node.clone(), session: session.clone(), sequence, time_ms: 0 }
}

/// The cpu that one pod of this spec (a PodSpec in JSON) reserves, read by hand: the auditor does
/// not ask the placer.
#[must_use]
pub fn cpu_of(spec: &str) -> i64 {
    let spec: Value = serde_json::from_str(spec).unwrap_or_default();
    let containers = spec["containers"].as_array().cloned().unwrap_or_default();
    let cpu = |container: &Value| {
        let text = container["resources"]["requests"]["cpu"].as_str().unwrap_or("0m").to_owned();
        text.trim_end_matches('m').parse::<i64>().unwrap_or(0)
    };
    containers.iter().map(cpu).sum()
}
