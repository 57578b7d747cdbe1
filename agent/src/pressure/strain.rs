//! Short of one thing, or not: once short, for a whole period.

use std::time::Duration;

use tokio::time::Instant;

/// How one thing stands.
#[derive(Debug, Default)]
pub(crate) struct Strain {
    last: Option<Instant>,
}

impl Strain {
    /// Whether the node counts as short of it, now that it was looked at.
    pub(crate) fn counts(&mut self, is_short: bool, now: Instant, transition: Duration) -> bool {
        if is_short {
            self.last = Some(now);
            return true;
        }
        if self.last.is_some_and(|last| now.duration_since(last) >= transition) {
            self.last = None;
        }
        self.last.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_short_stays_so_until_he_was_not_for_a_whole_period() {
        let (begun, period) = (Instant::now(), Duration::from_secs(300));
        let mut strain = Strain::default();
        for (at_s, is_short, counts) in [
            (0, false, false),
            (10, true, true),
            (20, false, true),
            (100, true, true),
            (399, false, true),
            (400, false, false),
            (410, false, false),
        ] {
            let now = begun + Duration::from_secs(at_s);
            assert_eq!(strain.counts(is_short, now, period), counts, "at {at_s} s");
        }
        assert!(strain.counts(true, begun, Duration::ZERO));
        assert!(!strain.counts(false, begun, Duration::ZERO), "without a period it ends at once");
    }
}
