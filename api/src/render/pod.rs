//! A pod: what was placed and what was observed, as one Kubernetes object.

use serde_json::{Value, json};
use setpoint_schemas::{
    ContainerEnd, ContainerObserved, ContainerState, GPU, PodObserved, Resource, WATCHED_LABEL,
};

use super::pod_begins::Begins;
use super::pod_conditions::{self, Known};
use super::qos::qos_class;
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
    let mut status = json!({"phase": pod.phase(), "qosClass": qos_class(spec)});
    let observed = pod.opened();
    match &observed {
        Some(observed) => observe(&mut status, observed, spec),
        None if pod.placement.is_some() => {
            // What people know from Kubernetes where others come first.
            let comes_first = spec["initContainers"].as_array().is_none_or(Vec::is_empty);
            let reason = if comes_first { "ContainerCreating" } else { "PodInitializing" };
            status["containerStatuses"] = created_soon(&spec["containers"], reason);
            if !comes_first {
                status["initContainerStatuses"] = created_soon(&spec["initContainers"], reason);
            }
        }
        // No kubelet speaks of a pod without a node: who sorts by a field of its first container finds no list,
        // and not an empty one that has no first.
        None => {}
    }
    name_devices(pod, &mut status);
    let known = Known { pod, observed: observed.as_ref(), spec };
    status["conditions"] = pod_conditions::of(&known);
    let host = pod.host.as_ref().map(|host| &host.record.address);
    if let Some(address) = host.filter(|address| !address.is_empty()) {
        status["hostIP"] = json!(address);
        status["hostIPs"] = json!([{"ip": address}]);
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
fn name_devices(pod: &PodView, status: &mut Value) {
    let devices = pod.placement.as_ref().map_or(&[][..], |placement| &placement.devices);
    let containers = status.get_mut("containerStatuses").and_then(Value::as_array_mut);
    for container in containers.into_iter().flatten() {
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
fn created_soon(containers: &Value, reason: &str) -> Value {
    let soon = |container: &Value| {
        json!({
            "name": container["name"], "image": container["image"], "imageID": "",
            "ready": false, "started": false, "restartCount": 0,
            "state": {"waiting": {"reason": reason}}, "lastState": {},
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
    if let Some(last) = last_of(observed) {
        status["lastState"] = json!({"terminated": terminated(&last)});
    }
    status
}

/// How its life before this one ended. Agents of earlier versions say it of a container that waits for its
/// restart, without a reason.
fn last_of(observed: &ContainerObserved) -> Option<ContainerEnd> {
    let says = observed.state == ContainerState::Waiting && observed.finished_ms > 0;
    let former = || ContainerEnd {
        id: observed.id.clone(),
        exit_code: observed.exit_code.unwrap_or(0),
        reason: String::new(),
        // What a container that waits says is about its next start.
        message: String::new(),
        started_ms: observed.started_ms,
        finished_ms: observed.finished_ms,
    };
    observed.last.clone().or_else(|| says.then(former))
}

fn state(observed: &ContainerObserved) -> Value {
    match observed.state {
        ContainerState::Running => json!({"running": {"startedAt": rfc3339(observed.started_ms)}}),
        ContainerState::Terminated => json!({"terminated": observed.end().map(|e| terminated(&e))}),
        ContainerState::Waiting => {
            let said = Some(observed.reason.as_str()).filter(|reason| !reason.is_empty());
            let mut waiting = json!({"reason": said.unwrap_or("ContainerCreating")});
            tell(&mut waiting, &observed.message);
            json!({"waiting": waiting})
        }
    }
}

/// A life that ended. A signal is told by its code, as the kubelet does: 128 and its number.
fn terminated(end: &ContainerEnd) -> Value {
    let said = Some(end.reason.as_str()).filter(|reason| !reason.is_empty());
    let by_code = if end.exit_code == 0 { "Completed" } else { "Error" };
    let mut ended = json!({
        "exitCode": end.exit_code, "reason": said.unwrap_or(by_code),
        "startedAt": rfc3339(end.started_ms), "finishedAt": rfc3339(end.finished_ms),
        "containerID": end.id,
    });
    tell(&mut ended, &end.message);
    ended
}

/// Adds a sentence, when there is one.
fn tell(state: &mut Value, message: &str) {
    if !message.is_empty() {
        state["message"] = json!(message);
    }
}
