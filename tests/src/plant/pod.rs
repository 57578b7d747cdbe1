//! A pod on a simulated node.

use std::sync::Arc;

use setpoint_schemas::{Placement, PodPhase};

use crate::draw::Draw;

/// How long a pod takes to start, at most.
const START_MS_MAX: i64 = 1_500;
/// How long a pod takes to stop, at most.
const STOP_MS_MAX: i64 = 1_200;
/// The pause before a pod is restarted in place.
const BACKOFF_MS: i64 = 700;

/// How long a pod of a Job works before it ends.
const WORK_MS: i64 = 1_500;

/// What an image is called that does not start as long as there are faults.
pub(crate) const BAD_IMAGE: &str = "bad:";

/// Where a pod stands on its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PodState {
    /// It starts, until then.
    Starting(i64),
    /// It runs and is ready from then on.
    Running(i64),
    /// It failed and is started again then.
    Backoff(i64),
    /// It ended for good.
    Ended(PodPhase),
    /// It stops, until then.
    Stopping(i64),
}

/// A pod on a node.
#[derive(Debug, Clone)]
pub struct SimPod {
    /// What it was started from.
    pub placement: Arc<Placement>,
    /// Where it stands.
    pub state: PodState,
    /// The restart generation that runs.
    pub generation: i64,
}

impl SimPod {
    /// A pod that begins to start.
    pub fn start(placement: Arc<Placement>, now_ms: i64, draw: &mut Draw) -> SimPod {
        let generation = placement.generation;
        let state = PodState::Starting(now_ms + draw.between(1, START_MS_MAX));
        SimPod { placement, state, generation }
    }

    /// Begins to stop, if it does not already.
    pub fn stop(&mut self, now_ms: i64, draw: &mut Draw) {
        if !matches!(self.state, PodState::Stopping(_)) {
            self.state = PodState::Stopping(now_ms + draw.between(1, STOP_MS_MAX));
        }
    }

    /// Goes on to `now_ms`; with `faults` it may fail to start, crash or end. Returns whether it is
    /// still there.
    pub fn step(&mut self, now_ms: i64, faults: bool, draw: &mut Draw) -> bool {
        let work = self.placement.pattern.workload.contains("/Job/");
        let is_bad = faults && self.placement.pattern.spec.contains(BAD_IMAGE);
        self.state = match self.state {
            PodState::Running(ready) if work && ready + WORK_MS <= now_ms => {
                let fails = faults && draw.chance(200);
                PodState::Ended(if fails { PodPhase::Failed } else { PodPhase::Succeeded })
            }
            PodState::Starting(until) if until <= now_ms && is_bad => {
                PodState::Backoff(now_ms + BACKOFF_MS)
            }
            PodState::Starting(until) if until <= now_ms && faults && draw.chance(80) => {
                PodState::Backoff(now_ms + BACKOFF_MS)
            }
            PodState::Starting(until) if until <= now_ms => {
                PodState::Running(now_ms + draw.between(0, 600))
            }
            PodState::Backoff(until) if until <= now_ms => PodState::Starting(now_ms + 200),
            PodState::Running(_) if faults && draw.chance(3) => {
                PodState::Backoff(now_ms + BACKOFF_MS)
            }
            PodState::Running(_) if faults && draw.chance(1) => {
                PodState::Ended(*draw.pick(&[PodPhase::Succeeded, PodPhase::Failed]))
            }
            PodState::Stopping(until) if until <= now_ms => return false,
            state => state,
        };
        true
    }

    /// What an agent would say of it: phase, readiness, reason.
    #[must_use]
    pub fn told(&self, now_ms: i64) -> (PodPhase, bool, &'static str) {
        match self.state {
            PodState::Starting(_) => (PodPhase::Pending, false, "ContainerCreating"),
            PodState::Running(ready) => (PodPhase::Running, ready <= now_ms, ""),
            PodState::Backoff(_) => (PodPhase::Running, false, "CrashLoopBackOff"),
            PodState::Ended(phase) => (phase, false, ""),
            PodState::Stopping(_) => (PodPhase::Running, false, "Terminating"),
        }
    }
}
