//! The soak: a constant rate of events for as long as it is told, memory and the slowest hundredth
//! looked at all the time; once alone, and once with a neighbour that keeps another core busy.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use setpoint_dataflow::views::Differential;

use super::under_load::{Load, Round};
use crate::measurement::{Aim, Measurement};
use crate::memory::resident_bytes;
use crate::plant::{PODS_PER_NODE, Plant};
use crate::sizes::Sizes;

/// Events offered a second: what a fleet of a million pods says when each changes twice a minute.
const OFFERED: usize = 20_000;
/// Seconds of one window: its events are made before it begins.
const WINDOW_SECONDS: usize = 5;
/// What the second half's slowest hundredth may be of the first half's.
const LATENCY_RATIO: f64 = 1.3;
/// Percent that memory may grow in the second half.
const GROWTH: f64 = 3.0;

const ALONE: &str = "alone";
const NEIGHBOUR: &str = "beside a busy neighbour";

pub(crate) fn parts(_: &Sizes) -> Vec<String> {
    [ALONE, NEIGHBOUR].map(str::to_owned).to_vec()
}

/// One soak.
pub(crate) fn measure(which: &str, sizes: &Sizes) -> anyhow::Result<Vec<Measurement>> {
    let pods = sizes.pods_max();
    let before = resident_bytes()?;
    let mut plant = Plant::with_nodes(Differential::new(), pods.div_ceil(PODS_PER_NODE))?;
    plant.load(pods, |_, _| ())?;
    let mut load = Load::new(plant, OFFERED);
    let _neighbour = (which == NEIGHBOUR).then(Neighbour::start).transpose()?;
    // Maps and the allocator find their size.
    load.round(OFFERED * WINDOW_SECONDS)?;
    let half = Duration::from_secs(sizes.soak_seconds) / 2;
    let first = soak(&mut load, half)?;
    let middle = resident_bytes()?;
    let last = soak(&mut load, half)?;
    let end = resident_bytes()?;
    let name = |what: &str| {
        format!("soak {which}, {pods} pods, {OFFERED} events/s for {} s/{what}", sizes.soak_seconds)
    };
    let p99 = |half: &Round| half.latencies.micros_at(99.0);
    Ok(vec![
        Measurement::new(name("p99 of the first half"), p99(&first), "µs"),
        Measurement::new(name("p99 of the last half"), p99(&last), "µs")
            .beside(name("p99 of the first half"))
            .aiming(Aim::RatioAtMost, LATENCY_RATIO),
        Measurement::new(name("longest"), first.longest().max(last.longest()), "µs"),
        Measurement::new(
            name("growth of memory in the last half"),
            100.0 * (end - middle) / (middle - before),
            "%",
        )
        .aiming(Aim::ValueAtMost, GROWTH),
        Measurement::new(name("events unserved"), (first.unserved + last.unserved) as f64, "count")
            .aiming(Aim::ValueAtMost, 0.0),
    ])
}

/// Windows until the time is over.
fn soak(load: &mut Load<Differential>, time: Duration) -> anyhow::Result<Round> {
    let start = Instant::now();
    let mut all = Round::new()?;
    while start.elapsed() < time {
        let window = load.round(OFFERED * WINDOW_SECONDS)?;
        all.add(&window);
        eprintln!(
            "soak: {:.0} s, p99 {:.0} µs, resident {:.0} MiB",
            start.elapsed().as_secs_f64(),
            window.latencies.micros_at(99.0),
            resident_bytes()? / f64::from(1 << 20)
        );
    }
    Ok(all)
}

/// A process that does nothing, as fast as it can.
struct Neighbour(Child);

impl Neighbour {
    fn start() -> anyhow::Result<Neighbour> {
        let this = std::env::current_exe()?;
        Ok(Neighbour(Command::new(this).args(["--section", "neighbour:busy"]).spawn()?))
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the neighbour does, until whoever started it is gone.
pub(crate) fn be_busy() -> anyhow::Result<Vec<Measurement>> {
    /// Between two looks at who started it.
    const TURNS: u64 = 1 << 30;
    let parent = nix::unistd::getppid();
    let mut number = 1_u64;
    while nix::unistd::getppid() == parent {
        for turn in 0..TURNS {
            number = std::hint::black_box(number.wrapping_mul(6_364_136_223_846_793_005) ^ turn);
        }
    }
    Ok(Vec::new())
}
