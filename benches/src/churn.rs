//! Churn: statuses that say something new, and of every hundred events three that are a move.
//!
//! The list of pods that makes the events is as lean as it can be, and stands before memory is looked
//! at.

use setpoint_schemas::avro::Codec;
use setpoint_schemas::{PodObserved, PodPhase, PodUid};

use crate::plant::status;

/// Events of one batch.
pub(crate) const BATCH: usize = 1_000;
/// Of a batch's events, moves: each is three events in two batches.
const MOVES: usize = 10;
/// A prime, so that every pod has its turn.
const STRIDE: usize = 7_919;

/// Who takes the events.
pub(crate) trait Side {
    /// Takes a batch in; the pods that it placed in consequence.
    fn take(&mut self, batch: &[Vec<u8>]) -> anyhow::Result<Vec<Spot>>;
}

/// A pod and its node, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Spot {
    pub(crate) uid: u128,
    pub(crate) node: u32,
    pub(crate) is_ready: bool,
}

/// Pods that change.
pub(crate) struct Churn {
    spots: Vec<Spot>,
    /// Pods that failed in the batch before, and those that were placed instead.
    moving: Vec<(Spot, Spot)>,
    next: usize,
    sequence: i64,
    codec: Codec,
}

impl Churn {
    /// With room for so many pods, touched already.
    pub(crate) fn with_room(pods: usize) -> Churn {
        let mut spots = vec![Spot { uid: 1, ..Spot::default() }; pods];
        spots.clear();
        let codec = Codec::single_object();
        // Far above what any pod said while the fleet was loaded.
        Churn { spots, moving: Vec::new(), next: 0, sequence: 1 << 40, codec }
    }

    /// A pod that is there and ready.
    pub(crate) fn add(&mut self, spot: Spot) {
        self.spots.push(Spot { is_ready: true, ..spot });
    }

    /// Events until so many were taken.
    pub(crate) fn run(&mut self, events: usize, side: &mut impl Side) -> anyhow::Result<usize> {
        let mut taken = 0;
        while taken < events {
            let (batch, failing) = self.batch()?;
            taken += batch.len();
            let placed = side.take(&batch)?;
            anyhow::ensure!(
                placed.len() == failing.len(),
                "{} pods were placed for {} that failed",
                placed.len(),
                failing.len()
            );
            self.moving = failing.into_iter().zip(placed).collect();
        }
        Ok(taken)
    }

    fn batch(&mut self) -> anyhow::Result<(Vec<Vec<u8>>, Vec<Spot>)> {
        let mut batch = Vec::with_capacity(BATCH);
        for (gone, placed) in std::mem::take(&mut self.moving) {
            batch.push(self.bytes(gone, PodPhase::Gone)?);
            let placed = Spot { is_ready: true, ..placed };
            batch.push(self.bytes(placed, PodPhase::Running)?);
            self.spots.push(placed);
        }
        let mut failing = Vec::with_capacity(MOVES);
        let moves = MOVES.min(self.spots.len() / BATCH.min(self.spots.len()) * MOVES);
        for _ in 0..moves {
            self.next = (self.next + STRIDE) % self.spots.len();
            let spot = Spot { is_ready: false, ..self.spots.swap_remove(self.next) };
            batch.push(self.bytes(spot, PodPhase::Failed)?);
            failing.push(spot);
        }
        while batch.len() < BATCH {
            self.next = (self.next + STRIDE) % self.spots.len();
            self.spots[self.next].is_ready ^= true;
            let spot = self.spots[self.next];
            batch.push(self.bytes(spot, PodPhase::Running)?);
        }
        Ok((batch, failing))
    }

    fn bytes(&mut self, spot: Spot, phase: PodPhase) -> anyhow::Result<Vec<u8>> {
        self.sequence += 1;
        let uid = PodUid::of_uuid(spot.uid.to_be_bytes());
        let running = status(&uid.text(), &format!("node-{}", spot.node), "web", self.sequence)?;
        Ok(self.codec.encode(&PodObserved { phase, ready: spot.is_ready, ..running })?)
    }
}
