//! What agents did to a pod, told from two observations of it in a row.
//!
//! Absent: what nobody observed; an action that was tried and undone between two reports.

use setpoint_schemas::{ContainerObserved, ContainerState, PodObserved, PodPhase};

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

/// What was done between two observations.
pub(crate) fn between(before: Option<&PodObserved>, now: &PodObserved) -> Vec<Done> {
    let mut done = Vec::new();
    let had_started = before.is_some_and(|before| has_started(before.phase));
    if has_started(now.phase) && !had_started {
        done.push(("start", "ok", 1));
    }
    let restarts = |pod: &PodObserved| pod.containers.iter().map(|c| c.restarts).sum::<i32>();
    let more = restarts(now) - before.map_or(0, restarts);
    done.extend(u64::try_from(more).ok().filter(|more| *more > 0).map(|n| ("restart", "ok", n)));
    let known = |failed: &&ContainerObserved| {
        let same = |c: &ContainerObserved| {
            (&c.name, &c.reason, &c.message) == (&failed.name, &failed.reason, &failed.message)
        };
        before.is_some_and(|before| before.containers.iter().any(same))
    };
    let failed = now.containers.iter().filter(has_failed).filter(|c| !known(c)).count() as u64;
    if failed > 0 {
        done.push((if had_started { "restart" } else { "start" }, "failed", failed));
    }
    done
}

fn has_started(phase: PodPhase) -> bool {
    matches!(phase, PodPhase::Running | PodPhase::Succeeded | PodPhase::Failed)
}

fn has_failed(container: &&ContainerObserved) -> bool {
    container.state == ContainerState::Waiting && !WAITS.contains(&container.reason.as_str())
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
