//! What a node should run, and on whose word.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use setpoint_schemas::{Placement, PodSpec, PodUid};

use crate::fence::Fence;
use crate::grace_of;
use crate::restart::Rule;

/// How much the list of placements allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Authority {
    /// No list was ever accepted: nothing is done.
    None,
    /// The list of a former life of the agent: what runs is kept running, nothing is started and
    /// nothing stopped.
    Remembered,
    /// A valid, complete list of this life.
    Full,
}

/// All that a node should run.
#[derive(Debug, Clone)]
pub struct Desired {
    /// How much it allows.
    pub authority: Authority,
    /// The epoch as of which the list holds; −1 for a list of a former life, or none.
    pub epoch: i64,
    /// Whether pods may run that may run at most once.
    pub fence: Fence,
    /// The pods by uid.
    pub pods: BTreeMap<PodUid, DesiredPod>,
    /// The volumes whose folders are to be removed, by name.
    pub volumes_leaving: BTreeSet<String>,
}

/// One pod that a node should run.
#[derive(Debug, Clone)]
pub struct DesiredPod {
    /// Its placement.
    pub placement: Arc<Placement>,
    /// Its spec; an empty one when it could not be read, see `invalid`.
    pub spec: Arc<PodSpec>,
    /// Why its spec could not be read; empty when it could.
    pub invalid: String,
    /// How its containers restart.
    pub rule: Rule,
    /// Whether the engine knows that it has ended for good: nothing of it starts again.
    pub ended: bool,
}

impl Desired {
    /// Nothing is known.
    #[must_use]
    pub fn unknown() -> Self {
        Desired::of(Authority::None, &[])
    }

    /// The pods of a list.
    #[must_use]
    pub fn of(authority: Authority, placements: &[Placement]) -> Self {
        let pod = |placement: &Placement| (placement.uid.clone(), DesiredPod::of(placement));
        let pods = placements.iter().map(pod).collect();
        Desired { authority, epoch: -1, fence: Fence::Open, pods, volumes_leaving: BTreeSet::new() }
    }

    /// The same, of which these have ended for good.
    #[must_use]
    pub fn with_ended(mut self, ended: &[PodUid]) -> Self {
        for uid in ended {
            if let Some(pod) = self.pods.get_mut(uid) {
                pod.ended = true;
            }
        }
        self
    }

    /// Whether a pod may not run now although it should.
    #[must_use]
    pub fn is_fenced(&self, pod: &DesiredPod) -> bool {
        pod.placement.at_most_one && self.fence != Fence::Open
    }
}

impl DesiredPod {
    /// Parses the spec of a placement. One that cannot be read is kept with the reason, so that it
    /// becomes a status and not a silence.
    #[must_use]
    pub fn of(placement: &Placement) -> Self {
        let (spec, invalid) = match serde_json::from_str::<PodSpec>(&placement.pattern.spec) {
            Ok(spec) => (spec, String::new()),
            Err(error) => (PodSpec::default(), format!("failed to read the pod spec: {error}")),
        };
        let rule = Rule::of(spec.restart_policy.as_deref(), &placement.pattern.annotations);
        let ended = placement.is_finished();
        let placement = Arc::new(placement.clone());
        DesiredPod { placement, spec: Arc::new(spec), invalid, rule, ended }
    }

    /// How the container of this name restarts.
    #[must_use]
    pub fn rule_of(&self, container: &str) -> Rule {
        Rule { policy: self.spec.policy_of(container), ..self.rule }
    }

    /// The time between the stop signal and the kill.
    #[must_use]
    pub fn grace(&self) -> Duration {
        grace_of(&self.spec)
    }
}
