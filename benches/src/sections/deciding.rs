//! The decision: from the bytes of one pod's status to the placement that follows, on a fleet of
//! its size; and what that fleet costs to load and to hold. Once with the dataflow, and once with the
//! hand-written views under the same step.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use setpoint_dataflow::views::{Differential, HandWritten, Views};
use setpoint_dataflow::{Epoch, Outcome};
use setpoint_schemas::avro::Codec;
use setpoint_schemas::{Input, PodPhase, Topic};

use super::under_load;
use super::yardsticks::{FDATASYNC, Loopback};
use crate::clock::{Latencies, aiming_at, per_second, timed};
use crate::commit;
use crate::measurement::{Aim, Measurement};
use crate::memory::resident_bytes;
use crate::plant::{PODS_PER_NODE, Placed, Plant, placed};
use crate::rounds;
use crate::sizes::Sizes;

/// From the bytes of a failed pod's status to the outcome.
const DECISION: &str = "failed pod: bytes to decision";
/// The same, and the bytes of all that its commit would append.
const ENCODED: &str = "failed pod: bytes to encoded decision";
/// From the bytes of a ready pod's status to settled views, with nothing to decide.
const SETTLED: &str = "ready pod: bytes to settled, nothing to decide";
/// What any answer over a network costs at least.
const ROUND_TRIP: &str = "loopback tcp round trip";
/// A cold step, after [`COLD_EVERY`] decisions.
const COLD: &str = "cold step";

/// Decisions between two cold steps: ten milliseconds each would be a hundred a second.
const COLD_EVERY: usize = 50;
/// Decisions whose time does not count, while maps and arrangements grow to their size.
const WARM_UPS: usize = 100;
/// One pod in so many is kept to fail later; keeping all would count as the engine's memory.
const KEPT_EVERY: usize = 97;

/// What a decision may cost in round trips over loopback, in the median and in the slowest hundredth.
const ROUND_TRIPS: (f64, f64) = (4.0, 10.0);
/// What a decision of the largest fleet may cost more than one of the smallest.
const GROWTH: f64 = 1.3;

/// Measures a fleet of this many pods: in turns with the round trip that it is held against, and the
/// largest fleet in turns with the smallest.
pub(crate) fn measure(pods: &str, sizes: &Sizes) -> anyhow::Result<Vec<Measurement>> {
    let pods: usize = pods.parse()?;
    let is_largest = pods == sizes.pods_max();
    let name = |what: &str| format!("fleet of {pods} pods/{what}");
    let (mut rows, mut deciding) = load(Differential::new(), pods, &name)?;
    let small = sizes.pods_min();
    let mut beside = if is_largest && small < pods {
        Some(load(Differential::new(), small, &name)?.1)
    } else {
        None
    };
    let mut loopback = Loopback::open()?;
    let each = (sizes.decisions / sizes.rounds).max(1);
    rows.extend(rounds::measured(sizes.rounds, |_| {
        let trips = (sizes.round_trips / sizes.rounds / 2).max(1);
        let mut rows = loopback.round_trips(trips)?.rows(&name(ROUND_TRIP), None);
        deciding.round(each)?;
        rows.extend(held_against(deciding.rows(&name), &name, is_largest));
        if let Some(beside) = &mut beside {
            beside.round(each)?;
            rows.extend(growth(&deciding, beside, &name, small));
        }
        Ok(rows)
    })?);
    if is_largest {
        rows.extend(under_load::measure(deciding.plant, &name, sizes)?);
    }
    Ok(rows)
}

/// The same with the hand-written views, each figure beside the dataflow's.
pub(crate) fn by_hand(pods: &str, sizes: &Sizes) -> anyhow::Result<Vec<Measurement>> {
    let pods: usize = pods.parse()?;
    let (fleet, by_hand) =
        (format!("fleet of {pods} pods/"), format!("fleet of {pods} pods, views by hand/"));
    let name = |what: &str| format!("{by_hand}{what}");
    let (mut rows, mut deciding) = load(HandWritten::new(), pods, &name)?;
    rows.extend(rounds::measured(sizes.rounds, |_| {
        deciding.round((sizes.decisions / sizes.rounds).max(1))?;
        Ok(deciding.rows(&name))
    })?);
    let beside = |row: Measurement| {
        let yardstick = row.name.replace(&by_hand, &fleet);
        row.beside(yardstick)
    };
    Ok(rows.into_iter().map(beside).collect())
}

/// Each kind of row beside its yardstick.
fn held_against(
    rows: Vec<Measurement>,
    name: &impl Fn(&str) -> String,
    is_largest: bool,
) -> Vec<Measurement> {
    let trip = name(&format!("{ROUND_TRIP}/p50"));
    let yardsticks = [(DECISION, trip.as_str()), (ENCODED, FDATASYNC), (SETTLED, trip.as_str())];
    let beside = |row: Measurement| {
        let of = |what: &str| row.name.starts_with(&name(what));
        match yardsticks.iter().find(|(what, _)| of(what)) {
            Some((_, yardstick)) => row.beside(*yardstick),
            None => row,
        }
    };
    let aim = |row: Measurement| match row.name.starts_with(&name(DECISION)) && is_largest {
        true => aiming_at(vec![row], ROUND_TRIPS.0, ROUND_TRIPS.1),
        false => vec![row],
    };
    rows.into_iter().map(beside).flat_map(aim).collect()
}

/// The slowest hundredth of the decisions of the largest fleet, beside that of the smallest.
fn growth<V: Views>(
    large: &Deciding<V>,
    small: &Deciding<V>,
    name: &impl Fn(&str) -> String,
    pods: usize,
) -> Vec<Measurement> {
    let of_small = name(&format!("{DECISION}/p99, of {pods} pods in turns"));
    let of_large = name(&format!("{DECISION}/p99, growth"));
    let row =
        |name: &str, of: &Deciding<V>| Measurement::new(name, of.decided.micros_at(99.0), "µs");
    vec![
        row(&of_large, large).beside(of_small.clone()).aiming(Aim::RatioAtMost, GROWTH),
        row(&of_small, small),
    ]
}

/// A fleet that was loaded, warm, and what that cost.
fn load<V: Views>(
    views: V,
    pods: usize,
    name: &impl Fn(&str) -> String,
) -> anyhow::Result<(Vec<Measurement>, Deciding<V>)> {
    let before = resident_bytes()?;
    let mut plant = Plant::with_nodes(views, pods.div_ceil(PODS_PER_NODE))?;
    let mut kept = Vec::new();
    let mut deciding = Duration::ZERO;
    let (loaded, whole) = timed(|| {
        let each = |outcome: &Outcome, took| {
            deciding += took;
            kept.extend(placed(&outcome.placements).step_by(KEPT_EVERY));
        };
        plant.load_written(pods, each)
    });
    loaded?;
    let held = resident_bytes()? - before;
    let rows = vec![
        Measurement::new(name("bulk load by deciding and first status"), whole.as_secs_f64(), "s"),
        Measurement::new(name("placements while loading"), per_second(pods, deciding), "1/s"),
        Measurement::new(name("resident memory of the engine, a pod"), held / pods as f64, "bytes"),
    ];
    let mut deciding = Deciding::new(plant, kept)?;
    deciding.round(WARM_UPS)?;
    Ok((rows, deciding))
}

/// Pods that fail one after the other, and what was timed of the last round.
struct Deciding<V: Views> {
    plant: Plant<V>,
    pods: Vec<Placed>,
    codec: Codec,
    out: Vec<u8>,
    rng: StdRng,
    decided: Latencies,
    encoded: Latencies,
    settled: Latencies,
    cold: Latencies,
}

impl<V: Views> Deciding<V> {
    fn new(mut plant: Plant<V>, pods: Vec<Placed>) -> anyhow::Result<Self> {
        plant.engine.take_rows();
        Ok(Deciding {
            plant,
            pods,
            codec: Codec::single_object(),
            out: Vec::new(),
            rng: StdRng::seed_from_u64(1),
            decided: Latencies::new()?,
            encoded: Latencies::new()?,
            settled: Latencies::new()?,
            cold: Latencies::new()?,
        })
    }

    /// So many decisions.
    fn round(&mut self, decisions: usize) -> anyhow::Result<()> {
        (self.decided, self.encoded) = (Latencies::new()?, Latencies::new()?);
        (self.settled, self.cold) = (Latencies::new()?, Latencies::new()?);
        for number in 0..decisions {
            self.fail_one()?;
            if number % COLD_EVERY == COLD_EVERY - 1 || number + 1 == decisions {
                self.look_cold();
            }
        }
        Ok(())
    }

    fn rows(&self, name: &impl Fn(&str) -> String) -> Vec<Measurement> {
        let kinds = [
            (DECISION, &self.decided),
            (ENCODED, &self.encoded),
            (SETTLED, &self.settled),
            (COLD, &self.cold),
        ];
        kinds.iter().flat_map(|(what, latencies)| latencies.rows(&name(what), None)).collect()
    }

    /// A pod fails for good; the engine stops it and places another, which becomes ready.
    fn fail_one(&mut self) -> anyhow::Result<()> {
        let which = self.rng.random_range(0..self.pods.len());
        let pod = self.pods[which].clone();
        let status = self.plant.in_phase(&pod, PodPhase::Failed)?;
        let bytes = self.codec.encode(&status)?;
        let start = Instant::now();
        let outcome = self.take(&bytes)?;
        self.decided.record(start.elapsed());
        self.encode(&outcome)?;
        self.encoded.record(start.elapsed());
        let next = placed(&outcome.placements).next();
        let next = next.ok_or_else(|| anyhow::anyhow!("no pod was placed for {}", pod.0.uid))?;
        anyhow::ensure!(outcome.placements.len() == 2, "one pod stops and one starts");

        let gone = self.plant.in_phase(&pod, PodPhase::Gone)?;
        self.plant.step(Topic::Pods, vec![Input::Pod(gone.into())]);
        let ready = self.plant.ready(&next)?;
        let bytes = self.codec.encode(&ready)?;
        let start = Instant::now();
        let outcome = self.take(&bytes)?;
        self.settled.record(start.elapsed());
        anyhow::ensure!(outcome.decisions.is_empty(), "a ready pod needs no decision");
        self.pods[which] = next;
        self.plant.renew();
        Ok(())
    }

    /// From the bytes of one status to the outcome: the way of a lightly loaded engine.
    fn take(&mut self, bytes: &[u8]) -> anyhow::Result<Outcome> {
        let observed = self.codec.observation(bytes)?;
        let sourced = self.plant.sourced(Topic::Pods, Input::Pod(observed));
        let epoch: Epoch = self.plant.epoch(vec![sourced]);
        Ok(self.plant.engine.step(epoch))
    }

    /// All that the commit of this epoch would append.
    fn encode(&mut self, outcome: &Outcome) -> anyhow::Result<()> {
        self.out.clear();
        for change in &outcome.placements {
            if let Some(placement) = &change.placement {
                self.codec.encode_into(placement.as_ref(), &mut self.out)?;
            }
        }
        for decision in &outcome.decisions {
            self.codec.encode_into(&decision.record(), &mut self.out)?;
        }
        self.codec.encode_into(&commit::epoch_record(outcome), &mut self.out)?;
        Ok(())
    }

    fn look_cold(&mut self) {
        let (_, took) = timed(|| self.plant.step_cold());
        self.cold.record(took);
        self.plant.engine.take_rows();
    }
}
