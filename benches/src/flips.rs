//! Statuses that say something new: each pod in its turn is ready no longer, or ready again.

use setpoint_dataflow::views::Views;
use setpoint_schemas::PodPhase;
use setpoint_schemas::avro::Codec;

use crate::plant::{Placed, Plant};

/// A prime, so that every pod has its turn.
const STRIDE: usize = 7_919;

/// A fleet's pods, and whether each is ready.
pub(crate) struct Flips {
    pods: Vec<(Placed, bool)>,
    next: usize,
    codec: Codec,
}

impl Flips {
    /// Of a fleet whose pods are all ready.
    pub(crate) fn of<V: Views>(plant: &Plant<V>) -> Flips {
        let pods = plant.pods().into_iter().map(|pod| (pod, true)).collect();
        Flips { pods, next: 0, codec: Codec::single_object() }
    }

    /// The next so many statuses, as bytes.
    pub(crate) fn batch<V: Views>(
        &mut self,
        plant: &mut Plant<V>,
        statuses: usize,
    ) -> anyhow::Result<Vec<Vec<u8>>> {
        let mut batch = Vec::with_capacity(statuses);
        for _ in 0..statuses {
            self.next = (self.next + STRIDE) % self.pods.len();
            let (pod, is_ready) = &mut self.pods[self.next];
            *is_ready = !*is_ready;
            let status = match is_ready {
                true => plant.ready(pod)?,
                false => plant.in_phase(pod, PodPhase::Running)?,
            };
            batch.push(self.codec.encode(&status)?);
        }
        Ok(batch)
    }
}
