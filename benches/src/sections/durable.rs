//! Placements with all that makes them count: the ledger and the log's sync and the checkpoint; and as
//! somebody outside of the engine sees them, who only reads the topic of placements.
//!
//! Only the second may be set beside kube-scheduler's CI floor, which counts a pod when an informer of
//! the API sees its binding. Pods arrive here by the log, as five applies, not by HTTP.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use setpoint_dataflow::views::Differential;
use setpoint_ingest::entry::Writer;
use setpoint_ingest::{AppenderKind, Entry, Log};
use setpoint_ingest_embedded::{EmbeddedLog, Settings};
use setpoint_schemas::avro::Codec;
use setpoint_schemas::{Cut, FleetId, Input, Topic};
use setpoint_settings::LogKind;
use setpoint_store::Checkpoint;

use crate::clock::{per_second, timed};
use crate::commit;
use crate::house::House;
use crate::measurement::{Aim, Measurement, RATE};
use crate::plant::{Plant, REPLICAS};
use crate::rounds;
use crate::sizes::Sizes;

/// Placements a second, with ledger and checkpoint, and as seen from outside.
const GOAL: f64 = 50_000.0;
/// kube-scheduler's CI floor of SchedulingBasic, 5,000 nodes and 50,000 pods (misc@707c4d4cea).
const FLOOR: f64 = 790.0;
/// Applies that the pods arrive in.
const APPLIES: usize = 5;
/// A second is a thousand times what the slowest placement takes.
const PATIENCE: Duration = Duration::from_secs(300);
/// Records read at once.
const READ_MAX: usize = 10_000;

/// Both, in turns.
pub(crate) fn measure(sizes: &Sizes) -> anyhow::Result<Vec<Measurement>> {
    let name = |which: &str| format!("placements on {} nodes/{which}", sizes.nodes);
    let floor = name("kube-scheduler's CI floor, misc@707c4d4cea");
    let mut rows = rounds::measured(sizes.rounds, |_| {
        let folder = sizes.folder()?;
        let recorded = recorded(folder.path(), sizes)?;
        let folder = sizes.folder()?;
        let seen = seen_from_outside(folder.path(), sizes)?;
        let row =
            |which, rate| Measurement::new(name(which), rate, RATE).aiming(Aim::ValueAtLeast, GOAL);
        Ok(vec![
            row("with ledger, synced log and checkpoint", recorded),
            row("as an outside observer of the topic sees them", seen).beside(floor.clone()),
        ])
    })?;
    rows.push(Measurement::new(floor, FLOOR, RATE));
    Ok(rows)
}

/// From the bytes of the applies to the last checkpoint, one epoch an apply, one after the other.
fn recorded(folder: &Path, sizes: &Sizes) -> anyhow::Result<f64> {
    let mut plant = Plant::with_nodes(Differential::new(), sizes.nodes)?;
    let log = EmbeddedLog::open(&Settings::new(&folder.join("log")))?;
    log.ensure_topics()?;
    let mut appender = log.appender(AppenderKind::Leader { fleet: FleetId::parse("bench")? })?;
    let mut checkpoint = Checkpoint::open(&folder.join("checkpoint"))?;
    let codec = Codec::single_object();
    let writer = Writer::new(codec.clone(), "/setpoint/bench");
    let applies = applies(&mut plant, sizes)?;
    let (placed, took) = timed(|| -> anyhow::Result<usize> {
        let mut placed = 0;
        for bytes in &applies {
            let request = Input::Request(Box::new(codec.decode(bytes)?));
            let sourced = plant.sourced(Topic::Requests, request);
            let epoch = plant.epoch(vec![sourced]);
            let outcome = plant.engine.step(epoch);
            appender.append(commit::entries(&writer, &outcome)?)?;
            let rows = plant.engine.take_rows();
            checkpoint.write(outcome.number, outcome.term, &Cut::default(), &rows)?;
            placed += outcome.placements.len();
        }
        Ok(placed)
    });
    let placed = placed?;
    anyhow::ensure!(placed == pods(sizes), "{placed} pods were placed");
    Ok(per_second(placed, took))
}

/// From the append of the first apply until who reads the topic has seen the last pod's placement.
fn seen_from_outside(folder: &Path, sizes: &Sizes) -> anyhow::Result<f64> {
    let log: Arc<dyn Log> = Arc::new(EmbeddedLog::open(&Settings::new(&folder.join("log")))?);
    let mut house = House::start(log, folder, LogKind::Embedded)?;
    house.add_nodes(sizes.nodes)?;
    let mut plant = Plant::with_nodes(Differential::new(), 1)?;
    let entries: anyhow::Result<Vec<Entry>> = requests(&mut plant, sizes)?
        .iter()
        .map(|request| Ok(house.writer.request(request)?))
        .collect();
    let mut placements = house.reader(Topic::Placements)?;
    let expected = pods(sizes);
    let start = Instant::now();
    for entry in entries? {
        house.append(vec![entry])?;
    }
    let mut seen = 0;
    while seen < expected {
        let records = placements.poll(READ_MAX, Duration::from_millis(50))?;
        seen += records.iter().filter(|record| record.value.is_some()).count();
        anyhow::ensure!(start.elapsed() < PATIENCE, "{seen} of {expected} placements were seen");
    }
    let took = start.elapsed();
    house.close()?;
    anyhow::ensure!(seen == expected, "{seen} placements were seen");
    Ok(per_second(seen, took))
}

fn pods(sizes: &Sizes) -> usize {
    sizes.placements.div_ceil(REPLICAS) * REPLICAS
}

fn requests(
    plant: &mut Plant<Differential>,
    sizes: &Sizes,
) -> anyhow::Result<Vec<setpoint_schemas::Request>> {
    let deployments = sizes.placements.div_ceil(REPLICAS);
    let each = deployments.div_ceil(APPLIES);
    let starts = (0..deployments).step_by(each);
    starts.map(|first| plant.request(first..(first + each).min(deployments), REPLICAS)).collect()
}

fn applies(plant: &mut Plant<Differential>, sizes: &Sizes) -> anyhow::Result<Vec<Vec<u8>>> {
    let codec = Codec::single_object();
    requests(plant, sizes)?.iter().map(|request| Ok(codec.encode(request)?)).collect()
}
