//! The kinds that stand for a mix: the most frequent ones, as far as they hold nearly all pods.

use std::cmp::Reverse;

use super::kind::{Ask, Kind, Models};

/// Percent of the pods that the kinds hold, as in FGD. From 80 to 100 changes no openb list by
/// more than 0.01 points.
const COVERED_PERCENT: u64 = 95;

/// A kind, and its part of the pods of all typical kinds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Typical {
    pub(super) ask: Ask,
    pub(super) models: Models,
    pub(super) part: f64,
}

/// The fewest kinds that hold [`COVERED_PERCENT`] of the pods with devices, the most frequent first.
/// Each kind stands in the mix once.
pub(super) fn typical(mix: &[Kind]) -> Vec<Typical> {
    let with_devices = mix.iter().filter(|kind| kind.ask.milli_total() > 0);
    let mut kinds: Vec<Kind> = with_devices.cloned().collect();
    kinds.sort_by_cached_key(|kind| Reverse((kind.pods, order(kind))));
    let all: u64 = kinds.iter().map(|kind| kind.pods).sum();
    let mut covered = 0;
    let mut kept = 0;
    while kept < kinds.len() && covered * 100 < all * COVERED_PERCENT {
        covered += kinds[kept].pods;
        kept += 1;
    }
    // Counts of pods are far below 2^53, where f64 is exact.
    let part = |kind: &Kind| kind.pods as f64 / covered as f64;
    let kinds = kinds.into_iter().take(kept);
    kinds.map(|kind| Typical { part: part(&kind), ask: kind.ask, models: kind.models }).collect()
}

/// Among kinds as frequent as each other: by what they ask for, FGD's order with memory behind it.
fn order(kind: &Kind) -> (i64, u16, u16, Models, i64) {
    let ask = &kind.ask;
    (ask.cpu_milli, ask.milli, ask.devices, kind.models.clone(), ask.memory_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rarest_kinds_are_left_out() {
        let kind = |milli, pods| Kind {
            ask: Ask { cpu_milli: 1, memory_bytes: 1, devices: 1, milli },
            models: Models::Any,
            pods,
        };
        let mix = [kind(100, 60), kind(200, 4), kind(300, 36), kind(0, 900)];
        let found: Vec<(u16, f64)> =
            typical(&mix).iter().map(|kind| (kind.ask.milli, kind.part)).collect();
        assert_eq!(found, [(100, 60.0 / 96.0), (300, 36.0 / 96.0)]);
    }
}
