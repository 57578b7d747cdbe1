//! How far a pod has come: which of its containers' time has come, and whether it has ended for good.
//!
//! Known from what the runtime has, not from memory: an init container that ended well is done, and
//! where a container was started, all init containers are, also those of which the runtime has nothing
//! left.
//! Source: <https://kubernetes.io/docs/concepts/workloads/pods/init-containers/> and
//! <https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/>.
//! Absent: clocks, carrying out.

use std::collections::BTreeSet;

use setpoint_schemas::{
    Container, ContainerObserved, ContainerState, DEADLINE_EXCEEDED, EVICTED, PodPhase,
};

use crate::Observed;
use crate::book::Book;
use crate::desired::DesiredPod;
use crate::restart::{Verdict, end_of, restart};

/// What a pod is called of which a container was restarted as often as it allows.
const EXHAUSTED: &str = "RestartsExhausted";
/// What it says.
const EXHAUSTED_SAYS: &str = "a container was restarted here as often as the pod allows";
/// What a pod whose time is over says, as the kubelet does.
const OVERDUE: &str = "Pod was active on the node longer than the specified deadline";

/// A pod and what is known of it; of another generation nothing is.
#[derive(Clone, Copy)]
pub(crate) struct Stages<'a> {
    pod: &'a DesiredPod,
    runs: Option<&'a Observed>,
    book: Option<&'a Book>,
}

/// How a pod ends, as soon as nothing of it runs any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Conclusion<'a> {
    /// `Succeeded` or `Failed`.
    pub(crate) phase: PodPhase,
    /// One word; empty when its containers say it.
    pub(crate) reason: &'static str,
    /// A sentence; empty when its containers say it.
    pub(crate) message: &'a str,
}

impl<'a> Stages<'a> {
    pub(crate) fn of(
        pod: &'a DesiredPod,
        runs: Option<&'a Observed>,
        book: Option<&'a Book>,
    ) -> Self {
        let generation = pod.placement.generation;
        let runs = runs.filter(|runs| runs.generation == generation);
        Stages { pod, runs, book: book.filter(|book| book.generation == generation) }
    }

    /// The containers whose time to start has not come, or is over.
    pub(crate) fn held(&self) -> BTreeSet<String> {
        let spec = &self.pod.spec;
        let mut held = BTreeSet::new();
        let mut hold = |containers: &mut dyn Iterator<Item = &Container>| {
            held.extend(containers.map(|container| container.name.clone()));
        };
        if self.is_initialized() {
            let is_done = |init: &&Container| !init.is_sidecar() && !self.has_begun(init);
            hold(&mut spec.init_containers.iter().filter(is_done));
        } else {
            let last = spec.init_containers.iter().rposition(|init| self.has_begun(init));
            let (before, rest) = spec.init_containers.split_at(last.unwrap_or(0));
            hold(&mut before.iter().filter(|init| !init.is_sidecar() && !self.has_begun(init)));
            if let Some(at) = rest.iter().position(|init| !self.is_passed(init)) {
                hold(&mut rest[at + 1..].iter().chain(&spec.containers));
                return held;
            }
        }
        let is_awaited = |container: &Container| !self.was_greeted(container);
        if let Some(at) = spec.containers.iter().position(is_awaited) {
            hold(&mut spec.containers[at + 1..].iter());
        }
        held
    }

    /// Whether a container that may start was never started.
    pub(crate) fn lacks(&self, held: &BTreeSet<String>) -> bool {
        let mut all = self.pod.spec.every_container();
        all.any(|container| !held.contains(&container.name) && !self.has_begun(container))
    }

    /// Whether every init container is done.
    pub(crate) fn is_initialized(&self) -> bool {
        self.pod.spec.containers.iter().any(|container| self.has_begun(container))
    }

    /// How the pod ends, when it does, at this time.
    pub(crate) fn conclusion(&self, now_ms: i64) -> Option<Conclusion<'a>> {
        // Before all else: how its containers end is the eviction's doing.
        if let Some(message) = self.book.and_then(|book| book.evicted.as_deref()) {
            return Some(Conclusion { phase: PodPhase::Failed, reason: EVICTED, message });
        }
        let by_itself = |phase| Conclusion { phase, reason: "", message: "" };
        let mains: Vec<Option<&ContainerObserved>> =
            self.pod.spec.containers.iter().map(|c| self.ended_for_good(&c.name)).collect();
        if !mains.is_empty() && mains.iter().all(Option::is_some) {
            let well = mains.iter().flatten().all(|ended| ended.exit_code == Some(0));
            return Some(by_itself(if well { PodPhase::Succeeded } else { PodPhase::Failed }));
        }
        if self.pod.spec.every_container().any(|container| self.is_exhausted(&container.name)) {
            let (phase, message) = (PodPhase::Failed, EXHAUSTED_SAYS);
            return Some(Conclusion { phase, reason: EXHAUSTED, message });
        }
        if self.is_overdue(now_ms) {
            let phase = PodPhase::Failed;
            return Some(Conclusion { phase, reason: DEADLINE_EXCEEDED, message: OVERDUE });
        }
        let mut inits = self.pod.spec.init_containers.iter();
        let failed = |init: &Container| {
            self.ended_for_good(&init.name).is_some_and(|ended| ended.exit_code != Some(0))
        };
        let never_begins = !self.is_initialized() && inits.any(failed);
        never_begins.then(|| by_itself(PodPhase::Failed))
    }

    /// When its time is over, milliseconds; `None` when it has no bound.
    pub(crate) fn due_ms(&self) -> Option<i64> {
        let seconds = self.pod.spec.active_deadline_seconds?;
        let taken_ms = self.book?.taken_ms?;
        Some(taken_ms.saturating_add(seconds.saturating_mul(1_000)))
    }

    /// Whether something of it runs.
    pub(crate) fn is_running(&self) -> bool {
        self.runs.is_some_and(|runs| runs.containers.iter().any(is_running))
    }

    /// The container's hook after its start is still to be run in the life that it is in.
    pub(crate) fn is_to_be_greeted(&self, spec: &Container, seen: &ContainerObserved) -> bool {
        is_running(seen) && !is_greeted(spec, seen, self.book)
    }

    fn is_overdue(&self, now_ms: i64) -> bool {
        self.due_ms().is_some_and(|due_ms| due_ms <= now_ms)
    }

    fn seen(&self, name: &str) -> Option<&'a ContainerObserved> {
        self.runs?.containers.iter().find(|container| container.name == name)
    }

    fn has_begun(&self, container: &Container) -> bool {
        self.seen(&container.name).is_some_and(|seen| seen.state != ContainerState::Waiting)
    }

    /// Whether what comes behind this init container may begin.
    fn is_passed(&self, init: &Container) -> bool {
        let Some(seen) = self.seen(&init.name) else { return false };
        match init.is_sidecar() {
            true => is_running(seen) && seen.started,
            false => seen.state == ContainerState::Terminated && seen.exit_code == Some(0),
        }
    }

    /// The container, if it ended and is not to be started again.
    fn ended_for_good(&self, name: &str) -> Option<&'a ContainerObserved> {
        let ended = self.seen(name).filter(|seen| seen.state == ContainerState::Terminated)?;
        let restarts = self.pod.spec.policy_of(name).restarts_after(ended.exit_code.unwrap_or(0));
        (!restarts).then_some(ended)
    }

    /// Whether the container ended, and was restarted as often as the pod allows.
    fn is_exhausted(&self, name: &str) -> bool {
        let rule = self.pod.rule_of(name);
        let Some(end) = self.seen(name).and_then(end_of) else { return false };
        let history = self.book.map(|book| book.history(name)).unwrap_or_default();
        // That it is so does not depend on when somebody looks.
        restart(&rule, history, end, end.finished_ms) == Verdict::Exhausted
    }

    /// Whether its hook after a start was run in any of its lives, or it has none.
    fn was_greeted(&self, container: &Container) -> bool {
        !has_greeting(container)
            || self.book.is_some_and(|book| book.greeted.contains_key(&container.name))
    }
}

/// Whether a container's hook after its start was run in the life that it is in, or it has none.
pub(crate) fn is_greeted(spec: &Container, seen: &ContainerObserved, book: Option<&Book>) -> bool {
    let greeted = book.and_then(|book| book.greeted.get(&spec.name));
    !has_greeting(spec) || greeted.is_some_and(|life| life.is_of(seen))
}

fn has_greeting(container: &Container) -> bool {
    container.lifecycle.as_ref().is_some_and(|lifecycle| lifecycle.post_start.is_some())
}

fn is_running(seen: &ContainerObserved) -> bool {
    seen.state == ContainerState::Running
}

#[cfg(test)]
mod tests;
