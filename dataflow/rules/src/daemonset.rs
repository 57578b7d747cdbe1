//! Which pods of a DaemonSet make way for the current revision now.
//!
//! Source: Kubernetes' DaemonSet controller (`rollingUpdate`): who is not available goes at once, and of those
//! that are as many as may be missing. Absent: `maxSurge`, for a node never has two of these pods.

use setpoint_schemas::{DeploymentStrategy, StrategyKind};

/// How an update proceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Update {
    /// So many at once may be missing.
    Rolling {
        /// At least one.
        unavailable: usize,
    },
    /// Only when somebody deletes a pod.
    OnDelete,
}

/// A pod that does not stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whether it has been ready for long enough.
    pub available: bool,
    /// Whether it has the revision of the template.
    pub updated: bool,
    /// Whether its node has said anything of it.
    pub told: bool,
}

impl Update {
    /// By this strategy, where so many pods are wanted. Bounds that do not parse were refused at the door and
    /// count as the default.
    #[must_use]
    pub fn of(strategy: Option<&DeploymentStrategy>, desired: i64) -> Update {
        if strategy.and_then(|strategy| strategy.kind) == Some(StrategyKind::OnDelete) {
            return Update::OnDelete;
        }
        let rolling = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
        let bound = rolling.and_then(|rolling| rolling.max_unavailable.as_ref());
        let unavailable = bound.and_then(|bound| bound.of(desired, true)).unwrap_or(1);
        Update::Rolling { unavailable: usize::try_from(unavailable).unwrap_or(1).max(1) }
    }
}

/// The places, in their order, of the pods that go, while so many others stop already.
#[must_use]
pub fn outdated(update: Update, stopping: usize, pods: &[Standing]) -> Vec<usize> {
    let Update::Rolling { unavailable } = update else { return Vec::new() };
    let mut missing = stopping + pods.iter().filter(|pod| !pod.available).count();
    let mut going = Vec::new();
    for (place, pod) in pods.iter().enumerate().filter(|(_, pod)| !pod.updated) {
        match pod.available {
            // Nothing is missed by its going, and it may be what keeps an update from going on. Of one that
            // nobody has told of, as after a rebuild, it may be that it serves.
            false if pod.told => going.push(place),
            true if missing < unavailable => {
                missing += 1;
                going.push(place);
            }
            _ => {}
        }
    }
    going
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pods in words, as `statefulset.rs` has them: `+` available, `-` not; of an earlier revision `P` and `M`,
    /// and `U` one of which nobody has told.
    fn pods(words: &str) -> Vec<Standing> {
        let pod = |word: char| Standing {
            available: matches!(word, '+' | 'P'),
            updated: matches!(word, '+' | '-'),
            told: word != 'U',
        };
        words.chars().map(pod).collect()
    }

    #[test]
    fn who_is_not_available_goes_at_once_and_of_the_others_as_many_as_may_be_missing() {
        for (unavailable, stopping, words, expected) in [
            (1, 0, "PPP", vec![0]),
            (1, 0, "+PP", vec![1]),
            (1, 0, "-PP", vec![]),
            (1, 1, "PP", vec![]),
            (1, 0, "+++", vec![]),
            (1, 0, "PMP", vec![1]),
            (1, 1, "MPM", vec![0, 2]),
            (1, 0, "PUM", vec![2]),
            (2, 0, "PPP", vec![0, 1]),
            (2, 0, "P-P", vec![0]),
        ] {
            let going = outdated(Update::Rolling { unavailable }, stopping, &pods(words));
            assert_eq!(going, expected, "{words} with {unavailable}, {stopping} stopping");
        }
        assert_eq!(outdated(Update::OnDelete, 0, &pods("PM")), [0; 0]);
    }

    #[test]
    fn a_strategy_is_read_with_kubernetes_defaults() {
        let read = |json: &str, desired| {
            let strategy: DeploymentStrategy = serde_json::from_str(json).expect("a strategy");
            Update::of(Some(&strategy), desired)
        };
        assert_eq!(Update::of(None, 5), Update::Rolling { unavailable: 1 });
        assert_eq!(read(r#"{"type": "OnDelete"}"#, 5), Update::OnDelete);
        let percent = r#"{"rollingUpdate": {"maxUnavailable": "30%"}}"#;
        assert_eq!(read(percent, 5), Update::Rolling { unavailable: 2 }, "rounded up");
        let none = r#"{"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}"#;
        assert_eq!(read(none, 5), Update::Rolling { unavailable: 1 });
    }
}
