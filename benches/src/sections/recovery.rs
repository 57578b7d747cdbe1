//! Recovery: an engine that was killed with -9 starts from its checkpoint, nothing of which is in the
//! machine's memory any more, until its first decision, which must be the right one.
//!
//! Beside it the least that anybody must do: scan and decode the same checkpoint, load the engine by
//! hand, and decide the same. Absent: the log behind the checkpoint, which is empty here.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::sys::signal::{Signal, kill};
use setpoint_dataflow::views::Differential;
use setpoint_dataflow::{Engine, Epoch, pods_in};
use setpoint_schemas::avro::Codec;
use setpoint_schemas::{Cut, Input, PodPhase, Position, Sourced, Topic};
use setpoint_store::{Checkpoint, Row};

use crate::by_hand::{ByHand, Effects};
use crate::measurement::{Aim, Measurement};
use crate::plant::{NODE_ROOM, PODS_PER_NODE, Plant, REPLICAS, SESSION, node_number};
use crate::rounds;
use crate::sizes::Sizes;

/// What recovery may take in times of the least.
const RATIO: f64 = 2.0;
/// The part of this section that writes the checkpoint, and dies.
const WRITE: &str = "write into ";
/// The status that asks for the first decision.
const FIRST: &str = "first-status";

/// Recovers in turns; a process before that wrote the checkpoint and was killed.
pub(crate) fn measure(part: &str, sizes: &Sizes) -> anyhow::Result<Vec<Measurement>> {
    if let Some(folder) = part.strip_prefix(WRITE) {
        return write(Path::new(folder), sizes);
    }
    let folder = sizes.folder()?;
    let path = folder.path();
    let flags = std::env::args().skip(1).take_while(|flag| flag != "--section");
    let written = Command::new(std::env::current_exe()?)
        .args(flags)
        .args(["--section", &format!("recovery:{WRITE}{}", path.display())])
        .status()?;
    let first = std::fs::read(path.join(FIRST))
        .with_context(|| format!("no checkpoint was written: {written}"))?;
    let pods = sizes.pods_max();
    let name =
        |who: &str| format!("recovery of {pods} pods: cold checkpoint to first decision/{who}");
    rounds::measured(sizes.rounds, |_| {
        let ours = cold(path, || ours(path, &first))?;
        let by_hand = cold(path, || by_hand(path, &first, pods))?;
        let row = |who, took: Duration| Measurement::new(name(who), took.as_secs_f64(), "s");
        Ok(vec![
            row("setpoint", ours)
                .beside(name("scan, decode and load by hand"))
                .aiming(Aim::RatioAtMost, RATIO),
            row("scan, decode and load by hand", by_hand),
        ])
    })
}

/// A fleet's checkpoint and the status that asks for a decision; then the end, without a word.
fn write(folder: &Path, sizes: &Sizes) -> anyhow::Result<Vec<Measurement>> {
    let pods = sizes.pods_max();
    let mut plant = Plant::with_nodes(Differential::new(), pods.div_ceil(PODS_PER_NODE))?;
    let mut one = None;
    plant.load(pods, |outcome, _| one = crate::plant::placed(&outcome.placements).next())?;
    while plant.step_cold().is_cold_left {}
    let one = one.context("no pod was placed")?;
    let failed = plant.in_phase(&one, PodPhase::Failed)?;
    let mut checkpoint = Checkpoint::open(&folder.join("checkpoint"))?;
    let rows = plant.engine.take_rows();
    let (epoch, term) = (plant.engine.number(), plant.engine.term());
    checkpoint.write(epoch, term, &Cut::default(), &rows)?;
    std::fs::write(folder.join(FIRST), Codec::single_object().encode(&failed)?)?;
    kill(nix::unistd::Pid::this(), Signal::SIGKILL)?;
    anyhow::bail!("a process outlived -9")
}

/// How long it takes when nothing of the folder is in the machine's memory.
fn cold(folder: &Path, work: impl FnOnce() -> anyhow::Result<Instant>) -> anyhow::Result<Duration> {
    for entry in std::fs::read_dir(folder.join("checkpoint"))? {
        let file = std::fs::File::open(entry?.path())?;
        file.sync_all()?;
        posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
    }
    let start = Instant::now();
    let decided = work()?;
    Ok(decided - start)
}

/// When our engine had decided. What it is made of is freed after that.
fn ours(folder: &Path, first: &[u8]) -> anyhow::Result<Instant> {
    let checkpoint = Checkpoint::open(&folder.join("checkpoint"))?;
    let loaded = checkpoint.load()?.context("the checkpoint is empty")?;
    let epoch = loaded.epoch;
    let rows: Vec<Row> = loaded.rows.collect::<Result<_, _>>()?;
    let mut engine = Engine::restore(Differential::new(), rows)?;
    anyhow::ensure!(engine.number() == epoch, "another engine was restored");
    let observed = Codec::single_object().observation(first)?;
    let uid = observed.uid().clone();
    let position = Position { topic: Topic::Pods, partition: 0, offset: 1 };
    let input = Sourced { position, input: Input::Pod(observed) };
    let outcome = engine.step(Epoch {
        number: engine.number() + 1,
        term: engine.term(),
        time_ms: engine.time_ms() + 1,
        complete: true,
        inputs: vec![input],
        ..Epoch::default()
    });
    let decided = Instant::now();
    let is_stopped = |change: &setpoint_dataflow::PlacementChange| {
        change.uid == uid && change.placement.is_none()
    };
    let stopped = outcome.placements.iter().filter(|change| is_stopped(change)).count();
    anyhow::ensure!(
        (stopped, outcome.placements.len()) == (1, 2),
        "the failed pod stops and one starts: {:?}",
        outcome.placements
    );
    Ok(decided)
}

/// The same by hand.
fn by_hand(folder: &Path, first: &[u8], pods: usize) -> anyhow::Result<Instant> {
    let checkpoint = Checkpoint::open(&folder.join("checkpoint"))?;
    let loaded = checkpoint.load()?.context("the checkpoint is empty")?;
    let rows: Vec<Row> = loaded.rows.collect::<Result<_, _>>()?;
    let mut by_hand = ByHand::new(first)?;
    for node in 0..pods.div_ceil(PODS_PER_NODE) {
        by_hand.add_node(&format!("node-{node}"), SESSION, NODE_ROOM);
    }
    let (mut workloads, mut count) = (0, 0);
    let mut numbers = std::collections::HashMap::new();
    for pod in pods_in(rows)? {
        let node = node_number(&pod.node).context("a node of another name")?;
        let workload = *numbers.entry(pod.workload).or_insert_with(|| {
            by_hand.add_workload(&pod.workload_uid, REPLICAS as i64, REPLICAS as u64);
            workloads += 1;
            workloads - 1
        });
        by_hand.add_pod(&pod.uid.text(), workload, u32::try_from(node)?)?;
        count += 1;
    }
    let mut effects = Effects::default();
    anyhow::ensure!(by_hand.take(first, &mut effects), "the engine by hand reads no status");
    by_hand.settle(&mut effects);
    let decided = Instant::now();
    anyhow::ensure!(effects.decisions.len() == 2, "by hand {:?}", effects.decisions);
    anyhow::ensure!(count == pods, "{count} of {pods} pods are in the checkpoint");
    Ok(decided)
}
