//! Latency under load: events are offered at a constant rate, whether or not the engine keeps up.
//!
//! An open loop: each event has the time at which it was meant to be sent, and its latency counts
//! from there, so that an engine that pauses pays for all that had to wait. Whatever is due when the
//! engine is free is its next epoch, up to the bound that its loop has
//! (`setpoint/src/roles/engine/lead/cutting.rs`); the cold step runs when it falls due, and the leases
//! of all nodes are renewed among the events, as often as in the real world.
//! Decoding, deciding and the encoding of all that the commit would append are in it; the append is
//! not.
//!
//! One event in a hundred is a pod that fails, and the words of its end and of its replacement's start
//! follow; the others are statuses: a pod that is not ready for a while, and ready again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use setpoint_dataflow::views::Views;
use setpoint_dataflow::{Epoch, Outcome, Remains, Served};
use setpoint_schemas::avro::Codec;
use setpoint_schemas::{Input, PodObserved, PodPhase, PodUid, Topic};

use crate::clock::Latencies;
use crate::cold::Cold;
use crate::measurement::{Aim, Measurement};
use crate::plant::{Placed, Plant, placed};
use crate::rounds;
use crate::sizes::Sizes;

/// Events offered a second to a fleet whose latency under load is measured.
const OFFERED: usize = 200_000;
/// As the engine's loop has it.
const EPOCH_RECORDS_MAX: usize = 10_000;
/// One event in so many is the end of a pod.
const END_EVERY: usize = 100;
/// Pods that are not ready at once: what some epochs take, so that none takes back what it says.
const UNREADY_MAX: usize = 4_000;
/// A prime, so that every pod has its turn.
const STRIDE: usize = 7_919;
/// The slowest hundredth and thousandth that we want, µs.
const GOALS: (f64, f64) = (5_000.0, 20_000.0);

/// Offers events to a loaded engine and tells how long they took.
pub(crate) fn measure<V: Views>(
    plant: Plant<V>,
    name: &impl Fn(&str) -> String,
    sizes: &Sizes,
) -> anyhow::Result<Vec<Measurement>> {
    let name =
        |which: &str| name(&format!("under {OFFERED} events/s: intended send to encoded/{which}"));
    let mut load = Load::new(plant, OFFERED);
    rounds::measured(sizes.rounds, |_| {
        let round = load.round(sizes.offered / sizes.rounds)?;
        let row = |which, percentile| {
            Measurement::new(name(which), round.latencies.micros_at(percentile), "µs")
        };
        Ok(vec![
            row("p50", 50.0),
            row("p99", 99.0).aiming(Aim::ValueAtMost, GOALS.0),
            row("p99.9", 99.9).aiming(Aim::ValueAtMost, GOALS.1),
            Measurement::new(name("longest"), round.longest(), "µs"),
            Measurement::new(name("longest step"), round.longest_step.as_micros() as f64, "µs"),
            Measurement::new(
                name("longest cold step"),
                round.longest_cold.as_micros() as f64,
                "µs",
            ),
            Measurement::new(name("events in the largest epoch"), round.largest as f64, "count"),
            Measurement::new(name("events unserved"), round.unserved as f64, "count")
                .aiming(Aim::ValueAtMost, 0.0),
        ])
    })
}

/// A fleet and who sends it events.
pub(crate) struct Load<V: Views> {
    /// Events a second.
    rate: usize,
    plant: Plant<V>,
    /// The pods that are ready.
    pods: Vec<Placed>,
    /// Those that are not just now, the one that will be again first first.
    unready: VecDeque<Placed>,
    /// Who is next: strides over the fleet, so that no pod's row is warm from the one before.
    next: usize,
    codec: Codec,
    out: Vec<u8>,
    /// Pods that are gone for good: the leader buries them, and reads the tombstones back.
    buried: Vec<PodUid>,
}

/// What came of the events of some time.
pub(crate) struct Round {
    pub(crate) latencies: Latencies,
    /// The longest step of one epoch that had no cold step.
    pub(crate) longest_step: Duration,
    /// The longest with one.
    pub(crate) longest_cold: Duration,
    /// Events of the largest epoch.
    pub(crate) largest: usize,
    /// Events without the effect that they should have.
    pub(crate) unserved: usize,
}

impl Round {
    /// Nothing came yet.
    pub(crate) fn new() -> anyhow::Result<Round> {
        Ok(Round {
            latencies: Latencies::new()?,
            longest_step: Duration::ZERO,
            longest_cold: Duration::ZERO,
            largest: 0,
            unserved: 0,
        })
    }

    /// Adds what came of the events of another time.
    pub(crate) fn add(&mut self, other: &Round) {
        self.latencies.add(&other.latencies);
        self.longest_step = self.longest_step.max(other.longest_step);
        self.longest_cold = self.longest_cold.max(other.longest_cold);
        self.largest = self.largest.max(other.largest);
        self.unserved += other.unserved;
    }

    fn took(&mut self, took: Duration, is_cold: bool) {
        let longest = if is_cold { &mut self.longest_cold } else { &mut self.longest_step };
        *longest = took.max(*longest);
    }

    /// The longest that an event took, µs.
    pub(crate) fn longest(&self) -> f64 {
        self.latencies.micros_at(100.0)
    }
}

/// An event to come: its bytes, and whether an answer may take its place.
struct Offer {
    bytes: Vec<u8>,
    yields: bool,
}

impl<V: Views> Load<V> {
    /// Events at so many a second for all pods of this fleet, which are ready.
    pub(crate) fn new(plant: Plant<V>, rate: usize) -> Load<V> {
        Load {
            rate,
            pods: plant.pods(),
            plant,
            unready: VecDeque::new(),
            next: 0,
            codec: Codec::single_object(),
            out: Vec::new(),
            buried: Vec::new(),
        }
    }

    /// Offers so many events.
    pub(crate) fn round(&mut self, events: usize) -> anyhow::Result<Round> {
        let offers = self.offers(events)?;
        let mut round = Round::new()?;
        // What agents answer to decisions; it takes the places of events that come then.
        let mut answers: VecDeque<Vec<u8>> = VecDeque::new();
        let (mut served, mut taken) = (0, 0);
        let start = Instant::now();
        let (mut cold, began_ms) = (Cold::default(), self.plant.time_ms());
        while taken < offers.len() {
            let due = self.due_by(start.elapsed()).min(offers.len());
            if due == taken {
                std::hint::spin_loop();
                continue;
            }
            let until = due.min(taken + EPOCH_RECORDS_MAX);
            let batch = &offers[taken..until];
            let began = start.elapsed();
            let is_cold = cold.is_due(began);
            let at_ms = began_ms + i64::try_from(began.as_millis())?;
            let outcome = self.step(batch, &mut answers, at_ms, is_cold)?;
            let now = start.elapsed();
            round.took(now - began, is_cold);
            if is_cold {
                cold.ran(now, now - began, outcome.is_cold_left);
            }
            for event in taken..until {
                round.latencies.record(now.saturating_sub(self.intended(event)));
            }
            served += effects(&outcome);
            self.answer(&outcome, &mut answers)?;
            round.largest = round.largest.max(batch.len());
            taken = until;
        }
        round.unserved = offers.len().saturating_sub(served);
        self.finish(answers)?;
        Ok(round)
    }

    /// One epoch of what is due; answers take the place of statuses.
    fn step(
        &mut self,
        batch: &[Offer],
        answers: &mut VecDeque<Vec<u8>>,
        at_ms: i64,
        cold: bool,
    ) -> anyhow::Result<Outcome> {
        let mut inputs = Vec::with_capacity(batch.len());
        for offer in batch {
            let answer = if offer.yields { answers.pop_front() } else { None };
            let bytes = answer.as_deref().unwrap_or(&offer.bytes);
            let observed = self.codec.observation(bytes)?;
            inputs.push(self.plant.sourced(Topic::Pods, Input::Pod(observed)));
        }
        for uid in self.buried.drain(..) {
            inputs.push(self.plant.sourced(Topic::Pods, Input::PodRemoved(uid)));
        }
        inputs.extend(self.plant.renewals());
        let epoch = self.plant.epoch_at(at_ms, inputs);
        let outcome = self.plant.engine.step(Epoch { cold, ..epoch });
        self.encode(&outcome)?;
        self.buried.extend(outcome.remains.iter().filter_map(Remains::pod).cloned());
        Ok(outcome)
    }

    fn encode(&mut self, outcome: &Outcome) -> anyhow::Result<()> {
        self.out.clear();
        for change in outcome.placements.iter().filter_map(|change| change.placement.as_ref()) {
            self.codec.encode_into(change.as_ref(), &mut self.out)?;
        }
        for decision in &outcome.decisions {
            self.codec.encode_into(&decision.record(), &mut self.out)?;
        }
        Ok(())
    }

    /// What the agents say of the decisions: the replacements are ready.
    fn answer(&mut self, outcome: &Outcome, answers: &mut VecDeque<Vec<u8>>) -> anyhow::Result<()> {
        for pod in placed(&outcome.placements) {
            answers.push_back(self.codec.encode(&self.plant.ready(&pod)?)?);
            self.pods.push(pod);
        }
        Ok(())
    }

    /// The events of a round, encoded. Those that end leave the pods for good.
    fn offers(&mut self, events: usize) -> anyhow::Result<Vec<Offer>> {
        let mut offers = Vec::with_capacity(events);
        let mut gone = VecDeque::new();
        for event in 0..events {
            let (observed, yields) = if event % END_EVERY == 0 {
                let pod = self.pods.swap_remove(self.next % self.pods.len());
                let failed = self.plant.in_phase(&pod, PodPhase::Failed)?;
                gone.push_back(pod);
                (failed, false)
            } else if event % END_EVERY == END_EVERY / 2 {
                let pod = gone.pop_front();
                let pod = pod.ok_or_else(|| anyhow::anyhow!("no pod ended before"))?;
                (self.plant.in_phase(&pod, PodPhase::Gone)?, false)
            } else {
                self.flip()?
            };
            offers.push(Offer { bytes: self.codec.encode(&observed)?, yields });
        }
        Ok(offers)
    }

    /// The pod that was not ready for longest is ready again, or another one is not any more; only
    /// that may be left out.
    fn flip(&mut self) -> anyhow::Result<(PodObserved, bool)> {
        if self.unready.len() >= UNREADY_MAX.min(self.pods.len() / 10)
            && let Some(pod) = self.unready.pop_front()
        {
            let ready = self.plant.ready(&pod)?;
            self.pods.push(pod);
            return Ok((ready, false));
        }
        self.next = (self.next + STRIDE) % self.pods.len();
        let pod = self.pods.swap_remove(self.next);
        let unready = self.plant.in_phase(&pod, PodPhase::Running)?;
        self.unready.push_back(pod);
        Ok((unready, true))
    }

    /// The answers that found no place any more, and the rows that nobody wrote.
    fn finish(&mut self, answers: VecDeque<Vec<u8>>) -> anyhow::Result<()> {
        let rest: Result<Vec<Input>, _> = answers
            .iter()
            .map(|bytes| Ok(Input::Pod(self.codec.observation(bytes)?)))
            .collect::<anyhow::Result<_>>();
        self.plant.step(Topic::Pods, rest?);
        self.plant.renew();
        self.plant.engine.take_rows();
        Ok(())
    }

    /// When an event is meant to be sent.
    fn intended(&self, event: usize) -> Duration {
        Duration::from_nanos((event as u64) * 1_000_000_000 / self.rate as u64)
    }

    /// How many events are meant to be sent by then.
    fn due_by(&self, elapsed: Duration) -> usize {
        let count = elapsed.as_nanos() * self.rate as u128 / 1_000_000_000;
        usize::try_from(count).unwrap_or(usize::MAX).saturating_add(1)
    }
}

/// Readers see each status that was taken, and each pod that is gone.
fn effects(outcome: &Outcome) -> usize {
    let seen = |served: &&Served| matches!(served, Served::Pod(_) | Served::PodGone(_));
    outcome.served.iter().filter(seen).count()
}
