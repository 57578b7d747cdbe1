//! How often the cold step comes: as the policy says, and never so often that decisions wait for it.

use std::time::Duration;

/// Of so many parts of the time a cold step takes one at most; the rest is for decisions.
const PARTS: u32 = 10;
/// The pause when statuses were left over: some epochs of decisions.
const PAUSE_LEFT: Duration = Duration::from_millis(10);

/// The pause after a cold step that took so long, where the policy asks for this interval and statuses
/// were left over or not.
#[must_use]
pub fn pause_after_cold(interval: Duration, took: Duration, is_left: bool) -> Duration {
    let pause = if is_left { PAUSE_LEFT.min(interval) } else { interval };
    pause.max(took * (PARTS - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_cold_step_is_followed_by_a_long_pause_and_one_that_left_work_by_a_short_one() {
        let millis = Duration::from_millis;
        let pause = |took, is_left| pause_after_cold(millis(100), millis(took), is_left);
        assert_eq!(pause(1, false), millis(100));
        assert_eq!(pause(40, false), millis(360));
        assert_eq!(pause(1, true), millis(10));
        assert_eq!(pause(5, true), millis(45));
    }
}
