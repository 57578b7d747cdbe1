//! What agents did to a pod, told from two observations of it in a row.
//!
//! Absent: what nobody observed; an action that was tried and undone between two reports.

use setpoint_api::Progress;
use setpoint_schemas::{ContainerDetails, ContainerState, Observation, PodObserved, PodPhase};

/// An action, how it ended, and how often.
pub(crate) type Done = (&'static str, &'static str, u64);

/// The words that say that a container waits and nothing has failed.
const WAITS: &[&str] = &["", "ContainerCreating", "PodInitializing", "CrashLoopBackOff"];

/// All pairs of action and outcome that there are.
pub(crate) const ALL: &[(&str, &str)] = &[
    ("start", "ok"),
    ("start", "failed"),
    ("restart", "ok"),
    ("restart", "failed"),
    ("stop", "ok"),
];

/// What was done between two observations. Most say nothing of an action: only where a container has
/// failed the former one is looked at whole.
pub(crate) fn between(
    before: Option<Progress>,
    now: &Observation,
    whole: impl FnOnce() -> Option<PodObserved>,
) -> Vec<Done> {
    let mut done = Vec::new();
    let had_started = before.is_some_and(|before| has_started(before.phase));
    if has_started(now.phase()) && !had_started {
        done.push(("start", "ok", 1));
    }
    let containers = now.details().containers;
    let more = containers.restarts().saturating_sub(before.map_or(0, |before| before.restarts));
    done.extend(u64::try_from(more).ok().filter(|more| *more > 0).map(|n| ("restart", "ok", n)));
    let failed: Vec<ContainerDetails<'_>> = containers.filter(has_failed).collect();
    let failed = if failed.is_empty() { 0 } else { unknown(&failed, whole()) };
    if failed > 0 {
        done.push((if had_started { "restart" } else { "start" }, "failed", failed));
    }
    done
}

fn has_started(phase: PodPhase) -> bool {
    matches!(phase, PodPhase::Running | PodPhase::Succeeded | PodPhase::Failed)
}

fn has_failed(container: &ContainerDetails<'_>) -> bool {
    container.state == ContainerState::Waiting && !WAITS.contains(&container.reason)
}

/// How many of these had not failed in the same words before.
fn unknown(failed: &[ContainerDetails<'_>], before: Option<PodObserved>) -> u64 {
    let before = before.map_or_else(Vec::new, |before| before.containers);
    let is_known = |failed: &&ContainerDetails<'_>| {
        before.iter().any(|container| {
            let said = (&*container.name, &*container.reason, &*container.message);
            said == (failed.name, failed.reason, failed.message)
        })
    };
    failed.iter().filter(|failed| !is_known(failed)).count() as u64
}

#[cfg(test)]
mod tests {
    use setpoint_schemas::samples;

    use super::*;

    /// A pod of one container: its phase, its container's reason to wait, its restarts.
    fn pod(phase: PodPhase, waits: Option<&str>, restarts: i32) -> PodObserved {
        let mut pod = samples::pod_observed();
        let mut container = pod.containers[0].clone();
        container.restarts = restarts;
        container.state =
            if waits.is_some() { ContainerState::Waiting } else { ContainerState::Running };
        container.reason = waits.unwrap_or_default().to_owned();
        (pod.phase, pod.containers) = (phase, vec![container]);
        pod
    }

    fn between(before: Option<&PodObserved>, now: &PodObserved) -> Vec<Done> {
        let progress = |before: &PodObserved| Progress {
            phase: before.phase,
            restarts: Observation::of(before).details().containers.restarts(),
        };
        super::between(before.map(progress), &Observation::of(now), || before.cloned())
    }

    #[test]
    fn actions_are_told_from_what_changed() {
        let creating = pod(PodPhase::Pending, Some("ContainerCreating"), 0);
        let failed = pod(PodPhase::Pending, Some("ErrImagePull"), 0);
        let later = pod(PodPhase::Pending, Some("ImagePullBackOff"), 0);
        let runs = pod(PodPhase::Running, None, 0);
        let again = pod(PodPhase::Running, None, 2);
        let loops = pod(PodPhase::Running, Some("CrashLoopBackOff"), 2);
        let broken = pod(PodPhase::Running, Some("RunContainerError"), 2);
        let none: Vec<Done> = Vec::new();
        assert_eq!(between(None, &creating), none);
        assert_eq!(between(Some(&creating), &failed), [("start", "failed", 1)]);
        assert_eq!(between(Some(&failed), &failed), none, "told once");
        assert_eq!(between(Some(&failed), &later), [("start", "failed", 1)]);
        assert_eq!(between(Some(&later), &runs), [("start", "ok", 1)]);
        assert_eq!(between(None, &runs), [("start", "ok", 1)]);
        assert_eq!(between(Some(&runs), &again), [("restart", "ok", 2)]);
        assert_eq!(between(Some(&again), &loops), none);
        assert_eq!(between(Some(&loops), &broken), [("restart", "failed", 1)]);
    }
}
