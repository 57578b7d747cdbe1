//! Fleet-wide pacing: a token bucket in engine time.

use serde::{Deserialize, Serialize};

/// The bucket: thousandths of a token, and when it was last filled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// Thousandths of a token.
    pub tokens_milli: i64,
    /// Engine time of the last filling.
    pub filled_ms: i64,
}

impl Bucket {
    /// The bucket as of now, filled at `per_second` up to `burst`.
    #[must_use]
    pub fn filled(self, now_ms: i64, per_second: i64, burst: i64) -> Bucket {
        let elapsed = (now_ms - self.filled_ms).max(0);
        // A token a second is a thousandth a millisecond.
        let gained = elapsed.saturating_mul(per_second);
        let tokens_milli = self.tokens_milli.saturating_add(gained).min(burst * 1_000);
        Bucket { tokens_milli, filled_ms: now_ms.max(self.filled_ms) }
    }

    /// Takes up to `wanted` whole tokens; says how many.
    pub fn take(&mut self, wanted: i64) -> i64 {
        let taken = wanted.min(self.tokens_milli / 1_000).max(0);
        self.tokens_milli -= taken * 1_000;
        taken
    }

    /// How long until at least one token is there.
    #[must_use]
    pub fn wait_ms(self, per_second: i64) -> i64 {
        let lacking = (1_000 - self.tokens_milli).max(0);
        lacking.div_euclid(per_second.max(1)) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bucket_fills_at_its_rate_and_no_higher_than_its_burst() {
        let mut bucket = Bucket::default().filled(1_000, 10, 5);
        assert_eq!(bucket.take(100), 5);
        assert_eq!(bucket.take(1), 0);
        let mut later = bucket.filled(1_200, 10, 5);
        assert_eq!(later.take(100), 2);
    }
}
