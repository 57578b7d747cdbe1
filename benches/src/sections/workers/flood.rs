//! A flood of statuses through a whole engine, from bytes to effect: as an engine of one worker takes
//! it, which reads for itself, and as one of two does, which has a thread that decodes beside it
//! (`setpoint/src/roles/engine/lead/intake.rs`).
//!
//! Both take the same bytes in the same epochs, and what they would write to their checkpoints after a
//! round is compared. Absent: where the bytes come from; a log has its own section.

use std::num::NonZeroUsize;
use std::sync::mpsc::sync_channel;

use setpoint_dataflow::Epoch;
use setpoint_dataflow::views::Differential;
use setpoint_schemas::avro::Codec;
use setpoint_schemas::{Input, Observation, Topic};

use super::GAINS;
use crate::clock::{per_second, timed};
use crate::flips::Flips;
use crate::measurement::{Aim, Measurement, RATE};
use crate::plant::{PODS_PER_NODE, Plant};
use crate::rounds;
use crate::sizes::Sizes;

/// Records of one epoch, as the engine's loop has it.
const EPOCH_RECORDS_MAX: usize = 10_000;
/// Epochs from one cold step to the next.
const COLD_EVERY: usize = 10;
/// Decoded batches that wait for the engine, as in its intake.
const QUEUED_MAX: usize = 2;

/// Both in turns.
pub(super) fn measure(sizes: &Sizes) -> anyhow::Result<Vec<Measurement>> {
    let mut one = Shape::filled(1, sizes.views_pods)?;
    let mut two = Shape::filled(2, sizes.views_pods)?;
    let mut flips = Flips::of(&one.plant);
    let records = EPOCH_RECORDS_MAX.min(sizes.changes / sizes.rounds);
    let epochs = sizes.changes / sizes.rounds / records;
    let name = |which: &str| format!("{which}/batch throughput, end to end");
    rounds::measured(sizes.rounds, |_| {
        let batches = (0..epochs).map(|_| flips.batch(&mut one.plant, records));
        let batches: Vec<Batch> = batches.collect::<anyhow::Result<_>>()?;
        let (of_one, by_one) = timed(|| one.take_all(&batches));
        let (of_two, by_two) = timed(|| two.take_all(&batches));
        of_one.and(of_two)?;
        anyhow::ensure!(one.rows() == two.rows(), "two workers decide otherwise than one");
        Ok(vec![
            Measurement::new(name("one worker"), per_second(records * epochs, by_one), RATE),
            Measurement::new(name("two workers"), per_second(records * epochs, by_two), RATE)
                .beside(name("one worker"))
                .aiming(Aim::RatioAtLeast, GAINS.1),
        ])
    })
}

/// Records of one epoch, as bytes.
type Batch = Vec<Vec<u8>>;

/// An engine of so many workers.
struct Shape {
    plant: Plant<Differential>,
    is_read_beside: bool,
    epochs: usize,
}

impl Shape {
    fn filled(workers: usize, pods: usize) -> anyhow::Result<Shape> {
        let views =
            Differential::with_workers(NonZeroUsize::new(workers).unwrap_or(NonZeroUsize::MIN));
        let mut plant = Plant::with_nodes(views, pods.div_ceil(PODS_PER_NODE))?;
        plant.load_written(pods, |_, _| ())?;
        Ok(Shape { plant, is_read_beside: workers > 1, epochs: 0 })
    }

    fn take_all(&mut self, batches: &[Batch]) -> anyhow::Result<()> {
        if !self.is_read_beside {
            return batches.iter().try_for_each(|batch| {
                self.take(decoded(&Codec::single_object(), batch)?);
                Ok(())
            });
        }
        let (send, read) = sync_channel(QUEUED_MAX);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let codec = Codec::single_object();
                // Nobody takes any more once one did not decode.
                let _ = batches.iter().try_for_each(|batch| send.send(decoded(&codec, batch)));
            });
            read.into_iter().try_for_each(|batch| {
                self.take(batch?);
                Ok(())
            })
        })
    }

    fn take(&mut self, batch: Vec<Observation>) {
        let inputs = batch.into_iter().map(Input::Pod);
        let inputs = inputs.map(|input| self.plant.sourced(Topic::Pods, input)).collect();
        let epoch = self.plant.epoch(inputs);
        self.epochs += 1;
        let cold = self.epochs.is_multiple_of(COLD_EVERY);
        self.plant.engine.step(Epoch { cold, ..epoch });
    }

    /// What the checkpoint would be told.
    fn rows(&mut self) -> Vec<(u8, Vec<u8>, Option<Vec<u8>>)> {
        self.plant.renew();
        let mut rows = self.plant.engine.take_rows();
        rows.sort_unstable();
        rows
    }
}

fn decoded(codec: &Codec, batch: &Batch) -> anyhow::Result<Vec<Observation>> {
    batch.iter().map(|bytes| Ok(codec.observation(bytes)?)).collect()
}
