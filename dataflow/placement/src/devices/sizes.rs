//! The sizes into which devices are cut, and how often each is asked for.

use std::collections::BTreeMap;

use super::kind::{DEVICE_MILLI, Kind};

/// A whole device, as an index of tables over leftovers.
pub(super) const WHOLE: usize = DEVICE_MILLI as usize;

/// More sizes than this are rounded to a grid: prices of 32 take some 0.1 s, of 64 ten times
/// that. The openb lists have 21 and take 16 ms.
const SIZES_MAX: usize = 32;

/// The grid, in milli: 25 sizes. Sizes are rounded up, so that none is taken for smaller than it is.
const GRID: usize = 40;

/// A size in milli, and how many pods ask for it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Size {
    pub(super) milli: usize,
    pub(super) demand: f64,
}

/// The shares of the mix, ascending; the whole device is always the last of them.
pub(super) fn sizes(mix: &[Kind]) -> Vec<Size> {
    let mut counts = counted(mix, |milli| milli);
    if counts.len() > SIZES_MAX {
        counts = counted(mix, |milli| milli.next_multiple_of(GRID));
    }
    // Counts of pods are far below 2^53, where f64 is exact.
    counts.into_iter().map(|(milli, pods)| Size { milli, demand: pods as f64 }).collect()
}

fn counted(mix: &[Kind], rounded: impl Fn(usize) -> usize) -> BTreeMap<usize, u64> {
    let mut counts = BTreeMap::from([(WHOLE, 1)]);
    for kind in mix.iter().filter(|kind| kind.ask.is_share() && kind.ask.milli > 0) {
        *counts.entry(rounded(usize::from(kind.ask.milli))).or_insert(0) += kind.pods;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::super::kind::{Ask, Models};
    use super::*;

    #[test]
    fn too_many_sizes_are_rounded_up_to_a_grid() {
        let ask = |milli| Ask { cpu_milli: 0, memory_bytes: 0, devices: 1, milli };
        let kind = |milli| Kind { ask: ask(milli), models: Models::Any, pods: 1 };
        let few: Vec<Kind> = (1..32).map(kind).collect();
        let many: Vec<Kind> = (1..90).map(kind).collect();
        assert_eq!(sizes(&few).len(), 32);
        let found: Vec<usize> = sizes(&many).iter().map(|size| size.milli).collect();
        assert_eq!(found, [40, 80, 120, 1000]);
    }
}
