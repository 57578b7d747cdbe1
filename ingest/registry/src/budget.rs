//! How much time may go into ids that nobody knows.

use std::time::{Duration, Instant};

/// Time spent on lookups within a window. When it is used up, unknown ids are unknown at once
/// until the window has passed.
#[derive(Debug)]
pub(crate) struct Budget {
    began: Option<Instant>,
    spent: Duration,
}

/// After so long the budget is whole again.
const WINDOW: Duration = Duration::from_secs(60);
/// Of each window. Below the time after which a standby takes over, together with an epoch's own
/// work, so that garbage on the log never looks like a leader that is gone.
pub(crate) const SPENT_MAX: Duration = Duration::from_secs(2);

impl Budget {
    pub(crate) fn new() -> Self {
        Budget { began: None, spent: Duration::ZERO }
    }

    /// What a lookup that begins now may take; `None` when nothing is left.
    pub(crate) fn left(&mut self, now: Instant) -> Option<Duration> {
        if self.began.is_none_or(|began| now.duration_since(began) >= WINDOW) {
            *self = Budget { began: Some(now), spent: Duration::ZERO };
        }
        let left = SPENT_MAX.saturating_sub(self.spent);
        (!left.is_zero()).then_some(left)
    }

    /// A lookup took so long.
    pub(crate) fn spend(&mut self, took: Duration) {
        self.spent += took;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spent_comes_back_with_the_next_window() {
        let (mut budget, now) = (Budget::new(), Instant::now());
        assert_eq!(budget.left(now), Some(SPENT_MAX));
        budget.spend(SPENT_MAX / 2);
        assert_eq!(budget.left(now + WINDOW / 2), Some(SPENT_MAX / 2));
        budget.spend(SPENT_MAX);
        assert_eq!(budget.left(now + WINDOW / 2), None);
        assert_eq!(budget.left(now + WINDOW), Some(SPENT_MAX));
    }
}
