//! A rolling update in batches with a pause between them: Compose's `update_config.delay`.
//!
//! Source: SwarmKit's updater, which waits for `delay` after each `parallelism` tasks. Absent: what
//! a batch may do within itself; that is the rollout's.

use serde::{Deserialize, Serialize};

use crate::rollout::{Counts, Steps};

/// How far an update by batches is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batches {
    /// Pods of the current revision that there may be by now.
    pub allowed: i64,
    /// Engine time at which all of them were available; 0: they are not yet.
    pub done_ms: i64,
}

/// How batches are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Pods of a batch.
    pub size: i64,
    /// The pause after a batch, in engine time.
    pub delay_ms: i64,
}

impl Batches {
    /// As of now: the next batch begins when the one before has been available for the pause. Pods
    /// of the current revision that are there are of a batch that was begun, even where an engine
    /// that was rebuilt has forgotten it.
    #[must_use]
    pub fn at(self, counts: &Counts, pace: Pace, now_ms: i64) -> Batches {
        let size = pace.size.max(1);
        let allowed = self.allowed.max(size).max(counts.current);
        if counts.current_available < allowed.min(counts.desired) {
            return Batches { allowed, done_ms: 0 };
        }
        let done_ms = if self.done_ms > 0 { self.done_ms } else { now_ms };
        if now_ms < done_ms + pace.delay_ms {
            return Batches { allowed, done_ms };
        }
        Batches { allowed: allowed + size, done_ms: 0 }
    }

    /// When the next batch may begin; `None` while the present one is not available.
    #[must_use]
    pub fn due_ms(self, pace: Pace) -> Option<i64> {
        (self.done_ms > 0).then_some(self.done_ms + pace.delay_ms)
    }

    /// What of these steps the batches so far allow: so many new pods, and no fewer old ones than
    /// the later batches will replace.
    #[must_use]
    pub fn within(self, steps: Steps, counts: &Counts) -> Steps {
        let stay = (counts.desired - self.allowed).max(0);
        let may_stop = (counts.old - stay).max(0);
        let stop_old_unavailable = steps.stop_old_unavailable.min(may_stop);
        Steps {
            start: steps.start.min((self.allowed - counts.current).max(0)),
            stop_old_unavailable,
            stop_old_available: steps.stop_old_available.min(may_stop - stop_old_unavailable),
            ..steps
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::{self, Update};

    #[test]
    fn five_pods_by_twos_make_three_batches_with_a_pause_after_each() {
        let pace = Pace { size: 2, delay_ms: 10 };
        let update = Update::Rolling { surge: 0, unavailable: 2 };
        let mut counts = Counts { desired: 5, old: 5, old_available: 5, ..Counts::default() };
        let mut batches = Batches::default();
        let mut replaced = Vec::new();
        for now_ms in 1..60 {
            batches = batches.at(&counts, pace, now_ms);
            let steps = batches.within(rollout::steps(&counts, update), &counts);
            if steps.start > 0 {
                replaced.push((now_ms, steps.start));
            }
            counts.old -= steps.stop_old_available;
            counts.old_available = counts.old;
            counts.current += steps.start;
            counts.current_available = counts.current;
        }
        assert_eq!((counts.current, counts.old), (5, 0));
        // Stopped in one look, started in the next, seen available in the third.
        assert_eq!(replaced, [(2, 2), (14, 2), (26, 1)]);
    }

    #[test]
    fn an_update_whose_batches_were_forgotten_goes_on_from_the_pods_that_are_there() {
        let pace = Pace { size: 2, delay_ms: 10 };
        let counts =
            Counts { desired: 6, current: 4, current_available: 4, old: 2, ..Counts::default() };
        let pauses = Batches::default().at(&counts, pace, 5);
        assert_eq!((pauses, pauses.due_ms(pace)), (Batches { allowed: 4, done_ms: 5 }, Some(15)));
        assert_eq!(pauses.at(&counts, pace, 15), Batches { allowed: 6, done_ms: 0 });
    }

    #[test]
    fn the_pause_begins_when_the_whole_batch_is_available() {
        let pace = Pace { size: 2, delay_ms: 10 };
        let half = Counts { desired: 4, current: 2, current_available: 1, ..Counts::default() };
        let waits = Batches::default().at(&half, pace, 5);
        assert_eq!((waits, waits.due_ms(pace)), (Batches { allowed: 2, done_ms: 0 }, None));
        let whole = Counts { current_available: 2, ..half };
        let pauses = waits.at(&whole, pace, 7);
        assert_eq!(pauses.due_ms(pace), Some(17));
        assert_eq!(pauses.at(&half, pace, 9).done_ms, 0, "one fell ill: the pause begins anew");
        assert_eq!(pauses.at(&whole, pace, 17), Batches { allowed: 4, done_ms: 0 });
    }
}
