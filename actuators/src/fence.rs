//! Until when pods may run on a node that may run at most once.
//!
//! Such a pod is replaced elsewhere when the engine has not heard its node for long enough. By then it
//! must have ended here, by this machine's clock and nobody's word.
//! Absent: clocks. Times are milliseconds since the machine's boot, its sleep included.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Until when they may run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Until {
    /// From then on they are asked to end.
    pub ask_ms: i64,
    /// From then on they are killed.
    pub end_ms: i64,
}

/// Whether they may run now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Fence {
    /// They may.
    #[default]
    Open,
    /// They may not: none starts, and those that run end within this time.
    Closed {
        /// What is left between asking and killing.
        grace: Duration,
    },
}

impl Until {
    /// Whether they may run at this time.
    #[must_use]
    pub fn at(self, now_ms: i64) -> Fence {
        if now_ms < self.ask_ms {
            return Fence::Open;
        }
        let left_ms = u64::try_from(self.end_ms.saturating_sub(now_ms)).unwrap_or(0);
        Fence::Closed { grace: Duration::from_millis(left_ms) }
    }

    /// No later than this.
    #[must_use]
    pub fn capped(self, most: Until) -> Until {
        Until { ask_ms: self.ask_ms.min(most.ask_ms), end_ms: self.end_ms.min(most.end_ms) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_the_grace_and_then_there_is_none() {
        let until = Until { ask_ms: 1_000, end_ms: 1_500 };
        let closed = |ms| Fence::Closed { grace: Duration::from_millis(ms) };
        for (now_ms, fence) in
            [(999, Fence::Open), (1_000, closed(500)), (1_400, closed(100)), (9_000, closed(0))]
        {
            assert_eq!(until.at(now_ms), fence, "{now_ms}");
        }
        assert_eq!(Until::default().at(0), closed(0), "who was never told may not");
        let less = Until { ask_ms: 500, end_ms: 2_000 };
        assert_eq!(until.capped(less), Until { ask_ms: 500, end_ms: 1_500 });
    }
}
