//! The decision: from the bytes of one pod's status to the placement that follows, on a fleet of
//! its size; and what that fleet costs to load and to hold. Once with the dataflow, and once with the
//! hand-written views under the same step.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use setpoint_dataflow::views::{Differential, HandWritten, Views};
use setpoint_dataflow::{Epoch, Outcome};
use setpoint_schemas::avro::Codec;
use setpoint_schemas::{CutEntry, EpochRecord, Input, PodObserved, PodPhase, Topic};

use super::yardsticks::{FDATASYNC, TCP};
use crate::clock::{Latencies, per_second, timed};
use crate::measurement::Measurement;
use crate::memory::resident_bytes;
use crate::plant::{PODS_PER_NODE, Placed, Plant, placed};
use crate::sizes::Sizes;

/// From the bytes of a failed pod's status to the outcome.
const DECISION: &str = "failed pod: bytes to decision";
/// The same, and the bytes of all that its commit would append.
const ENCODED: &str = "failed pod: bytes to encoded decision";
/// From the bytes of a ready pod's status to settled views, with nothing to decide.
const SETTLED: &str = "ready pod: bytes to settled, nothing to decide";
/// A cold step, after [`COLD_EVERY`] decisions.
const COLD: &str = "cold step";

/// Decisions between two cold steps: ten milliseconds each would be a hundred a second.
const COLD_EVERY: usize = 50;
/// Decisions whose time does not count, while maps and arrangements grow to their size.
const WARM_UPS: usize = 100;
/// One pod in so many is kept to fail later; keeping all would count as the engine's memory.
const KEPT_EVERY: usize = 97;

/// Measures a fleet of this many pods.
pub(crate) fn measure(pods: &str, sizes: &Sizes) -> anyhow::Result<Vec<Measurement>> {
    let pods: usize = pods.parse()?;
    let name = |what: &str| format!("fleet of {pods} pods/{what}");
    let mut rows = run(Differential::new, pods, sizes, &name)?;
    let yardsticks = [(DECISION, TCP), (ENCODED, FDATASYNC), (SETTLED, TCP)];
    for (what, yardstick) in yardsticks {
        let of_it = rows.iter_mut().filter(|row| row.name.starts_with(&name(what)));
        of_it.for_each(|row| row.yardstick = Some(yardstick.to_owned()));
    }
    Ok(rows)
}

/// The same with the hand-written views, each figure beside the dataflow's.
pub(crate) fn by_hand(pods: &str, sizes: &Sizes) -> anyhow::Result<Vec<Measurement>> {
    let pods: usize = pods.parse()?;
    let (fleet, by_hand) =
        (format!("fleet of {pods} pods/"), format!("fleet of {pods} pods, views by hand/"));
    let rows = run(HandWritten::new, pods, sizes, &|what| format!("{by_hand}{what}"))?;
    let beside = |row: Measurement| {
        let yardstick = row.name.replace(&by_hand, &fleet);
        row.beside(yardstick)
    };
    Ok(rows.into_iter().map(beside).collect())
}

fn run<V: Views>(
    views: impl FnOnce() -> V,
    pods: usize,
    sizes: &Sizes,
    name: &impl Fn(&str) -> String,
) -> anyhow::Result<Vec<Measurement>> {
    let before = resident_bytes()?;
    let mut plant = Plant::with_nodes(views(), pods.div_ceil(PODS_PER_NODE))?;
    let mut kept = Vec::new();
    let mut deciding = Duration::ZERO;
    let (loaded, whole) = timed(|| {
        plant.load(pods, |outcome, took| {
            deciding += took;
            kept.extend(placed(&outcome.placements).step_by(KEPT_EVERY));
        })
    });
    loaded?;
    let held = resident_bytes()? - before;
    let mut rows = vec![
        Measurement::new(name("bulk load by deciding and first status"), whole.as_secs_f64(), "s"),
        Measurement::new(name("placements while loading"), per_second(pods, deciding), "1/s"),
        Measurement::new(name("resident memory of the engine, a pod"), held / pods as f64, "bytes"),
    ];
    rows.extend(Deciding::new(plant, kept)?.run(sizes.decisions, name)?);
    Ok(rows)
}

/// Pods that fail one after the other, and what was timed.
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

    fn run(
        mut self,
        decisions: usize,
        name: &impl Fn(&str) -> String,
    ) -> anyhow::Result<Vec<Measurement>> {
        for number in 0..WARM_UPS + decisions {
            if number == WARM_UPS {
                (self.decided, self.encoded) = (Latencies::new()?, Latencies::new()?);
                (self.settled, self.cold) = (Latencies::new()?, Latencies::new()?);
            }
            self.fail_one()?;
            if number % COLD_EVERY == COLD_EVERY - 1 {
                self.look_cold();
            }
        }
        let kinds = [
            (DECISION, &self.decided),
            (ENCODED, &self.encoded),
            (SETTLED, &self.settled),
            (COLD, &self.cold),
        ];
        let rows = kinds.iter().flat_map(|(what, latencies)| latencies.rows(&name(what), None));
        Ok(rows.collect())
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
        self.plant.step(Topic::Pods, vec![Input::Pod(Box::new(gone))]);
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
        let observed: PodObserved = self.codec.decode(bytes)?;
        let sourced = self.plant.sourced(Topic::Pods, Input::Pod(Box::new(observed)));
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
            self.codec.encode_into(decision, &mut self.out)?;
        }
        self.codec.encode_into(&epoch_record(outcome), &mut self.out)?;
        Ok(())
    }

    fn look_cold(&mut self) {
        let (_, took) = timed(|| self.plant.step_cold());
        self.cold.record(took);
        self.plant.engine.take_rows();
    }
}

fn epoch_record(outcome: &Outcome) -> EpochRecord {
    EpochRecord {
        number: outcome.number,
        term: outcome.term,
        time_ms: outcome.time_ms,
        cold: false,
        complete: true,
        renew_leases: false,
        cut: vec![CutEntry {
            topic: Topic::Pods.name().to_owned(),
            partition: 0,
            next: outcome.number,
        }],
        decisions: i32::try_from(outcome.decisions.len()).unwrap_or(i32::MAX),
        decisions_hash: outcome.hash,
        settings_hash: 0,
        settings: String::new(),
        rules: "1".to_owned(),
        refused: Vec::new(),
        rebuilt: false,
    }
}
