//! The machine's clock, as the roles read it, and the engine's, which goes by it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    millis(since)
}

/// A clock that never stands still: where the machine's is set back, or was wrong on the machine of
/// the leader before, time goes on from where it was. Deadlines would wait for years otherwise.
#[derive(Debug)]
pub(crate) struct Steady {
    time_ms: i64,
    read: Instant,
}

impl Steady {
    /// A clock that has come to this time.
    pub(crate) fn at(time_ms: i64) -> Steady {
        Steady { time_ms, read: Instant::now() }
    }

    /// Milliseconds since 1970, never less than before.
    pub(crate) fn now_ms(&mut self) -> i64 {
        let now = Instant::now();
        let passed = now.duration_since(self.read);
        self.read = now;
        self.pass(passed, now_ms())
    }

    fn pass(&mut self, passed: Duration, machine_ms: i64) -> i64 {
        self.time_ms = self.time_ms.saturating_add(millis(passed)).max(machine_ms);
        self.time_ms
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_whatever_the_machines_clock_does() {
        let mut clock = Steady::at(1_000);
        let second = Duration::from_secs(1);
        let told = [5_000, 6_000, 900_000, 7_000, 8_000].map(|ms| clock.pass(second, ms));
        assert_eq!(told, [5_000, 6_000, 900_000, 901_000, 902_000]);
    }
}
