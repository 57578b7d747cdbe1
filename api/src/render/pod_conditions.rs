//! The conditions of a pod: Kubernetes' five, each with the time since when it is so, and those that others set.
//!
//! Source: the kubelet's `GeneratePodReadyCondition`, `GenerateContainersReadyCondition` and
//! `GeneratePodReadyToStartContainersCondition`.

use serde_json::{Value, json};
use setpoint_schemas::{ContainerObserved, ContainerState, PodObserved};

use super::pod_begins::Begins;
use super::pod_gates;
use super::rfc3339;
use crate::model::PodView;

/// What is known of a pod.
pub(super) struct Known<'a> {
    /// What was placed, and what waits.
    pub(super) pod: &'a PodView,
    /// What its node said last.
    pub(super) observed: Option<&'a PodObserved>,
    /// Its spec.
    pub(super) spec: &'a Value,
}

/// The conditions of a pod: of a watched one whether it is ready, of one without a place why.
pub(super) fn of(known: &Known<'_>) -> Value {
    let Known { pod, observed, spec } = known;
    if pod.is_watched {
        return watched(known);
    }
    let Some(placement) = &pod.placement else { return without_place(known) };
    let placed_ms = placement.placed_ms;
    let ready = observed.is_some_and(|observed| observed.ready);
    let since = ready_since_ms(known).unwrap_or(placed_ms);
    let begins = Begins::of(spec);
    let (reason, why) = match pod.phase() {
        // Nothing of a pod that has ended will be ready.
        "Succeeded" => ("PodCompleted", String::new()),
        "Failed" => ("PodFailed", String::new()),
        _ => ("ContainersNotReady", unready(known, &begins)),
    };
    let why_not = (!ready).then_some((reason, why.as_str()));
    let set = placement.conditions();
    let closed = if ready { pod_gates::closed(spec, &set).join(", ") } else { String::new() };
    let gated = (!closed.is_empty()).then_some(("ReadinessGatesNotReady", closed.as_str()));
    let mut all = vec![
        begins.condition(*observed, rfc3339(initialized_ms(known).unwrap_or(placed_ms))),
        condition("Ready", why_not.or(gated), since),
        condition("ContainersReady", why_not, since),
        condition("PodScheduled", None, placed_ms),
        may_start_containers(known, placed_ms),
    ];
    all.extend(set.iter().map(|condition| json!(condition)));
    Value::Array(all)
}

/// A condition that holds, or why it does not.
fn condition(kind: &str, why_not: Option<(&str, &str)>, since_ms: i64) -> Value {
    let mut condition = json!({
        "type": kind, "status": if why_not.is_none() { "True" } else { "False" },
        "lastProbeTime": null, "lastTransitionTime": rfc3339(since_ms),
    });
    if let Some((reason, why)) = why_not {
        condition["reason"] = json!(reason);
        condition["message"] = json!(why);
    }
    condition
}

/// What is known of a pod that somebody else runs: whether it is ready.
fn watched(known: &Known<'_>) -> Value {
    let ready = known.observed.is_some_and(|observed| observed.ready);
    let since = ready_since_ms(known).unwrap_or(0);
    let status = if ready { "True" } else { "False" };
    json!([{"type": "Ready", "status": status, "lastTransitionTime": rfc3339(since)}])
}

/// Why a pod has no place.
fn without_place(known: &Known<'_>) -> Value {
    let waiting = known.pod.waiting.as_ref();
    let reason = waiting.map_or("Unschedulable", |waiting| &waiting.reason);
    let message = waiting.map_or("", |waiting| &waiting.message);
    let since_ms = waiting.map_or(0, |waiting| waiting.since_ms);
    json!([condition("PodScheduled", Some((reason, message)), since_ms)])
}

/// Since when it is as ready as it is, as far as that was seen.
fn ready_since_ms(known: &Known<'_>) -> Option<i64> {
    known.pod.observed.as_ref()?.ready_since_ms()
}

/// When the last of its init containers was done; `None` while one is not, and where there is none.
fn initialized_ms(known: &Known<'_>) -> Option<i64> {
    let begins = Begins::of(known.spec);
    let containers = known.observed.map_or(&[][..], |observed| &observed.containers);
    let ended = containers.iter().filter(|c| begins.ends(&c.name)).map(|c| c.finished_ms);
    ended.max().filter(|ms| *ms > 0 && begins.is_over(known.observed))
}

/// Whether it has what containers are started in: a network of its own, or a container that began.
fn may_start_containers(known: &Known<'_>, placed_ms: i64) -> Value {
    let has_begun = |observed: &PodObserved| {
        !observed.address.is_empty() || observed.containers.iter().any(|c| c.started_ms > 0)
    };
    let holds =
        known.observed.is_some_and(|observed| !observed.phase.is_finished() && has_begun(observed));
    let started_ms = known.observed.map_or(0, |observed| observed.started_ms);
    let since_ms = if holds && started_ms > 0 { started_ms } else { placed_ms };
    json!({
        "type": "PodReadyToStartContainers", "status": if holds { "True" } else { "False" },
        "lastProbeTime": null, "lastTransitionTime": rfc3339(since_ms),
    })
}

/// Which containers are not ready, in the kubelet's words, and what their probes say.
fn unready(known: &Known<'_>, begins: &Begins<'_>) -> String {
    let Some(observed) = known.observed else {
        let containers = known.spec["containers"].as_array().into_iter().flatten();
        let names: Vec<&str> = containers.filter_map(|c| c["name"].as_str()).collect();
        return format!("containers with unready status: [{}]", names.join(" "));
    };
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
