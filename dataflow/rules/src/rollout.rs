//! How many pods of which revision to start and to stop now.
//!
//! Source: the rolling update of Kubernetes' Deployment controller (maxSurge, maxUnavailable;
//! unavailable old pods go first). Running and starting pods never exceed desired + surge;
//! available ones never fall below desired − unavailable through our own doing.

use setpoint_schemas::{
    DeploymentStrategy, IntOrPercent, RollingUpdate, StrategyKind, UpdateOrder,
};

/// How a workload's pods of different revisions relate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Update {
    /// Any revision counts the same (ReplicaSet, ReplicationController, a bare pod).
    Keep,
    /// A few at a time.
    Rolling {
        /// How many above desired.
        surge: i64,
        /// How many below desired.
        unavailable: i64,
    },
    /// All old ones stop before a new one starts.
    Recreate,
}

impl Update {
    /// How many pods of the desired number it may leave unavailable.
    #[must_use]
    pub fn unavailable(self) -> i64 {
        match self {
            Update::Rolling { unavailable, .. } => unavailable,
            Update::Keep | Update::Recreate => 0,
        }
    }
}

/// The counts of one workload. Pods on lost nodes and pods that are stopping are in none of them
/// but `stopping`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// How many pods are wanted.
    pub desired: i64,
    /// Live pods of the current revision.
    pub current: i64,
    /// Those of them that are available.
    pub current_available: i64,
    /// Live pods of older revisions.
    pub old: i64,
    /// Those of them that are available.
    pub old_available: i64,
    /// Pods on their way out, of any revision, for whose end new ones wait where all old ones stop first: those
    /// on lost nodes are in it only where new ones may have the same data.
    pub stopping: i64,
    /// Whether the update is paused.
    pub paused: bool,
}

impl Counts {
    /// Whether there are as many pods as are wanted, all of the current revision: then nothing is
    /// to do, by any strategy.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.old == 0 && self.current == self.desired
    }
}

/// What to do now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Steps {
    /// Start this many of the current revision.
    pub start: i64,
    /// Stop this many of older revisions that are not available.
    pub stop_old_unavailable: i64,
    /// Stop this many of older revisions that are available.
    pub stop_old_available: i64,
    /// Stop this many of the current revision.
    pub stop_current: i64,
}

/// The strategy of a Deployment. Defaults are Kubernetes': 25 % each; both zero becomes
/// unavailable 1. Bounds that do not parse were refused at the door and count as the default.
#[must_use]
pub fn strategy(spec: Option<&DeploymentStrategy>, desired: i64, order: UpdateOrder) -> Update {
    let kind = spec.and_then(|s| s.kind).unwrap_or(StrategyKind::RollingUpdate);
    if kind == StrategyKind::Recreate {
        return Update::Recreate;
    }
    let rolling = spec.and_then(|s| s.rolling_update.as_ref());
    let quarter = IntOrPercent::Percent("25%".to_owned());
    let bound = |pick: fn(&RollingUpdate) -> Option<&IntOrPercent>, up: bool| {
        let given = rolling.and_then(pick).unwrap_or(&quarter);
        given.of(desired, up).or_else(|| quarter.of(desired, up)).unwrap_or(0)
    };
    let surge = bound(|r| r.max_surge.as_ref(), true);
    let unavailable = bound(|r| r.max_unavailable.as_ref(), false);
    match (surge, unavailable, order) {
        (0, 0, UpdateOrder::StartFirst) => Update::Rolling { surge: 1, unavailable: 0 },
        (0, 0, UpdateOrder::StopFirst) => Update::Rolling { surge: 0, unavailable: 1 },
        _ => Update::Rolling { surge, unavailable },
    }
}

/// What to do now for these counts.
#[must_use]
pub fn steps(counts: &Counts, strategy: Update) -> Steps {
    match strategy {
        _ if counts.desired == 0 => drain(counts),
        Update::Keep => keep(counts),
        _ if counts.old == 0 => scale(counts, strategy),
        Update::Rolling { surge, .. } if counts.paused => proportional(counts, surge),
        Update::Recreate if counts.paused => proportional(counts, 0),
        Update::Recreate => recreate(counts),
        Update::Rolling { surge, unavailable } => rolling(counts, surge, unavailable),
    }
}

fn drain(counts: &Counts) -> Steps {
    Steps {
        start: 0,
        stop_old_unavailable: counts.old - counts.old_available,
        stop_old_available: counts.old_available,
        stop_current: counts.current,
    }
}

fn keep(counts: &Counts) -> Steps {
    let drift = counts.desired - counts.current - counts.old;
    let excess = (-drift).max(0);
    let stop_old_unavailable = excess.min(counts.old - counts.old_available);
    let stop_old_available = (excess - stop_old_unavailable).min(counts.old_available);
    Steps {
        start: drift.max(0),
        stop_old_unavailable,
        stop_old_available,
        stop_current: excess - stop_old_unavailable - stop_old_available,
    }
}

/// Only the current revision is left: its number is all there is to mend. A Recreate still waits
/// until the last old pod is really gone.
fn scale(counts: &Counts, strategy: Update) -> Steps {
    let drift = counts.desired - counts.current;
    let waits = strategy == Update::Recreate && counts.current == 0 && counts.stopping > 0;
    Steps {
        start: if waits { 0 } else { drift.max(0) },
        stop_current: (-drift).max(0),
        ..Steps::default()
    }
}

/// Paused between revisions: the total is kept, the mix is not touched more than it must. Pods that the
/// update has started above what is desired stay as well, as in Kubernetes: others would have to go for
/// them, which may be the only ones that are available.
fn proportional(counts: &Counts, surge: i64) -> Steps {
    let drift = counts.desired - counts.current - counts.old;
    if drift >= -surge {
        return Steps { start: drift.max(0), ..Steps::default() };
    }
    keep(&Counts { desired: counts.desired + surge, ..*counts })
}

fn recreate(counts: &Counts) -> Steps {
    Steps {
        stop_old_unavailable: counts.old - counts.old_available,
        stop_old_available: counts.old_available,
        ..Steps::default()
    }
}

fn rolling(counts: &Counts, surge: i64, unavailable: i64) -> Steps {
    let total = counts.current + counts.old;
    let room = (counts.desired + surge - total).max(0);
    let start = (counts.desired - counts.current).clamp(0, room);
    let stop_current = (counts.current - counts.desired).max(0);

    let available_min = (counts.desired - unavailable).max(0);
    let current_unavailable = counts.current - counts.current_available;
    let spare = (total - available_min - current_unavailable).max(0);
    let stop_old_unavailable = (counts.old - counts.old_available).min(spare);
    let above = counts.current_available + counts.old_available - available_min;
    let stop_old_available =
        above.max(0).min(counts.old_available).min(spare - stop_old_unavailable);
    Steps { start, stop_old_unavailable, stop_old_available, stop_current }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counts(desired: i64, current: (i64, i64), old: (i64, i64)) -> Counts {
        Counts {
            desired,
            current: current.0,
            current_available: current.1,
            old: old.0,
            old_available: old.1,
            stopping: 0,
            paused: false,
        }
    }

    #[test]
    fn a_rolling_update_of_ten_starts_three_and_stops_two() {
        let quarter = strategy(None, 10, UpdateOrder::StopFirst);
        assert_eq!(quarter, Update::Rolling { surge: 3, unavailable: 2 });
        let first = steps(&counts(10, (0, 0), (10, 10)), quarter);
        assert_eq!((first.start, first.stop_old_available), (3, 2));
        let next = steps(&counts(10, (3, 0), (8, 8)), quarter);
        assert_eq!((next.start, next.stop_old_available), (2, 0));
        let last = steps(&counts(10, (10, 10), (3, 3)), quarter);
        assert_eq!((last.start, last.stop_old_available), (0, 3));
    }

    #[test]
    fn broken_old_pods_go_first() {
        let quarter = Update::Rolling { surge: 0, unavailable: 1 };
        let steps = steps(&counts(4, (0, 0), (4, 3)), quarter);
        assert_eq!((steps.stop_old_unavailable, steps.stop_old_available), (1, 0));
    }

    #[test]
    fn a_paused_update_keeps_what_it_started_above_what_is_desired_and_stops_no_more() {
        let quarter = Update::Rolling { surge: 1, unavailable: 0 };
        let paused =
            |desired, current, old| Counts { paused: true, ..counts(desired, current, old) };
        assert_eq!(steps(&paused(4, (1, 0), (4, 4)), quarter), Steps::default());
        assert_eq!(steps(&paused(4, (1, 0), (2, 2)), quarter).start, 1, "the total is kept");
        assert_eq!(steps(&paused(2, (1, 0), (4, 4)), quarter).stop_old_available, 2);
    }

    #[test]
    fn recreate_waits_until_the_old_ones_are_gone() {
        let mut state = counts(2, (0, 0), (2, 2));
        assert_eq!(steps(&state, Update::Recreate).start, 0);
        state = counts(2, (0, 0), (0, 0));
        state.stopping = 2;
        assert_eq!(steps(&state, Update::Recreate).start, 0);
        state.stopping = 0;
        assert_eq!(steps(&state, Update::Recreate).start, 2);
    }

    prop_compose! {
        fn any_counts()(desired in 0i64..40, a in 0i64..60, b in 0i64..60, x in 0i64..60, y in 0i64..60)
            -> Counts {
            counts(desired, (a, x.min(a)), (b, y.min(b)))
        }
    }

    proptest! {
        #[test]
        fn running_and_starting_never_exceed_desired_and_surge(
            state in any_counts(), surge in 0i64..10, unavailable in 1i64..10
        ) {
            let steps = steps(&state, Update::Rolling { surge, unavailable });
            let before = state.current + state.old;
            let after = before + steps.start;
            prop_assert!(after <= (state.desired + surge).max(before));
        }

        #[test]
        fn our_own_stops_never_take_availability_below_its_bound(
            state in any_counts(), surge in 0i64..10, unavailable in 1i64..10
        ) {
            let steps = steps(&state, Update::Rolling { surge, unavailable });
            if state.desired > 0 && state.current <= state.desired {
                let before = state.current_available + state.old_available;
                let after = before - steps.stop_old_available;
                prop_assert!(after >= (state.desired - unavailable).min(before));
            }
        }

        #[test]
        fn of_settled_counts_nothing_follows(
            state in any_counts(), surge in 0i64..10, unavailable in 0i64..10
        ) {
            let state = Counts { current: state.desired, old: 0, old_available: 0, ..state };
            prop_assert!(state.is_settled());
            for update in [Update::Keep, Update::Recreate, Update::Rolling { surge, unavailable }] {
                prop_assert_eq!(steps(&state, update), Steps::default());
            }
        }

        #[test]
        fn an_update_ends(desired in 1i64..30, surge in 0i64..5, unavailable in 0i64..5) {
            prop_assume!(surge + unavailable > 0);
            let mut state = counts(desired, (0, 0), (desired, desired));
            for _ in 0..10 * desired + 10 {
                let steps = steps(&state, Update::Rolling { surge, unavailable });
                state.old -= steps.stop_old_available + steps.stop_old_unavailable;
                state.old_available = state.old;
                state.current += steps.start - steps.stop_current;
                state.current_available = state.current;
            }
            prop_assert_eq!((state.current, state.old), (desired, 0));
        }
    }
}
