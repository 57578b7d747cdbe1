//! What is known of one pod, and how it stands.

use std::sync::Arc;

use setpoint_schemas::{
    ContainerObserved, ContainerState, Placement, PodObserved, PodPhase, PodUid, ResourceKey,
};

use super::WaitingPod;
use super::names::Name;
use super::seen::Seen;

/// Everything known of one uid: small, as there are a million of them.
pub(crate) struct PodParts {
    known: Known,
    pub(crate) observed: Option<Seen>,
    rare: Option<Box<Rare>>,
    /// The epoch of the last change of what is served under its name.
    pub(super) version: i64,
}

/// Which pod it is.
enum Known {
    /// As its placement says, also while it stops.
    Placed(Arc<Placement>),
    /// No placement was told of it.
    Named(Box<(PodUid, Name)>),
}

/// What few pods have.
#[derive(Default, PartialEq, Eq)]
struct Rare {
    leaving_ms: Option<i64>,
    waiting: Option<Arc<WaitingPod>>,
    is_watched: bool,
}

impl PodParts {
    /// The pod.
    pub(crate) fn uid(&self) -> &PodUid {
        match &self.known {
            Known::Placed(placement) => &placement.uid,
            Known::Named(named) => &named.0,
        }
    }

    /// Its namespace and name.
    pub(super) fn name(&self) -> Name {
        match &self.known {
            Known::Placed(placement) => named_by(placement),
            Known::Named(named) => named.1.clone(),
        }
    }

    /// Its placement, also while it stops.
    pub(crate) fn placement(&self) -> Option<&Arc<Placement>> {
        match &self.known {
            Known::Placed(placement) => Some(placement),
            Known::Named(_) => None,
        }
    }

    /// Engine time since when it stops.
    pub(crate) fn leaving_ms(&self) -> Option<i64> {
        self.rare.as_ref()?.leaving_ms
    }

    /// Why it waits for a place.
    pub(crate) fn waiting(&self) -> Option<&Arc<WaitingPod>> {
        self.rare.as_ref()?.waiting.as_ref()
    }

    /// Whether its node is only watched.
    pub(crate) fn is_watched(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.is_watched)
    }

    /// Whether it has a place that it keeps.
    pub(crate) fn is_placed(&self) -> bool {
        self.placement().is_some() && self.leaving_ms().is_none()
    }

    /// The key of the pod's workload, as far as it is known.
    pub(crate) fn workload(&self) -> Option<ResourceKey> {
        let placed = self.placement().and_then(|p| ResourceKey::parse(&p.pattern.workload).ok());
        placed.or_else(|| self.waiting().map(|waiting| waiting.workload.clone()))
    }

    /// How it stands, in a sentence.
    pub(crate) fn reason(&self) -> String {
        if let (Some(waiting), None) = (self.waiting(), self.placement()) {
            return waiting.message.clone();
        }
        let node = self.placement().map_or("", |placement| placement.node.as_str());
        let Some(observed) = self.opened() else {
            return format!("placed on {node}, which has not reported it yet");
        };
        let said = [observed.reason.as_str(), observed.message.as_str()];
        let mut said: Vec<&str> = said.into_iter().filter(|text| !text.is_empty()).collect();
        // The runtime may have nothing to say of the pod, and of a container why it does not run.
        let waits = |c: &&ContainerObserved| {
            let is_on_its_way = matches!(&*c.reason, "" | "ContainerCreating" | "PodInitializing");
            c.state == ContainerState::Waiting && !is_on_its_way
        };
        if said.is_empty()
            && let Some(c) = observed.containers.iter().find(waits)
        {
            let words = [c.name.as_str(), c.reason.as_str(), c.message.as_str()];
            said.extend(words.into_iter().filter(|text| !text.is_empty()));
        }
        let said = if said.is_empty() { String::new() } else { format!(": {}", said.join(": ")) };
        match (self.leaving_ms(), observed.phase, self.is_ready()) {
            (Some(_), ..) => format!("its placement was withdrawn; it stops on {node}{said}"),
            (None, PodPhase::Running, true) => format!("runs on {node} and is ready{said}"),
            (None, PodPhase::Running, false) => format!("runs on {node} and is not ready{said}"),
            (None, PodPhase::Pending, _) => format!("starts on {node}{said}"),
            (None, PodPhase::Succeeded, _) => format!("ended well on {node}{said}"),
            (None, PodPhase::Failed, _) => format!("failed on {node}{said}"),
            (None, PodPhase::Unknown | PodPhase::Gone, _) => {
                format!("{node} cannot tell how it is{said}")
            }
        }
    }

    /// Whether its containers are ready, and its gates open.
    pub(crate) fn is_ready(&self) -> bool {
        let is_open = || self.placement().is_none_or(|placement| placement.gates_are_open());
        self.observed.as_ref().is_some_and(|observed| observed.ready) && is_open()
    }

    /// What was observed of it.
    pub(crate) fn opened(&self) -> Option<PodObserved> {
        let (namespace, name) = &self.name();
        self.observed.as_ref()?.open(self.uid(), (namespace, name))
    }

    /// Nothing is known of it yet.
    pub(super) fn new(uid: PodUid, name: Name) -> Self {
        let known = Known::Named(Box::new((uid, name)));
        PodParts { known, observed: None, rare: None, version: 0 }
    }

    /// It has a place, and waits no more.
    pub(super) fn place(&mut self, placement: Arc<Placement>) {
        self.known = Known::Placed(placement);
        self.with_rare(|rare| (rare.leaving_ms, rare.waiting) = (None, None));
    }

    /// Its placement was withdrawn, if it had one.
    pub(super) fn leave(&mut self, now_ms: i64) {
        let since = self.placement().map(|_| now_ms);
        self.with_rare(|rare| rare.leaving_ms = since);
    }

    /// It waits, or no longer does.
    pub(super) fn wait(&mut self, waiting: Option<Arc<WaitingPod>>) {
        self.with_rare(|rare| rare.waiting = waiting);
    }

    /// Its node is only watched.
    pub(super) fn watch(&mut self) {
        self.with_rare(|rare| rare.is_watched = true);
    }

    /// Whether nothing is left of it.
    pub(super) fn is_nothing(&self) -> bool {
        !self.is_placed() && self.observed.is_none() && self.waiting().is_none()
    }

    /// What is placed comes before what waits, and that before what stops.
    pub(super) fn rank(&self) -> u8 {
        match (self.placement(), self.leaving_ms(), self.waiting()) {
            (Some(_), None, _) => 3,
            (_, _, Some(_)) => 2,
            (Some(_), Some(_), None) => 1,
            (None, _, None) => 0,
        }
    }

    /// The epoch of its placement; 0 without one.
    pub(super) fn placed_epoch(&self) -> i64 {
        self.placement().map_or(0, |placement| placement.epoch)
    }

    /// Changes what few pods have, which is kept only when it says something.
    fn with_rare(&mut self, change: impl FnOnce(&mut Rare)) {
        let mut rare = self.rare.take().map(|rare| *rare).unwrap_or_default();
        change(&mut rare);
        self.rare = (rare != Rare::default()).then(|| Box::new(rare));
    }
}

/// The namespace and name that a placement gives its pod.
pub(super) fn named_by(placement: &Placement) -> Name {
    (placement.pattern.namespace.shared(), placement.name.shared())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A million pods are served by a process: each field more is eight megabytes.
    const PARTS_BYTES_MAX: usize = 72;

    #[test]
    fn what_is_known_of_a_pod_is_small() {
        let bytes = size_of::<Option<PodParts>>();
        assert!(bytes <= PARTS_BYTES_MAX, "the parts of a pod take {bytes} bytes");
    }
}
