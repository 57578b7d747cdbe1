//! Cpu and memory in use by like shares, with the pod on it, are better: what is left over in one
//! of them alone is lost.
//!
//! Kubernetes: plugin NodeResourcesBalancedAllocation: 100 × (1 − standard deviation of the
//! shares), which for two shares is half of their difference.

use super::least_allocated::used;
use super::{BEST, Crowding, Scale, Score};

pub(super) const SCORE: Score = Score {
    name: "BalancedAllocation",
    weight: 16,
    applies: |view, crowding| crowding == Crowding::Roomy && view.shape.devices.is_none(),
    raw: |view, slots, _| {
        let balance = |slot: &u32| {
            let (cpu, memory) = used(view, *slot);
            let deviation = (cpu.min(1.0) - memory.min(1.0)).abs() / 2.0;
            ((1.0 - deviation) * BEST as f64) as i64
        };
        slots.iter().map(balance).collect()
    },
    scale: Scale::Kept,
};
