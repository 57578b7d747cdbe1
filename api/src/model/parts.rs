//! What is known of one pod, and how it stands.

use std::sync::Arc;

use setpoint_schemas::{Placement, PodObserved, PodPhase, PodUid, ResourceKey};

use super::WaitingPod;
use super::names::Name;
use super::seen::Seen;

/// Everything known of one uid.
pub(crate) struct PodParts {
    pub(crate) uid: PodUid,
    pub(super) name: Name,
    pub(crate) placement: Option<Arc<Placement>>,
    pub(crate) leaving_ms: Option<i64>,
    pub(crate) observed: Option<Seen>,
    pub(crate) waiting: Option<Arc<WaitingPod>>,
    /// Whether its node is only watched.
    pub(crate) is_watched: bool,
}

impl PodParts {
    /// The key of the pod's workload, as far as it is known.
    pub(crate) fn workload(&self) -> Option<ResourceKey> {
        let placed =
            self.placement.as_ref().and_then(|p| ResourceKey::parse(&p.pattern.workload).ok());
        placed.or_else(|| self.waiting.as_ref().map(|waiting| waiting.workload.clone()))
    }

    /// How it stands, in a sentence.
    pub(crate) fn reason(&self) -> String {
        if let (Some(waiting), true) = (&self.waiting, self.placement.is_none()) {
            return waiting.message.clone();
        }
        let node = self.placement.as_ref().map_or("", |placement| placement.node.as_str());
        let Some(observed) = self.opened() else {
            return format!("placed on {node}, which has not reported it yet");
        };
        let said = [observed.reason.as_str(), observed.message.as_str()];
        let said: Vec<&str> = said.into_iter().filter(|text| !text.is_empty()).collect();
        let said = if said.is_empty() { String::new() } else { format!(": {}", said.join(": ")) };
        match (self.leaving_ms, observed.phase, observed.ready) {
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

    /// What was observed of it.
    pub(crate) fn opened(&self) -> Option<PodObserved> {
        let (namespace, name) = &self.name;
        self.observed.as_ref()?.open(&self.uid, (namespace, name))
    }

    /// Nothing is known of it yet.
    pub(super) fn new(uid: PodUid, name: Name) -> Self {
        let (placement, leaving_ms, observed, waiting) = (None, None, None, None);
        PodParts { uid, name, placement, leaving_ms, observed, waiting, is_watched: false }
    }

    /// What is placed comes before what waits, and that before what stops.
    pub(super) fn rank(&self) -> u8 {
        match (&self.placement, self.leaving_ms, &self.waiting) {
            (Some(_), None, _) => 3,
            (_, _, Some(_)) => 2,
            (Some(_), Some(_), None) => 1,
            (None, _, None) => 0,
        }
    }

    /// The epoch of its placement; 0 without one.
    pub(super) fn placed_epoch(&self) -> i64 {
        self.placement.as_ref().map_or(0, |placement| placement.epoch)
    }
}
