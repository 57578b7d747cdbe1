//! The views by two workers beside one: the same facts in turns, outputs equal before a time counts.

use std::num::NonZeroUsize;
use std::time::Duration;

use setpoint_dataflow::views::{Differential, Fact, PodFact, Standing, Views};

use super::{COST, GAINS};
use crate::clock::{per_second, timed};
use crate::measurement::{Aim, Measurement};
use crate::rounds;
use crate::sections::views::{facts, settle};
use crate::sizes::Sizes;

/// Changes of one batch: what a flood brings together.
const BATCH: usize = 100_000;
/// Batches of a round.
const BATCHES: usize = 5;
/// Single changes of a round: enough for a slowest hundredth.
const SINGLES: usize = 2_000;

/// Both beside each other.
pub(super) fn measure(sizes: &Sizes) -> anyhow::Result<Vec<Measurement>> {
    let mut pair = Pair::filled(sizes.views_pods)?;
    rounds::measured(sizes.rounds, |_| pair.round())
}

/// One worker and two over the same facts.
struct Pair {
    views: [Differential; 2],
    pods: Vec<PodFact>,
    next: usize,
}

impl Pair {
    fn filled(pods: usize) -> anyhow::Result<Self> {
        let two = NonZeroUsize::new(2).unwrap_or(NonZeroUsize::MIN);
        let views = [Differential::new(), Differential::with_workers(two)];
        let mut pair = Pair { views, pods: facts(pods), next: 0 };
        let all: Vec<(Fact, isize)> = pair.pods.iter().map(|pod| (Fact::Pod(*pod), 1)).collect();
        pair.settled(&all)?;
        pair.settle_cold()?;
        Ok(pair)
    }

    fn round(&mut self) -> anyhow::Result<Vec<Measurement>> {
        let batch = BATCH.min(self.pods.len());
        let mut took = [Duration::ZERO; 2];
        for _ in 0..BATCHES {
            let changes = self.changes(batch);
            let [one, two] = self.settled(&changes)?;
            took = [took[0] + one, took[1] + two];
            self.settle_cold()?;
        }
        let mut singles = [Vec::new(), Vec::new()];
        for _ in 0..SINGLES {
            let changes = self.changes(1);
            for (all, one) in singles.iter_mut().zip(self.settled(&changes)?) {
                all.push(one);
            }
        }
        self.settle_cold()?;
        let (rate, p99) = ("batch throughput, dataflow only", "p99 of a settle of one event");
        let [one, two] = took.map(|took| per_second(batch * BATCHES, took));
        let [slow_one, slow_two] = singles.map(|all| slowest_hundredth(all).as_secs_f64() * 1e6);
        let named = |workers: &str, what: &str| format!("{workers}/{what}");
        Ok(vec![
            Measurement::new(named("one worker", rate), one, "1/s"),
            Measurement::new(named("two workers", rate), two, "1/s")
                .beside(named("one worker", rate))
                .aiming(Aim::RatioAtLeast, GAINS.0),
            Measurement::new(named("one worker", p99), slow_one, "µs"),
            Measurement::new(named("two workers", p99), slow_two, "µs")
                .beside(named("one worker", p99))
                .aiming(Aim::RatioAtMost, COST),
        ])
    }

    /// The next pods become ready, or are so no longer.
    fn changes(&mut self, count: usize) -> Vec<(Fact, isize)> {
        let mut changes = Vec::with_capacity(2 * count);
        for _ in 0..count {
            self.next = (self.next + 7_919) % self.pods.len();
            let pod = &mut self.pods[self.next];
            changes.push((Fact::Pod(*pod), -1));
            pod.standing = match pod.standing {
                Standing::Available => Standing::Starting,
                _ => Standing::Available,
            };
            changes.push((Fact::Pod(*pod), 1));
        }
        changes
    }

    /// How long each takes; an error when they differ.
    fn settled(&mut self, changes: &[(Fact, isize)]) -> anyhow::Result<[Duration; 2]> {
        let [one, two] = &mut self.views;
        let (from_one, one) = timed(|| settle(one, changes));
        let (from_two, two) = timed(|| settle(two, changes));
        anyhow::ensure!(from_one == from_two, "two workers tell otherwise than one");
        Ok([one, two])
    }

    fn settle_cold(&mut self) -> anyhow::Result<()> {
        let [one, two] = &mut self.views;
        anyhow::ensure!(one.settle_cold() == two.settle_cold(), "their cold views differ");
        Ok(())
    }
}

fn slowest_hundredth(mut all: Vec<Duration>) -> Duration {
    all.sort_unstable();
    all.get(all.len() * 99 / 100).copied().unwrap_or_default()
}
