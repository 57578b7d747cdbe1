//! What a node says of a pod: what the runtime has, seen with the restart policy and the book. A pod that
//! has ended for good is told as it was then, whatever is left of it.
//!
//! Source of phases and reasons: Kubernetes' pod lifecycle,
//! <https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/>.

use setpoint_schemas::{
    Container, ContainerEnd, ContainerObserved, ContainerState, Namespace, PodPhase, ResourceName,
};

use crate::Observed;
use crate::book::{Book, Failure, Finished};
use crate::desired::DesiredPod;
use crate::restart::{Verdict, end_of, restart};
use crate::stages::Stages;
use crate::words::{back_off, back_off_pulling};

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
    if let Some(finished) = book.and_then(|book| book.finished.as_ref()) {
        return told_before(pod, finished, runs);
    }
    let failure = book.and_then(|book| book.failure.as_ref());
    let stages = Stages::of(pod, runs, book);
    let conclusion = stages.conclusion(now_ms);
    let one = |c: &Container| {
        let seen = container(pod, c, runs, book);
        // Nothing of a pod that ends waits for a restart.
        let is_restarting = conclusion.is_some() || restarting == Some(c.name.as_str());
        if is_restarting { seen } else { waiting(pod, seen, book, now_ms) }
    };
    let containers: Vec<ContainerObserved> = pod.spec.every_container().map(one).collect();
    let of_pod = failure.filter(|failure| failure.container.is_none());
    let (reason, message) = match (of_pod, conclusion) {
        _ if !pod.invalid.is_empty() => ("InvalidSpec".to_owned(), pod.invalid.clone()),
        (_, Some(end)) => (end.reason.to_owned(), end.message.to_owned()),
        (Some(failure), None) => (failure.reason.clone(), failure.message.clone()),
        (None, None) => Default::default(),
    };
    let phase = match conclusion {
        Some(end) if !stages.is_running() => end.phase,
        Some(_) => PodPhase::Running,
        None => phase_of(pod, &containers),
    };
    PodStatus {
        namespace: pod.placement.pattern.namespace.clone(),
        name: pod.placement.name.clone(),
        generation: runs.map_or(pod.placement.generation, |runs| runs.generation),
        phase,
        ready: phase == PodPhase::Running && is_ready(pod, &containers),
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
        phase: phase_of_orphan(&runs.containers),
        ready: all_ready(&runs.containers),
        reason: String::new(),
        message: String::new(),
        address: runs.address.clone(),
        started_ms: runs.started_ms,
        containers: runs.containers.clone(),
    }
}

/// A pod that has ended for good, as it was told when it did.
fn told_before(pod: &DesiredPod, finished: &Finished, runs: Option<&Observed>) -> PodStatus {
    PodStatus {
        namespace: pod.placement.pattern.namespace.clone(),
        name: pod.placement.name.clone(),
        generation: pod.placement.generation,
        phase: finished.phase,
        ready: false,
        reason: finished.reason.clone(),
        message: finished.message.clone(),
        address: runs.map(|runs| runs.address.clone()).unwrap_or_default(),
        started_ms: finished.started_ms,
        containers: finished.containers.clone(),
    }
}

fn container(
    pod: &DesiredPod,
    spec: &Container,
    runs: Option<&Observed>,
    book: Option<&Book>,
) -> ContainerObserved {
    let seen = runs.and_then(|runs| runs.containers.iter().find(|c| c.name == spec.name));
    let mut seen = seen.cloned().unwrap_or_else(|| never_started(pod, spec));
    if is_init(pod, &spec.name) {
        // An init container that is done has nothing left to do.
        seen.ready = seen.exit_code == Some(0) && seen.state == ContainerState::Terminated;
    }
    seen.restarts = book.map_or(0, |book| book.history(&spec.name).restarts);
    seen.last = book.and_then(|book| last_of(book, &seen));
    let failure = book.and_then(|book| book.failure.as_ref());
    if let (ContainerState::Waiting, Some(failure)) = (seen.state, failure) {
        tell_failure(&mut seen, failure);
    }
    seen
}

/// How the life before that one ended which is seen. While a restart begins, what is seen is still the life
/// that it ends, and of none before it is known.
fn last_of(book: &Book, seen: &ContainerObserved) -> Option<ContainerEnd> {
    let last = book.lasts.get(&seen.name)?;
    let is_seen = seen.state == ContainerState::Terminated
        && (last.started_ms, &last.id) == (seen.started_ms, &seen.id);
    (!is_seen).then(|| last.clone())
}

/// A container that ended and restarts later waits in `CrashLoopBackOff`.
fn waiting(
    pod: &DesiredPod,
    mut seen: ContainerObserved,
    book: Option<&Book>,
    now_ms: i64,
) -> ContainerObserved {
    let history = book.map(|book| book.history(&seen.name)).unwrap_or_default();
    let rule = pod.rule_of(&seen.name);
    let verdict = end_of(&seen).map(|end| restart(&rule, history, end, now_ms));
    if let Some(Verdict::Wait { backoff_ms, .. }) = verdict {
        seen.last = seen.end();
        // What it said itself stands with the end that it speaks of.
        let told = book.map_or(&*seen.message, |book| book.told_beside(&seen)).to_owned();
        seen.state = ContainerState::Waiting;
        seen.reason = "CrashLoopBackOff".into();
        let ended = Some(told).filter(|why| !why.is_empty());
        let why = ended.map(|why| format!(": {why}")).unwrap_or_default();
        seen.message = back_off(&seen.name, &pod.placement, backoff_ms) + &why;
    }
    seen
}

fn never_started(pod: &DesiredPod, spec: &Container) -> ContainerObserved {
    // What people know from Kubernetes where others come first.
    let comes_first = pod.spec.init_containers.is_empty();
    let reason = if comes_first { "ContainerCreating" } else { "PodInitializing" };
    ContainerObserved {
        name: spec.name.clone(),
        id: String::new(),
        image: spec.image.clone().unwrap_or_default(),
        state: ContainerState::Waiting,
        ready: false,
        restarts: 0,
        exit_code: None,
        reason: reason.into(),
        message: String::new(),
        started_ms: 0,
        finished_ms: 0,
        started: true,
        last: None,
    }
}

fn tell_failure(seen: &mut ContainerObserved, failure: &Failure) {
    let is_about = failure.container.as_ref().is_none_or(|name| *name == seen.name);
    if is_about {
        // The words that people know from Kubernetes for the wait after a failed pull.
        let pulling = failure.reason == "ErrImagePull" && failure.attempts > 1;
        seen.reason = if pulling { "ImagePullBackOff".into() } else { failure.reason.clone() };
        seen.message = match pulling {
            true => back_off_pulling(&seen.image, &failure.message),
            false => failure.message.clone(),
        };
    }
}

/// Whether it is an init container that runs to its end.
fn is_init(pod: &DesiredPod, container: &str) -> bool {
    let mut inits = pod.spec.init_containers.iter().filter(|init| !init.is_sidecar());
    inits.any(|init| init.name == container)
}

fn is_ready(pod: &DesiredPod, containers: &[ContainerObserved]) -> bool {
    let mut lasting = containers.iter().filter(|c| !is_init(pod, &c.name)).peekable();
    lasting.peek().is_some() && lasting.all(|container| container.ready)
}

/// The phase of a pod that has not ended: it waits until all its containers have started.
fn phase_of(pod: &DesiredPod, containers: &[ContainerObserved]) -> PodPhase {
    let is_main = |c: &&ContainerObserved| pod.spec.containers.iter().any(|m| m.name == c.name);
    let mut mains = containers.iter().filter(is_main).peekable();
    if mains.peek().is_none() || mains.any(is_waiting) {
        return PodPhase::Pending;
    }
    PodPhase::Running
}

fn is_waiting(container: &ContainerObserved) -> bool {
    container.state == ContainerState::Waiting && container.started_ms == 0
}

fn all_ready(containers: &[ContainerObserved]) -> bool {
    !containers.is_empty() && containers.iter().all(|c| c.ready)
}

/// Nobody knows its policy, and nothing of it is started again.
fn phase_of_orphan(containers: &[ContainerObserved]) -> PodPhase {
    if containers.is_empty() || containers.iter().any(is_waiting) {
        return PodPhase::Pending;
    }
    if !containers.iter().all(|c| end_of(c).is_some()) {
        return PodPhase::Running;
    }
    let well = containers.iter().all(|c| c.exit_code == Some(0));
    if well { PodPhase::Succeeded } else { PodPhase::Failed }
}

#[cfg(test)]
mod tests;
