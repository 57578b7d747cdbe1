//! Cpu and memory in use by like shares, with the pod on it, are better: what is left over in one
//! of them alone is lost.
//!
//! Kubernetes: plugin NodeResourcesBalancedAllocation: 100 × (1 − standard deviation of the
//! shares), which for two shares is half of their difference. By what pods ask for, unlike
//! LeastAllocated: one that asks for nothing changes no balance.

use super::{BEST, Crowding, Scale, Score};
use crate::view::View;

pub(super) const SCORE: Score = Score {
    name: "BalancedAllocation",
    weight: 16,
    applies: |view, crowding| crowding == Crowding::Roomy && view.shape.devices.is_none(),
    raw: |view, slots, _| {
        let balance = |slot: &u32| {
            let (cpu, memory) = asked(view, *slot);
            let deviation = (cpu.min(1.0) - memory.min(1.0)).abs() / 2.0;
            ((1.0 - deviation) * BEST as f64) as i64
        };
        slots.iter().map(balance).collect()
    },
    scale: Scale::Kept,
};

/// The shares of cpu and memory that are asked for once the pod is there; 1 where the node has none.
#[inline]
fn asked(view: &View<'_>, slot: u32) -> (f64, f64) {
    let (hot, requests) = (view.nodes.hot(slot), view.shape.requests());
    let share = |free: i64, asked: i64, inverse: f64| {
        if inverse == 0.0 { 1.0 } else { 1.0 - free.saturating_sub(asked) as f64 * inverse }
    };
    (
        share(hot.cpu_free, requests.cpu_milli, hot.cpu_inverse),
        share(hot.memory_free, requests.memory_bytes, hot.memory_inverse),
    )
}
