//! Latencies: what is timed goes into a histogram, in nanoseconds.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::measurement::{Aim, Measurement};

/// Three digits: a percentile is off by at most a thousandth of itself.
const DIGITS: u8 = 3;
/// Shorter than any latency measured here, so that the histogram begins there.
const NANOS_MIN: u64 = 1;
/// A minute: whatever takes longer is recorded as this.
const NANOS_MAX: u64 = 60_000_000_000;

/// Latencies of one kind.
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Latencies(Histogram::new_with_bounds(NANOS_MIN, NANOS_MAX, DIGITS)?))
    }

    pub(crate) fn record(&mut self, took: Duration) {
        self.0.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(NANOS_MAX));
    }

    /// Takes in others.
    pub(crate) fn add(&mut self, others: &Latencies) {
        // Both have the same bounds: nothing can be out of them.
        let _ = self.0.add(&others.0);
    }

    /// In microseconds.
    pub(crate) fn micros_at(&self, percentile: f64) -> f64 {
        self.0.value_at_percentile(percentile) as f64 / 1_000.0
    }

    /// The mean, in microseconds.
    pub(crate) fn micros_mean(&self) -> f64 {
        self.0.mean() / 1_000.0
    }

    /// Median and 99th percentile as two rows, `NAME/p50` and `NAME/p99`, both beside one yardstick.
    pub(crate) fn rows(&self, name: &str, yardstick: Option<&str>) -> Vec<Measurement> {
        [("p50", 50.0), ("p99", 99.0)]
            .into_iter()
            .map(|(suffix, percentile)| {
                let name = format!("{name}/{suffix}");
                let row = Measurement::new(name, self.micros_at(percentile), "µs");
                yardstick.map_or(row.clone(), |yardstick| row.beside(yardstick))
            })
            .collect()
    }
}

/// The rows `NAME/p50` and `NAME/p99`, with what their ratios are to be at most.
pub(crate) fn aiming_at(rows: Vec<Measurement>, p50: f64, p99: f64) -> Vec<Measurement> {
    let aim = |row: Measurement| {
        let goal = if row.name.ends_with("/p50") { p50 } else { p99 };
        row.aiming(Aim::RatioAtMost, goal)
    };
    rows.into_iter().map(aim).collect()
}

/// The result, and how long it took.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

/// How many of something a second.
pub(crate) fn per_second(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}
