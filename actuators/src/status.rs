//! What a node says of a pod: what the runtime has, seen with the restart policy and the book.
//!
//! Source of phases and reasons: Kubernetes' pod lifecycle,
//! <https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/>.

use setpoint_schemas::{
    Container, ContainerObserved, ContainerState, Namespace, PodPhase, ResourceName,
};

use crate::Observed;
use crate::book::{Book, Failure};
use crate::desired::DesiredPod;
use crate::plan::end_of;
use crate::restart::{Verdict, restart};

/// What a node says of a pod, before it is numbered for a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodStatus {
    /// The pod's namespace.
    pub namespace: Namespace,
    /// The pod's name.
    pub name: ResourceName,
    /// The generation that runs, or is to be started.
    pub generation: i64,
    /// The phase.
    pub phase: PodPhase,
    /// Whether all containers are ready.
    pub ready: bool,
    /// One word; empty when there is nothing to say.
    pub reason: String,
    /// A sentence; empty when there is nothing to say.
    pub message: String,
    /// The pod's address; empty when it has none.
    pub address: String,
    /// When its first container started, milliseconds; 0 before that.
    pub started_ms: i64,
    /// Its containers, in the order of the spec.
    pub containers: Vec<ContainerObserved>,
}

/// The status of a pod that should run. The container that is just being restarted, if one, is not
/// said to wait for a restart.
#[must_use]
pub fn status(
    pod: &DesiredPod,
    runs: Option<&Observed>,
    book: Option<&Book>,
    restarting: Option<&str>,
    now_ms: i64,
) -> PodStatus {
    let book = book.filter(|book| book.generation == pod.placement.generation);
    let failure = book.and_then(|book| book.failure.as_ref());
    let one = |c: &Container| {
        let seen = container(c, runs, book);
        let is_restarting = restarting == Some(c.name.as_str());
        if is_restarting { seen } else { waiting(pod, seen, book, now_ms) }
    };
    let containers: Vec<ContainerObserved> = pod.spec.containers.iter().map(one).collect();
    let ends_for_good = |c: &ContainerObserved| {
        end_of(c).is_some_and(|end| !pod.rule.restarts_after(end.exit_code))
    };
    let of_pod = failure.filter(|failure| failure.container.is_none());
    let (reason, message) = match of_pod {
        _ if !pod.invalid.is_empty() => ("InvalidSpec".to_owned(), pod.invalid.clone()),
        Some(failure) => (failure.reason.clone(), failure.message.clone()),
        None => Default::default(),
    };
    PodStatus {
        namespace: pod.placement.pattern.namespace.clone(),
        name: pod.placement.name.clone(),
        generation: runs.map_or(pod.placement.generation, |runs| runs.generation),
        phase: phase(&containers, ends_for_good),
        ready: is_ready(&containers),
        reason,
        message,
        address: runs.map(|runs| runs.address.clone()).unwrap_or_default(),
        started_ms: runs.map_or(0, |runs| runs.started_ms),
        containers,
    }
}

/// The status of a pod that runs and should not.
#[must_use]
pub fn status_of_orphan(runs: &Observed) -> PodStatus {
    PodStatus {
        namespace: runs.namespace.clone(),
        name: runs.name.clone(),
        generation: runs.generation,
        phase: phase(&runs.containers, |c| end_of(c).is_some()),
        ready: is_ready(&runs.containers),
        reason: String::new(),
        message: String::new(),
        address: runs.address.clone(),
        started_ms: runs.started_ms,
        containers: runs.containers.clone(),
    }
}

fn container(spec: &Container, runs: Option<&Observed>, book: Option<&Book>) -> ContainerObserved {
    let seen = runs.and_then(|runs| runs.containers.iter().find(|c| c.name == spec.name));
    let mut seen = seen.cloned().unwrap_or_else(|| never_started(spec));
    seen.restarts = book.map_or(0, |book| book.history(&spec.name).restarts);
    let failure = book.and_then(|book| book.failure.as_ref());
    if let (ContainerState::Waiting, Some(failure)) = (seen.state, failure) {
        tell_failure(&mut seen, failure);
    }
    seen
}

/// A container that ended and restarts later waits in `CrashLoopBackOff`.
fn waiting(
    pod: &DesiredPod,
    mut seen: ContainerObserved,
    book: Option<&Book>,
    now_ms: i64,
) -> ContainerObserved {
    let history = book.map(|book| book.history(&seen.name)).unwrap_or_default();
    let verdict = end_of(&seen).map(|end| restart(&pod.rule, history, end, now_ms));
    if let Some(Verdict::Wait { backoff_ms, .. }) = verdict {
        seen.state = ContainerState::Waiting;
        seen.reason = "CrashLoopBackOff".into();
        let ended = Some(seen.message).filter(|why| !why.is_empty());
        let why = ended.map(|why| format!(": {why}")).unwrap_or_default();
        seen.message = format!("back-off {} s restarting the container{why}", backoff_ms / 1_000);
    }
    seen
}

fn never_started(spec: &Container) -> ContainerObserved {
    ContainerObserved {
        name: spec.name.clone(),
        id: String::new(),
        image: spec.image.clone().unwrap_or_default(),
        state: ContainerState::Waiting,
        ready: false,
        restarts: 0,
        exit_code: None,
        reason: "ContainerCreating".into(),
        message: String::new(),
        started_ms: 0,
        finished_ms: 0,
        started: true,
    }
}

fn tell_failure(seen: &mut ContainerObserved, failure: &Failure) {
    let is_about = failure.container.as_ref().is_none_or(|name| *name == seen.name);
    if is_about {
        // The words that people know from Kubernetes for the wait after a failed pull.
        let pulling = failure.reason == "ErrImagePull" && failure.attempts > 1;
        seen.reason = if pulling { "ImagePullBackOff".into() } else { failure.reason.clone() };
        seen.message.clone_from(&failure.message);
    }
}

fn is_ready(containers: &[ContainerObserved]) -> bool {
    !containers.is_empty() && containers.iter().all(|c| c.ready)
}

fn phase(
    containers: &[ContainerObserved],
    ends_for_good: impl Fn(&ContainerObserved) -> bool,
) -> PodPhase {
    let is_waiting =
        |c: &ContainerObserved| c.state == ContainerState::Waiting && c.started_ms == 0;
    if containers.is_empty() || containers.iter().any(is_waiting) {
        return PodPhase::Pending;
    }
    if !containers.iter().all(ends_for_good) {
        return PodPhase::Running;
    }
    let well = containers.iter().all(|c| c.exit_code == Some(0));
    if well { PodPhase::Succeeded } else { PodPhase::Failed }
}

#[cfg(test)]
mod tests;
