//! What the checkpoint costs the engine's thread: statuses as fast as they are taken, with and without
//! its rows being gathered and written beside, as the engine's role does it.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use setpoint_dataflow::views::Differential;
use setpoint_dataflow::{ChangedRows, Epoch, Outcome};
use setpoint_schemas::avro::Codec;
use setpoint_schemas::{Cut, Input, Topic};
use setpoint_store::Checkpoint;

use crate::clock::{per_second, timed};
use crate::cold::Cold;
use crate::flips::Flips;
use crate::measurement::{Aim, Measurement, RATE};
use crate::plant::{PODS_PER_NODE, Plant};
use crate::rounds;
use crate::sizes::Sizes;

/// What is left of the throughput with checkpoints.
const SHARE: f64 = 0.95;
/// Statuses of an epoch.
const BATCH: usize = 1_000;
/// No checkpoint waits: who hands over the next one knows that the last is on the disk.
const QUEUED_MAX: usize = 0;

/// With and without, in turns of one checkpoint's interval.
pub(crate) fn measure(sizes: &Sizes) -> anyhow::Result<Vec<Measurement>> {
    let pods = sizes.pods_max();
    let mut plant = Plant::with_nodes(Differential::new(), pods.div_ceil(PODS_PER_NODE))?;
    plant.load(pods, |_, _| ())?;
    let flips = Flips::of(&plant);
    let mut lane = Lane { plant, flips, codec: Codec::single_object() };
    let folder = sizes.folder()?;
    let mut writer = Writer::start(&folder.path().join("checkpoint"))?;
    writer.write(&mut lane.plant)?;
    let interval = Duration::from_millis(sizes.checkpoint_ms);
    let name =
        |which: &str| format!("status events, {pods} pods, checkpoint every {interval:?}/{which}");
    let rows = rounds::measured(sizes.rounds, |_| {
        // What the last one still writes would slow down the wrong side.
        writer.finish(&lane.plant)?;
        let off = lane.run(interval, None)?;
        lane.plant.engine.take_rows();
        let on = lane.run(interval, Some(&mut writer))?;
        Ok(vec![
            Measurement::new(name("on"), on, RATE)
                .beside(name("off"))
                .aiming(Aim::RatioAtLeast, SHARE),
            Measurement::new(name("off"), off, RATE),
        ])
    });
    writer.end()?;
    rows
}

struct Lane {
    plant: Plant<Differential>,
    flips: Flips,
    codec: Codec,
}

impl Lane {
    /// Statuses a second over so much work of the engine's thread, with one checkpoint in its middle.
    fn run(&mut self, work: Duration, writer: Option<&mut Writer>) -> anyhow::Result<f64> {
        let (mut worked, mut cold, mut taken) = (Duration::ZERO, Cold::default(), 0);
        let mut writer = writer;
        while worked < work {
            let batch = self.flips.batch(&mut self.plant, BATCH)?;
            let is_cold = cold.is_due(worked);
            let (stepped, took) = timed(|| self.step(&batch, is_cold));
            let is_left = stepped?.is_cold_left;
            worked += took;
            taken += batch.len();
            if is_cold {
                cold.ran(worked, took, is_left);
                self.plant.renew();
            }
            if worked >= work / 2
                && let Some(writer) = writer.take()
            {
                let (written, took) = timed(|| writer.write(&mut self.plant));
                written?;
                worked += took;
            }
        }
        Ok(per_second(taken, worked))
    }

    fn step(&mut self, batch: &[Vec<u8>], cold: bool) -> anyhow::Result<Outcome> {
        let mut inputs = Vec::with_capacity(batch.len());
        for bytes in batch {
            let observed = self.codec.observation(bytes)?;
            inputs.push(self.plant.sourced(Topic::Pods, Input::Pod(observed)));
        }
        let epoch = self.plant.epoch(inputs);
        Ok(self.plant.engine.step(Epoch { cold, ..epoch }))
    }
}

/// An epoch's number with its rows.
type Rows = (i64, ChangedRows);

/// A thread that writes checkpoints.
struct Writer {
    send: SyncSender<Rows>,
    thread: JoinHandle<anyhow::Result<()>>,
}

impl Writer {
    fn start(path: &std::path::Path) -> anyhow::Result<Writer> {
        let mut checkpoint = Checkpoint::open(path)?;
        let (send, receive) = sync_channel::<Rows>(QUEUED_MAX);
        let thread = std::thread::spawn(move || {
            for (epoch, rows) in receive {
                checkpoint.write(epoch, 1, &Cut::default(), &rows.encoded())?;
            }
            Ok(())
        });
        Ok(Writer { send, thread })
    }

    /// Gathers what changed and hands it over.
    fn write(&mut self, plant: &mut Plant<Differential>) -> anyhow::Result<()> {
        let rows = plant.engine.take_changed();
        self.send.send((plant.engine.number(), rows)).map_err(|_| anyhow::anyhow!("it ended"))
    }

    /// Waits until what was handed over is written.
    fn finish(&mut self, plant: &Plant<Differential>) -> anyhow::Result<()> {
        let nothing = (plant.engine.number(), ChangedRows::default());
        self.send.send(nothing).map_err(|_| anyhow::anyhow!("it ended"))
    }

    fn end(self) -> anyhow::Result<()> {
        drop(self.send);
        self.thread.join().map_err(|_| anyhow::anyhow!("the writer panicked"))?
    }
}
