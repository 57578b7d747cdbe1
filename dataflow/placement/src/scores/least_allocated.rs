//! More cpu and memory left over, with the pod on it, is better.
//!
//! Kubernetes: plugin NodeResourcesFit with strategy LeastAllocated: the mean over cpu and memory
//! of what is left as a share of what there is.

use super::{BEST, Crowding, Scale, Score};
use crate::view::View;

pub(super) const SCORE: Score = Score {
    name: "LeastAllocated",
    weight: 4,
    applies: |view, crowding| crowding == Crowding::Roomy && view.shape.devices.is_none(),
    raw: |view, slots, _| slots.iter().map(|slot| raw(view, *slot)).collect(),
    scale: Scale::Kept,
};

fn raw(view: &View<'_>, slot: u32) -> i64 {
    let (cpu, memory) = used(view, slot);
    let left = (1.0 - cpu).max(0.0) + (1.0 - memory).max(0.0);
    (left * (BEST / 2) as f64) as i64
}

/// The shares of cpu and memory in use once the pod is there; 1 where the node has none.
#[inline]
pub(super) fn used(view: &View<'_>, slot: u32) -> (f64, f64) {
    let (hot, load) = (view.nodes.hot(slot), view.shape.load);
    let share = |amount: i64, inverse: f64| {
        if inverse == 0.0 { 1.0 } else { amount as f64 * inverse }
    };
    (
        share(hot.cpu_load.saturating_add(load.cpu_milli), hot.cpu_inverse),
        share(hot.memory_load.saturating_add(load.memory_bytes), hot.memory_inverse),
    )
}
