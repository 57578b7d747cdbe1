//! A pod: what was placed and what was observed, as one Kubernetes object.

use serde_json::{Value, json};
use setpoint_schemas::{
    ContainerObserved, ContainerState, GPU, PodObserved, Resource, WATCHED_LABEL,
};

use super::pod_begins::Begins;
use super::pod_gates;
use super::{resource, rfc3339};
use crate::model::PodView;

/// The Pod object.
pub(crate) fn render(pod: &PodView) -> Value {
    let mut object = base_of(pod);
    let metadata = &mut object["metadata"];
    metadata["name"] = json!(pod.name);
    metadata["namespace"] = json!(pod.namespace);
    metadata["resourceVersion"] = json!(pod.version.to_string());
    if let Some(uid) = &pod.uid {
        metadata["uid"] = json!(&*uid.text());
    }
    if let Some(left_ms) = pod.leaving_ms {
        metadata["deletionTimestamp"] = rfc3339(left_ms);
        metadata["deletionGracePeriodSeconds"] = json!(30);
    }
    if !pod.node().is_empty() {
        object["spec"]["nodeName"] = json!(pod.node());
    }
    object["status"] = status(pod, &object["spec"]);
    object
}

/// Metadata and spec, from the best source that there is.
fn base_of(pod: &PodView) -> Value {
    let mut object = match (pod.bare(), &pod.placement, &pod.owner) {
        (Some(bare), _, _) => resource::body_of(bare),
        (None, Some(_), owner) => {
            json!({"metadata": {"ownerReferences": owners(owner.as_deref())}})
        }
        (None, None, Some(owner)) => of_template(owner),
        (None, None, None) => json!({"metadata": {}}),
    };
    object["apiVersion"] = json!("v1");
    object["kind"] = json!("Pod");
    if let Some(placement) = &pod.placement {
        object["spec"] =
            serde_json::from_str(&placement.pattern.spec).unwrap_or_else(|_| json!({}));
        let metadata = &mut object["metadata"];
        metadata["labels"] = json!(*placement.pattern.labels);
        metadata["annotations"] = json!(placement.pattern.annotations);
        metadata["creationTimestamp"] = rfc3339(placement.placed_ms);
    } else if let Some(waiting) = &pod.waiting {
        object["metadata"]["creationTimestamp"] = rfc3339(waiting.since_ms);
    } else if let Some(observed) = pod.opened() {
        object["metadata"]["creationTimestamp"] = rfc3339(observed.started_ms);
        if pod.is_watched {
            object["metadata"]["labels"] = json!({WATCHED_LABEL: "true"});
        } else {
            object["metadata"]["deletionTimestamp"] = rfc3339(observed.time_ms);
        }
    }
    if !object["spec"].is_object() {
        object["spec"] = json!({"containers": bare_containers(pod)});
    }
    object
}

fn of_template(owner: &Resource) -> Value {
    let body: Value = serde_json::from_str(&owner.body).unwrap_or_default();
    let template = &body["spec"]["template"];
    let mut metadata = template["metadata"].clone();
    if !metadata.is_object() {
        metadata = json!({});
    }
    metadata["ownerReferences"] = owners(Some(owner));
    json!({"metadata": metadata, "spec": template["spec"]})
}

fn owners(owner: Option<&Resource>) -> Value {
    let reference = |owner: &Resource| {
        json!({
            "apiVersion": owner.api_version, "kind": owner.kind, "name": owner.name,
            "uid": owner.uid, "controller": true, "blockOwnerDeletion": true,
        })
    };
    owner.map(reference).into_iter().collect()
}

/// The containers of a pod of which only the observation is left.
fn bare_containers(pod: &PodView) -> Value {
    let observed = pod.opened();
    let observed = observed.iter().flat_map(|observed| &observed.containers);
    observed.map(|container| json!({"name": container.name, "image": container.image})).collect()
}

fn status(pod: &PodView, spec: &Value) -> Value {
    let mut status = json!({"phase": pod.phase(), "qosClass": "Burstable"});
    let observed = pod.opened();
    match &observed {
        Some(observed) => observe(&mut status, observed, spec),
        None => {
            status["containerStatuses"] = created_soon(pod, &spec["containers"]);
            if spec["initContainers"].is_array() {
                status["initContainerStatuses"] = created_soon(pod, &spec["initContainers"]);
            }
        }
    }
    name_devices(pod, &mut status["containerStatuses"]);
    status["conditions"] = conditions(pod, observed.as_ref(), spec);
    let host = pod.host.as_ref().map(|host| &host.record.address);
    if let Some(address) = host.filter(|address| !address.is_empty()) {
        status["hostIP"] = json!(address);
    }
    if pod.placement.is_none()
        && let Some(waiting) = &pod.waiting
    {
        status["reason"] = json!(waiting.reason);
        status["message"] = json!(waiting.message);
        if let Some(node) = &waiting.nominated {
            status["nominatedNodeName"] = json!(node);
        }
    }
    status
}

/// The devices that containers have, in the field in which Kubernetes tells them.
fn name_devices(pod: &PodView, containers: &mut Value) {
    let devices = pod.placement.as_ref().map_or(&[][..], |placement| &placement.devices);
    for container in containers.as_array_mut().into_iter().flatten() {
        let own = devices.iter().filter(|taken| container["name"] == *taken.container);
        let own: Vec<Value> = own.map(|taken| json!({"resourceID": &*taken.id})).collect();
        if !own.is_empty() {
            container["allocatedResourcesStatus"] = json!([{"name": GPU, "resources": own}]);
        }
    }
}

fn observe(status: &mut Value, observed: &PodObserved, spec: &Value) {
    status["startTime"] = rfc3339(observed.started_ms);
    for (field, text) in
        [("reason", &observed.reason), ("message", &observed.message), ("podIP", &observed.address)]
    {
        if !text.is_empty() {
            status[field] = json!(text);
        }
    }
    if !observed.address.is_empty() {
        status["podIPs"] = json!([{"ip": observed.address}]);
    }
    let begins = Begins::of(spec);
    let (inits, others): (Vec<_>, Vec<_>) =
        observed.containers.iter().partition(|container| begins.has(&container.name));
    status["containerStatuses"] = others.into_iter().map(container).collect();
    if !inits.is_empty() {
        status["initContainerStatuses"] = inits.into_iter().map(container).collect();
    }
}

/// A placed pod of which nothing was observed yet: its containers are being made.
fn created_soon(pod: &PodView, containers: &Value) -> Value {
    if pod.placement.is_none() {
        return json!([]);
    }
    let soon = |container: &Value| {
        json!({
            "name": container["name"], "image": container["image"], "imageID": "",
            "ready": false, "started": false, "restartCount": 0,
            "state": {"waiting": {"reason": "ContainerCreating"}},
        })
    };
    containers.as_array().into_iter().flatten().map(soon).collect()
}

fn container(observed: &ContainerObserved) -> Value {
    let running = observed.state == ContainerState::Running;
    let mut status = json!({
        "name": observed.name, "image": observed.image, "imageID": observed.image,
        "containerID": observed.id, "ready": observed.ready,
        "started": running && observed.started,
        "restartCount": observed.restarts, "state": state(observed), "lastState": {},
    });
    let ended = observed.finished_ms > 0 && observed.state != ContainerState::Terminated;
    if ended {
        status["lastState"] = json!({"terminated": terminated(observed, "Error")});
    }
    status
}

fn state(observed: &ContainerObserved) -> Value {
    match observed.state {
        ContainerState::Running => json!({"running": {"startedAt": rfc3339(observed.started_ms)}}),
        ContainerState::Terminated => {
            let reason = if observed.exit_code == Some(0) { "Completed" } else { "Error" };
            let said = Some(observed.reason.as_str()).filter(|reason| !reason.is_empty());
            json!({"terminated": terminated(observed, said.unwrap_or(reason))})
        }
        ContainerState::Waiting => {
            let said = Some(observed.reason.as_str()).filter(|reason| !reason.is_empty());
            let reason = said.unwrap_or("ContainerCreating");
            json!({"waiting": {"reason": reason, "message": observed.message}})
        }
    }
}

fn terminated(observed: &ContainerObserved, reason: &str) -> Value {
    json!({
        "exitCode": observed.exit_code.unwrap_or(0), "reason": reason,
        "message": observed.message, "startedAt": rfc3339(observed.started_ms),
        "finishedAt": rfc3339(observed.finished_ms), "containerID": observed.id,
    })
}

/// What is known of a pod that somebody else runs: whether it is ready.
fn watched_conditions(observed: Option<&PodObserved>) -> Value {
    let ready = observed.is_some_and(|observed| observed.ready);
    let since = observed.map_or(0, |observed| observed.started_ms);
    let status = if ready { "True" } else { "False" };
    json!([{"type": "Ready", "status": status, "lastTransitionTime": rfc3339(since)}])
}

/// Which containers are not ready, in the kubelet's words, and what their probes say.
fn unready(observed: &PodObserved, begins: &Begins<'_>) -> String {
    let lasts = |container: &&ContainerObserved| !begins.ends(&container.name);
    let lasting = observed.containers.iter().filter(lasts);
    let unready: Vec<&ContainerObserved> = lasting.filter(|container| !container.ready).collect();
    if unready.is_empty() {
        return String::new();
    }
    let names: Vec<&str> = unready.iter().map(|container| container.name.as_str()).collect();
    let mut text = format!("containers with unready status: [{}]", names.join(" "));
    let running = unready.iter().filter(|c| c.state == ContainerState::Running);
    for container in running.filter(|container| !container.message.is_empty()) {
        text.push_str(&format!("; {}: {}", container.name, container.message));
    }
    text
}

/// Kubernetes' four conditions of a pod, and those that others set.
fn conditions(pod: &PodView, observed: Option<&PodObserved>, spec: &Value) -> Value {
    if pod.is_watched {
        return watched_conditions(observed);
    }
    let Some(placement) = &pod.placement else {
        let waiting = pod.waiting.as_ref();
        return json!([{
            "type": "PodScheduled", "status": "False",
            "reason": waiting.map_or("Unschedulable", |waiting| &waiting.reason),
            "message": waiting.map_or("", |waiting| &waiting.message),
            "lastTransitionTime": rfc3339(waiting.map_or(0, |waiting| waiting.since_ms)),
        }]);
    };
    let ready = observed.is_some_and(|observed| observed.ready);
    let since = observed.map_or(placement.placed_ms, |observed| observed.started_ms);
    let begins = Begins::of(spec);
    // Nothing of a pod that has ended will be ready.
    let (reason, why) = match pod.phase() {
        "Succeeded" => ("PodCompleted", String::new()),
        "Failed" => ("PodFailed", String::new()),
        _ => ("ContainersNotReady", observed.map(|o| unready(o, &begins)).unwrap_or_default()),
    };
    let condition = |kind: &str, holds: bool, since: i64| {
        let mut condition = json!({
            "type": kind, "status": if holds { "True" } else { "False" },
            "lastTransitionTime": rfc3339(since),
        });
        if !holds {
            condition["reason"] = json!(reason);
            condition["message"] = json!(why);
        }
        condition
    };
    let set = placement.conditions();
    let closed = if ready { pod_gates::closed(spec, &set) } else { Vec::new() };
    let mut is_ready = condition("Ready", ready && closed.is_empty(), since);
    if !closed.is_empty() {
        is_ready["reason"] = json!("ReadinessGatesNotReady");
        is_ready["message"] = json!(closed.join(", "));
    }
    let mut all = vec![
        begins.condition(observed, rfc3339(placement.placed_ms)),
        is_ready,
        condition("ContainersReady", ready, since),
        condition("PodScheduled", true, placement.placed_ms),
    ];
    all.extend(set.iter().map(|condition| json!(condition)));
    Value::Array(all)
}
