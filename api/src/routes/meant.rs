//! Which container of which pod a call means, and whether it can be called now: in Kubernetes' words.
//!
//! Source: `k8s.io/kubernetes/pkg/registry/core/pod/strategy.go` and the kubelet's
//! `validateContainerLogStatus`.
//! Absent: what only the node knows; it refuses by itself.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::Value;
use setpoint_schemas::call::Deed;
use setpoint_schemas::{ContainerObserved, ContainerState, NodeName, Placement, PodUid};

use super::Call;
use super::object::find;
use crate::line::Line;
use crate::model::{Entry, PodView};
use crate::status::ApiError;

/// A container that is called.
#[derive(Debug)]
pub(crate) struct Meant {
    node: NodeName,
    uid: PodUid,
    container: String,
    /// As it was observed last, if it was.
    observed: Option<ContainerObserved>,
}

/// The container that a call means: the one that it names, or the only one.
pub(crate) fn meant(call: &Call) -> Result<Meant, ApiError> {
    let (pod, placement, uid) = placed(call)?;
    let container = named(call.params.get("container"), &pod, &placement.pattern.spec)?;
    let opened = pod.opened();
    let observed =
        opened.and_then(|seen| seen.containers.into_iter().find(|c| c.name == container));
    Ok(Meant { node: placement.node.clone(), uid, container, observed })
}

/// The pod that a call means, of whichever container, and whether it has its machine's network.
pub(crate) fn pod_meant(call: &Call) -> Result<(Meant, bool), ApiError> {
    let (pod, placement, uid) = placed(call)?;
    let phase = pod.phase();
    if phase != "Running" {
        return Err(ApiError::bad_request(format!(
            "unable to forward port because pod is not running. Current status={phase}"
        )));
    }
    let spec: Value = serde_json::from_str(&placement.pattern.spec).unwrap_or_default();
    let meant =
        Meant { node: placement.node.clone(), uid, container: String::new(), observed: None };
    Ok((meant, spec["hostNetwork"] == true))
}

/// The pod at the path and where it is placed.
fn placed(call: &Call) -> Result<(Box<PodView>, Arc<Placement>, PodUid), ApiError> {
    if !call.app.state.parts.model.is_ready() {
        return Err(ApiError::unavailable("this server is not up to date yet"));
    }
    let kind = call.kind()?;
    let Entry::Pod(pod) = find(call, &kind)? else { return Err(ApiError::no_such_path()) };
    if pod.is_watched {
        let message = format!("pod {} is only watched: ask its engine", pod.name);
        return Err(ApiError::bad_request(message));
    }
    let (Some(placement), Some(uid)) = (pod.placement.clone(), pod.uid.clone()) else {
        let why = pod.waiting.as_ref().map_or("it is not placed yet", |waiting| &waiting.message);
        let message = format!("pod {} does not have a host assigned: {why}", pod.name);
        return Err(ApiError::bad_request(message));
    };
    Ok((pod, placement, uid))
}

impl Meant {
    /// Whether it ever wrote anything.
    pub(crate) fn has_run(&self, pod: &str) -> Result<(), ApiError> {
        let Some(seen) = self.observed.as_ref() else { return Ok(()) };
        if seen.state != ContainerState::Waiting || seen.started_ms > 0 || seen.exit_code.is_some()
        {
            return Ok(());
        }
        let why = match seen.reason.as_str() {
            "ErrImagePull" => "image can't be pulled",
            "ImagePullBackOff" => "trying and failing to pull image",
            "" => "ContainerCreating",
            reason => reason,
        };
        let container = &self.container;
        let message = format!("container {container:?} in pod {pod:?} is waiting to start: {why}");
        Err(ApiError::bad_request(message))
    }

    /// Has the node begun with it.
    pub(crate) async fn call(&self, call: &Call, deed: Deed) -> Result<Line, ApiError> {
        let app = &call.app;
        if app.state.parts.model.is_lost(self.node.as_str()) {
            let node = &self.node;
            let message = format!("node {node} is lost: its agent does not renew its lease");
            return Err(ApiError::new(StatusCode::GATEWAY_TIMEOUT, message));
        }
        let (caller, of) = (&call.actor.name, (&self.uid, self.container.as_str()));
        let made = app.state.calls.make(caller, &self.node, of, deed);
        let opened = tokio::select! {
            opened = made => opened?,
            () = app.closing.cancelled() => return Err(ApiError::unavailable("the server closes")),
        };
        let begun = Line::begun(opened, self.node.clone(), app.closing.clone()).await;
        begun.map_err(|error| self.of_pod(error, &call.target.name))
    }

    /// A node knows a pod by its uid; people know it by its name.
    fn of_pod(&self, mut error: ApiError, pod: &str) -> ApiError {
        if error.code == StatusCode::BAD_REQUEST {
            let container = format!("container {:?}", self.container);
            let named = format!("{container} in pod {pod:?}");
            error.message = error.message.replacen(&container, &named, 1);
        }
        error
    }
}

/// The container of this name; without one the only container.
fn named(wanted: &str, pod: &PodView, spec: &str) -> Result<String, ApiError> {
    let spec: Value = serde_json::from_str(spec).unwrap_or_default();
    let names = |list: &str| -> Vec<String> {
        let containers = spec[list].as_array().map_or(&[][..], Vec::as_slice);
        let name = |container: &Value| container["name"].as_str().map(str::to_owned);
        containers.iter().filter_map(name).collect()
    };
    let (containers, first) = (names("containers"), names("initContainers"));
    if !wanted.is_empty() {
        let is_there = containers.iter().chain(&first).any(|name| name == wanted);
        let message = format!("container {wanted} is not valid for pod {}", pod.name);
        return is_there.then(|| wanted.to_owned()).ok_or_else(|| ApiError::bad_request(message));
    }
    if let [only] = containers.as_slice() {
        return Ok(only.clone());
    }
    let (pod, choices) = (&pod.name, containers.join(" "));
    let mut message =
        format!("a container name must be specified for pod {pod}, choose one of: [{choices}]");
    if !first.is_empty() {
        message += &format!(" or one of the init containers: [{}]", first.join(" "));
    }
    Err(ApiError::bad_request(message))
}
