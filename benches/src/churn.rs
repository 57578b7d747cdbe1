//! Churn: statuses that say something new, and of every hundred events three that are a move.
//!
//! The list of pods that makes the events is as lean as it can be, and stands before memory is looked
//! at.

use std::collections::VecDeque;

use setpoint_schemas::avro::Codec;
use setpoint_schemas::{PodObserved, PodPhase, PodUid};

use crate::plant::status;

/// Events of one batch.
pub(crate) const BATCH: usize = 1_000;
/// Of a batch's events, moves: each is three events in two batches.
const MOVES: usize = 10;
/// Pods that are not ready at once: some batches' events, so that no batch takes back what it says.
const UNREADY_MAX: usize = 2_000;
/// One pod in so many may wait for its workload's pause at the end.
const LACKING_SHARE: usize = 10;
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

/// Pods that change. Most are ready at any time, as in a fleet that is well.
pub(crate) struct Churn {
    spots: Vec<Spot>,
    /// Those that are not ready just now, the one that will be again first first.
    unready: VecDeque<Spot>,
    /// Pods that failed in the batch before, and those that were placed since. A workload whose pods
    /// fail in a row has its next one placed later.
    gone: Vec<Spot>,
    placed: Vec<Spot>,
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
        Churn {
            spots,
            unready: VecDeque::with_capacity(UNREADY_MAX),
            gone: Vec::new(),
            placed: Vec::new(),
            next: 0,
            sequence: 1 << 40,
            codec,
        }
    }

    /// A pod that is there and ready.
    pub(crate) fn add(&mut self, spot: Spot) {
        self.spots.push(Spot { is_ready: true, ..spot });
    }

    /// Events until so many were taken.
    pub(crate) fn run(&mut self, events: usize, side: &mut impl Side) -> anyhow::Result<usize> {
        let (mut taken, before) = (0, self.spots.len() + self.unready.len());
        while taken < events {
            let (batch, failing) = self.batch()?;
            taken += batch.len();
            self.placed = side.take(&batch)?;
            self.gone = failing;
        }
        let lacking =
            before.saturating_sub(self.spots.len() + self.unready.len() + self.placed.len());
        anyhow::ensure!(
            lacking * LACKING_SHARE <= before,
            "{lacking} of {before} pods are lacking"
        );
        Ok(taken)
    }

    fn batch(&mut self) -> anyhow::Result<(Vec<Vec<u8>>, Vec<Spot>)> {
        let mut batch = Vec::with_capacity(BATCH);
        for gone in std::mem::take(&mut self.gone) {
            batch.push(self.bytes(gone, PodPhase::Gone)?);
        }
        for placed in std::mem::take(&mut self.placed) {
            let placed = Spot { is_ready: true, ..placed };
            batch.push(self.bytes(placed, PodPhase::Running)?);
            self.spots.push(placed);
        }
        let mut failing = Vec::with_capacity(MOVES);
        for _ in 0..MOVES {
            self.next = (self.next + STRIDE) % self.spots.len();
            let spot = Spot { is_ready: false, ..self.spots.swap_remove(self.next) };
            batch.push(self.bytes(spot, PodPhase::Failed)?);
            failing.push(spot);
        }
        while batch.len() < BATCH {
            let spot = self.flip();
            batch.push(self.bytes(spot, PodPhase::Running)?);
        }
        Ok((batch, failing))
    }

    /// The pod that was not ready for longest is ready again, or another one is not any more.
    fn flip(&mut self) -> Spot {
        if self.unready.len() >= UNREADY_MAX.min(self.spots.len() / 10)
            && let Some(spot) = self.unready.pop_front()
        {
            let spot = Spot { is_ready: true, ..spot };
            self.spots.push(spot);
            return spot;
        }
        self.next = (self.next + STRIDE) % self.spots.len();
        let spot = Spot { is_ready: false, ..self.spots.swap_remove(self.next) };
        self.unready.push_back(spot);
        spot
    }

    fn bytes(&mut self, spot: Spot, phase: PodPhase) -> anyhow::Result<Vec<u8>> {
        self.sequence += 1;
        let uid = PodUid::of_uuid(spot.uid.to_be_bytes());
        let running = status(&uid.text(), &format!("node-{}", spot.node), "web", self.sequence)?;
        Ok(self.codec.encode(&PodObserved { phase, ready: spot.is_ready, ..running })?)
    }
}
