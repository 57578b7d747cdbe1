//! Whether an update fails, and what becomes of it then: Compose's `failure_action`, as annotations.
//!
//! Source: SwarmKit's updater (`monitor`, `max_failure_ratio`), and Nomad's `auto_revert`. A pod of the new
//! revision fails when it cannot start, ends badly or is restarted within `monitor` of its beginning;
//! the update fails when more than the ratio of the pods that are wanted did, or when it makes no progress
//! until its deadline. Guarantee: an update that goes back is never gone back from.
//! Absent: which revision that is; the history says it.

use std::collections::BTreeMap;

use setpoint_schemas::{ContainerState, EVICTED, Observation, PodPhase, UpdateOrder};

/// What follows from a failed update.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// Nothing: it goes on as its pods become available.
    #[default]
    Continue,
    /// It stands still.
    Pause,
    /// It goes back to the last revision that was healthy.
    Rollback,
}

/// How an update, or the way back, is watched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Guard {
    /// What follows when it fails.
    pub on_failure: OnFailure,
    /// For how long a new pod is watched from its beginning, in engine time; 0: only the progress deadline
    /// is judged.
    pub monitor_ms: i64,
    /// Of a thousand pods, how many may fail.
    pub ratio_max_milli: i64,
}

/// How a workload's updates are watched, and the way back from them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Guards {
    /// An update that is asked for.
    pub update: Guard,
    /// One that goes back.
    pub rollback: Guard,
    /// How it goes back, where that is another way than forward.
    pub back: Back,
}

/// The way back, where it differs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Back {
    /// Which comes first.
    pub order: Option<UpdateOrder>,
    /// How many at a time; 0: all at once.
    pub parallelism: Option<i64>,
    /// The pause between batches.
    pub delay_ms: Option<i64>,
}

/// The annotation that says what becomes of an update that fails: `continue`, `pause` or `rollback`.
pub const FAILURE_ACTION: &str = "setpoint.dev/update-failure-action";
/// The annotation with the time for which a new pod is watched, in milliseconds.
pub const MONITOR: &str = "setpoint.dev/update-monitor-ms";
/// The annotation with the share of new pods that may fail, from 0 to 1.
pub const FAILURE_RATIO: &str = "setpoint.dev/update-max-failure-ratio";
/// The same of the way back: `continue` or `pause`.
pub const BACK_FAILURE_ACTION: &str = "setpoint.dev/rollback-failure-action";
/// The same of the way back.
pub const BACK_MONITOR: &str = "setpoint.dev/rollback-monitor-ms";
/// The same of the way back.
pub const BACK_FAILURE_RATIO: &str = "setpoint.dev/rollback-max-failure-ratio";
/// The annotation that says which comes first on the way back: `start-first` or `stop-first`.
pub const BACK_ORDER: &str = "setpoint.dev/rollback-order";
/// The annotation with the pods of a batch on the way back; 0: all at once.
pub const BACK_PARALLELISM: &str = "setpoint.dev/rollback-parallelism";
/// The annotation with the pause between batches on the way back, in milliseconds.
pub const BACK_DELAY: &str = "setpoint.dev/rollback-delay-ms";
/// Behind a day nobody watches a pod's beginning.
pub const MONITOR_MS_MAX: i64 = 86_400_000;
/// What is said of a time that is none.
const MONITORED: &str = "must be milliseconds from 0 to a day";

impl Guards {
    /// As the annotations of a workload say.
    ///
    /// # Errors
    /// A sentence that names the annotation that is wrong.
    pub fn of(annotations: &BTreeMap<String, String>) -> Result<Guards, String> {
        let said = |name: &'static str| annotations.get(name).map(String::as_str);
        let wrong = |name: &str, why: &str| format!("metadata.annotations[{name}]: {why}");
        let action = |name: &'static str, may_go_back: bool| match said(name) {
            None | Some("continue") => Ok(OnFailure::Continue),
            Some("pause") => Ok(OnFailure::Pause),
            Some("rollback") if may_go_back => Ok(OnFailure::Rollback),
            _ if may_go_back => Err(wrong(name, "must be continue, pause or rollback")),
            _ => Err(wrong(name, "must be continue or pause")),
        };
        let number = |name: &'static str, most: i64, why: &str| {
            let Some(text) = said(name) else { return Ok(None) };
            let number = text.parse().ok().filter(|number| (0..=most).contains(number));
            number.map(Some).ok_or_else(|| wrong(name, why))
        };
        let ratio = |name: &'static str| match said(name) {
            None => Ok(0),
            Some(text) => milli_of(text).ok_or_else(|| wrong(name, "must be from 0 to 1")),
        };
        Ok(Guards {
            update: Guard {
                on_failure: action(FAILURE_ACTION, true)?,
                monitor_ms: number(MONITOR, MONITOR_MS_MAX, MONITORED)?.unwrap_or(0),
                ratio_max_milli: ratio(FAILURE_RATIO)?,
            },
            rollback: Guard {
                on_failure: action(BACK_FAILURE_ACTION, false)?,
                monitor_ms: number(BACK_MONITOR, MONITOR_MS_MAX, MONITORED)?.unwrap_or(0),
                ratio_max_milli: ratio(BACK_FAILURE_RATIO)?,
            },
            back: Back {
                order: match said(BACK_ORDER) {
                    None => None,
                    Some("start-first") => Some(UpdateOrder::StartFirst),
                    Some("stop-first") => Some(UpdateOrder::StopFirst),
                    _ => return Err(wrong(BACK_ORDER, "must be start-first or stop-first")),
                },
                parallelism: number(
                    BACK_PARALLELISM,
                    i32::MAX.into(),
                    "must be a number of at least 0",
                )?,
                delay_ms: number(BACK_DELAY, MONITOR_MS_MAX, MONITORED)?,
            },
        })
    }

    /// Whether anything of an update follows from them.
    #[must_use]
    pub fn act(&self) -> bool {
        self.update.on_failure != OnFailure::Continue
    }
}

/// A share as thousandths, rounded down: 0.2 of 10 pods are 2.
fn milli_of(text: &str) -> Option<i64> {
    let share: f64 = text.trim().parse().ok()?;
    // Between 0 and 1, so the cast is exact to the thousandth.
    (0.0..=1.0).contains(&share).then(|| (share * 1_000.0 + 1e-6) as i64)
}

impl Guard {
    /// Whether new pods are watched.
    #[must_use]
    pub fn watches(&self) -> bool {
        self.on_failure != OnFailure::Continue && self.monitor_ms > 0
    }

    /// Whether so many failures are more than may be, of so many pods that are wanted.
    #[must_use]
    pub fn is_exceeded(&self, failures: i64, desired: i64) -> bool {
        failures > 0 && failures * 1_000 > self.ratio_max_milli * desired.max(1)
    }
}

/// What a pod that cannot start says of itself.
const CANNOT_START: [&str; 9] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "InvalidImageName",
    "CreateContainerError",
    "CreateContainerConfigError",
    "RunContainerError",
    "PostStartHookError",
    "CrashLoopBackOff",
];

/// Whether a pod has begun: a container of it runs, or has run.
#[must_use]
pub fn has_begun(observed: &Observation) -> bool {
    matches!(observed.phase(), PodPhase::Running | PodPhase::Succeeded | PodPhase::Failed)
        || observed.details().containers.any(|c| c.state != ContainerState::Waiting)
}

/// Why a pod counts as failed by what is observed of it: a word; `None` while it does not. That its node evicted
/// it says nothing of it: what always takes more than it may fails by its deadline.
#[must_use]
pub fn failure(observed: &Observation) -> Option<String> {
    if observed.reason() == EVICTED {
        return None;
    }
    if observed.phase() == PodPhase::Failed {
        let reason = observed.reason();
        return Some(if reason.is_empty() { "it ended" } else { reason }.to_owned());
    }
    if let Some(word) = CANNOT_START.iter().find(|word| **word == observed.reason()) {
        return Some((*word).to_owned());
    }
    let mut containers = observed.details().containers;
    containers.find_map(|container| {
        let word = CANNOT_START.iter().find(|word| **word == container.reason);
        let ended_badly = container.state == ContainerState::Terminated
            && container.exit_code.is_some_and(|code| code != 0);
        match word {
            Some(word) => Some(format!("{} {word}", container.name)),
            None if ended_badly => Some(format!("{} ended badly", container.name)),
            None if container.restarts > 0 => Some(format!("{} was restarted", container.name)),
            None => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use setpoint_schemas::{ContainerObserved, PodObserved, samples};

    use super::*;

    fn notes(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn annotations_say_how_updates_are_watched_and_wrong_ones_are_named() {
        let guards = Guards::of(&notes(&[
            (FAILURE_ACTION, "rollback"),
            (MONITOR, "5000"),
            (FAILURE_RATIO, "0.29"),
            (BACK_FAILURE_ACTION, "pause"),
            (BACK_ORDER, "start-first"),
            (BACK_PARALLELISM, "0"),
        ]))
        .expect("they are right");
        let update =
            Guard { on_failure: OnFailure::Rollback, monitor_ms: 5_000, ratio_max_milli: 290 };
        assert_eq!((guards.update, guards.act()), (update, true));
        assert_eq!(guards.rollback.on_failure, OnFailure::Pause);
        let order = Some(UpdateOrder::StartFirst);
        assert_eq!(guards.back, Back { order, parallelism: Some(0), delay_ms: None });
        assert_eq!(Guards::of(&notes(&[])), Ok(Guards::default()));
        for (name, value, why) in [
            (FAILURE_ACTION, "revert", "must be continue, pause or rollback"),
            (BACK_FAILURE_ACTION, "rollback", "must be continue or pause"),
            (MONITOR, "5s", MONITORED),
            (MONITOR, "-1", MONITORED),
            (FAILURE_RATIO, "1.5", "must be from 0 to 1"),
            (FAILURE_RATIO, "NaN", "must be from 0 to 1"),
            (BACK_ORDER, "first", "must be start-first or stop-first"),
            (BACK_PARALLELISM, "-2", "must be a number of at least 0"),
        ] {
            let refused = Guards::of(&notes(&[(name, value)]));
            assert_eq!(refused, Err(format!("metadata.annotations[{name}]: {why}")));
        }
    }

    #[test]
    fn more_than_the_share_of_the_pods_must_fail() {
        let cases = [
            (0, 0, 4, false),
            (0, 1, 4, true),
            (250, 1, 4, false),
            (250, 2, 4, true),
            (1_000, 4, 4, false),
            (0, 1, 0, true),
        ];
        for (ratio_max_milli, failures, desired, exceeded) in cases {
            let guard = Guard { ratio_max_milli, ..Guard::default() };
            assert_eq!(guard.is_exceeded(failures, desired), exceeded, "{failures} of {desired}");
        }
    }

    #[test]
    fn a_pod_fails_that_cannot_start_ends_badly_or_is_restarted() {
        let pod = |phase, container: ContainerObserved| {
            let containers = vec![container];
            let sample = samples::pod_observed();
            Observation::of(&PodObserved { phase, reason: String::new(), containers, ..sample })
        };
        let well = ContainerObserved {
            name: "app".to_owned(),
            id: String::new(),
            image: String::new(),
            state: ContainerState::Running,
            ready: true,
            restarts: 0,
            exit_code: None,
            reason: String::new(),
            message: String::new(),
            started_ms: 1,
            finished_ms: 0,
            started: true,
            last: None,
        };
        let waits = ContainerObserved { state: ContainerState::Waiting, ..well.clone() };
        let pulls = ContainerObserved { reason: "ImagePullBackOff".to_owned(), ..waits.clone() };
        let again = ContainerObserved { restarts: 1, ..well.clone() };
        let ended = |code| ContainerObserved {
            state: ContainerState::Terminated,
            exit_code: Some(code),
            ..well.clone()
        };
        let cases = [
            (PodPhase::Running, well.clone(), None, true),
            (PodPhase::Pending, waits, None, false),
            (PodPhase::Pending, pulls, Some("app ImagePullBackOff"), false),
            (PodPhase::Running, again, Some("app was restarted"), true),
            (PodPhase::Running, ended(1), Some("app ended badly"), true),
            (PodPhase::Pending, ended(0), None, true),
            (PodPhase::Failed, ended(1), Some("it ended"), true),
        ];
        for (phase, container, why, begun) in cases {
            let observed = pod(phase, container);
            assert_eq!((failure(&observed).as_deref(), has_begun(&observed)), (why, begun));
        }
    }
}
