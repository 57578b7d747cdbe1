//! Where nodes are nearly full: what a pod leaves of cpu and memory is better in like shares, and
//! better little of both.
//!
//! Ours (decision record 0027), in place of both scores of resources, which spread pods evenly and so
//! leave a little on every node that no large pod can use. What counts is by how much the pod makes
//! the node more lopsided than it was, |cpu - memory| of what is left over their sum: a node that is
//! lopsided already and becomes less so is the best of all.

use super::least_allocated::used;
use super::{BEST, Crowding, Scale, Score};
use crate::view::View;

pub(super) const SCORE: Score = Score {
    name: "BalancedRemainder",
    weight: 20,
    applies: |view, crowding| crowding == Crowding::Full && view.shape.devices.is_none(),
    raw: |view, slots, _| slots.iter().map(|slot| raw(view, *slot)).collect(),
    scale: Scale::Kept,
};

/// What is added to the sum of the shares left: where a tenth of a node is left, lopsidedness counts
/// twice as much as where half is, and not without bound. 0.2 to 0.4 do the same.
const SOFTENED: f64 = 0.3;
/// What leaving much costs beside: enough to decide among nodes that are as lopsided after as before.
const LEAVING_WEIGHS: f64 = 0.01;

/// From 0 to the best; half of it where nothing becomes more or less lopsided.
fn raw(view: &View<'_>, slot: u32) -> i64 {
    let (cpu, memory) = left(used(view, slot));
    let before = lopsided(left(used_before(view, slot)));
    let worse = lopsided((cpu, memory)) - before + LEAVING_WEIGHS * ((cpu + memory) / 2.0).sqrt();
    ((1.0 - worse) / 2.0 * BEST as f64) as i64
}

fn lopsided((cpu, memory): (f64, f64)) -> f64 {
    (cpu - memory).abs() / (cpu + memory + SOFTENED)
}

fn left((cpu, memory): (f64, f64)) -> (f64, f64) {
    ((1.0 - cpu).max(0.0), (1.0 - memory).max(0.0))
}

/// The shares in use without the pod.
fn used_before(view: &View<'_>, slot: u32) -> (f64, f64) {
    let hot = view.nodes.hot(slot);
    let share =
        |amount: i64, inverse: f64| if inverse == 0.0 { 1.0 } else { amount as f64 * inverse };
    (share(hot.cpu_load, hot.cpu_inverse), share(hot.memory_load, hot.memory_inverse))
}

/// The mean share of cpu and memory that nobody on a node has asked for. What scores take a pod that asks
/// for nothing to need is left here: such pods fill no node, and many of them stay spread.
pub(super) fn mean_left(view: &View<'_>, slot: u32) -> f64 {
    let hot = view.nodes.hot(slot);
    let share = |free: i64, inverse: f64| (free as f64 * inverse).clamp(0.0, 1.0);
    let (cpu, memory) =
        (share(hot.cpu_free, hot.cpu_inverse), share(hot.memory_free, hot.memory_inverse));
    (cpu + memory) / 2.0
}
