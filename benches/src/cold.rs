//! When the cold step falls due: as the engine's own loop has it.

use std::time::Duration;

use setpoint_dataflow::pause_after_cold;

/// As the policy has it by default.
const INTERVAL: Duration = Duration::from_millis(100);

/// The cold step's times, by whichever clock the caller goes by.
#[derive(Debug, Default)]
pub(crate) struct Cold {
    from: Duration,
}

impl Cold {
    /// Whether it is due.
    pub(crate) fn is_due(&self, now: Duration) -> bool {
        now >= self.from
    }

    /// An epoch with a cold step ended now, took so long, and left statuses over or not.
    pub(crate) fn ran(&mut self, now: Duration, took: Duration, is_left: bool) {
        self.from = now + pause_after_cold(INTERVAL, took, is_left);
    }
}
