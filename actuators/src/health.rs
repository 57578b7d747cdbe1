//! What probes say of containers, and what becomes of those that they fail.
//!
//! The prober is the agent's; here stands what it says, and how that changes what the runtime tells:
//! a container with probes is ready when they say so, one whose liveness or startup failed is to be
//! ended, and an end that we asked for counts as a failed one.
//! Guarantee: a word about one life of a container is never taken for a word about another. Absent:
//! asking, clocks.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use setpoint_schemas::{Container, ContainerObserved, ContainerState, PodUid};

use crate::Observed;
use crate::book::{Book, Books, Ending};
use crate::desired::{Desired, DesiredPod};
use crate::life::Life;
use crate::stages::is_greeted;

/// The reason of a container that runs and that its runtime itself finds to be unhealthy, by the
/// check of its image; its message says what failed.
pub const UNHEALTHY: &str = "Unhealthy";
/// What is told of a container that we ended for a failed probe and that ended well when it was
/// asked to: the code of one that was killed. So it counts as failed by each rule that looks at it.
const CODE_OF_KILLED: i32 = 137;

/// What its probes say of one life of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The life.
    pub life: Life,
    /// Whether its startup probe has passed, or it has none.
    pub started: bool,
    /// Whether it has started and its readiness probe passes, or it has none.
    pub ready: bool,
    /// What failed last, in a sentence; empty when it is ready.
    pub message: String,
    /// Why it is to be ended, when it is.
    #[serde(skip)]
    pub failed: Option<Failed>,
}

/// A liveness or startup probe failed for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// A sentence.
    pub message: String,
    /// The time between the stop signal and the kill; the pod's when it says none.
    pub grace: Option<Duration>,
}

/// What probes say of all containers of a node that have any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Healths(BTreeMap<PodUid, BTreeMap<String, Health>>);

impl Healths {
    /// What is said of the container in the life that it is in.
    #[must_use]
    pub fn of(&self, uid: &PodUid, container: &ContainerObserved) -> Option<&Health> {
        let health = self.0.get(uid)?.get(&container.name)?;
        health.life.is_of(container).then_some(health)
    }

    /// Takes in what is said of a container now; whether that is new.
    pub fn set(&mut self, uid: &PodUid, container: &str, health: Health) -> bool {
        let of_pod = self.0.entry(uid.clone()).or_default();
        let is_new = of_pod.get(container) != Some(&health);
        of_pod.insert(container.to_owned(), health);
        is_new
    }

    /// Forgets all containers but these; whether there was one to forget.
    pub fn retain(&mut self, keep: impl Fn(&PodUid, &str) -> bool) -> bool {
        let mut is_less = false;
        for (uid, of_pod) in &mut self.0 {
            let before = of_pod.len();
            of_pod.retain(|container, _| keep(uid, container));
            is_less |= of_pod.len() < before;
        }
        self.0.retain(|_, of_pod| !of_pod.is_empty());
        is_less
    }

    /// All of them: pod, container, what is said.
    pub fn iter(&self) -> impl Iterator<Item = (&PodUid, &str, &Health)> {
        let of_pod = |(uid, of_pod)| each(uid, of_pod);
        self.0.iter().flat_map(of_pod)
    }
}

fn each<'a>(
    uid: &'a PodUid,
    of_pod: &'a BTreeMap<String, Health>,
) -> impl Iterator<Item = (&'a PodUid, &'a str, &'a Health)> {
    of_pod.iter().map(move |(name, health)| (uid, name.as_str(), health))
}

/// Changes what the runtime tells of the pods of the list to what holds with their probes.
pub(crate) fn tell(observed: &mut [Observed], desired: &Desired, books: &Books, healths: &Healths) {
    for runs in observed {
        let Some(pod) = desired.pods.get(&runs.uid) else { continue };
        let book = books.get(&runs.uid).filter(|book| book.generation == runs.generation);
        for container in &mut runs.containers {
            match container.state {
                ContainerState::Running => {
                    let health = healths.of(&runs.uid, container);
                    let spec = spec_of(pod, &container.name);
                    tell_running(container, spec, health);
                    if spec.is_some_and(|spec| !is_greeted(spec, container, book)) {
                        // Its hook after the start is not done.
                        (container.started, container.ready) = (false, false);
                    }
                }
                ContainerState::Terminated => tell_ended(container, book),
                ContainerState::Waiting => {}
            }
        }
    }
}

/// Why a container that runs is to be ended, if it is.
pub(crate) fn failed(
    healths: &Healths,
    uid: &PodUid,
    container: &ContainerObserved,
) -> Option<Failed> {
    if container.state != ContainerState::Running {
        return None;
    }
    if let Some(health) = healths.of(uid, container) {
        return health.failed.clone();
    }
    let unhealthy = container.reason == UNHEALTHY;
    unhealthy.then(|| Failed { message: container.message.clone(), grace: None })
}

fn spec_of<'a>(pod: &'a DesiredPod, name: &str) -> Option<&'a Container> {
    pod.spec.every_container().find(|container| container.name == name)
}

fn tell_running(seen: &mut ContainerObserved, spec: Option<&Container>, health: Option<&Health>) {
    let Some(spec) = spec.filter(|spec| spec.has_probes()) else { return };
    match health {
        Some(health) => {
            seen.started = health.started;
            seen.ready = health.ready && health.failed.is_none();
            seen.message.clone_from(&health.message);
        }
        // Nobody has asked yet.
        None => {
            seen.started = spec.startup_probe.is_none();
            seen.ready = seen.started && spec.readiness_probe.is_none();
        }
    }
}

fn tell_ended(seen: &mut ContainerObserved, book: Option<&Book>) {
    let ending = book.and_then(|book| book.endings.get(&seen.name));
    let Some(Ending { message, .. }) = ending.filter(|ending| ending.life.is_of(seen)) else {
        return;
    };
    seen.message.clone_from(message);
    if seen.exit_code == Some(0) {
        (seen.exit_code, seen.reason) = (Some(CODE_OF_KILLED), "Error".to_owned());
    }
}

#[cfg(test)]
mod tests;
