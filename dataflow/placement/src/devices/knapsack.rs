//! What a leftover is worth at given prices: the best set of sizes that fits into it.
//!
//! The unbounded knapsack problem for every capacity up to a device, by dynamic programming.

use super::sizes::{Size, WHOLE};

/// The smallest gain that counts, in devices.
pub(super) const GAIN_MIN: f64 = 1e-9;

/// The best cuts of every leftover.
pub(super) struct Cuts {
    /// What the best cut of r milli is worth.
    pub(super) values: Vec<f64>,
    /// A size of the best cut, by index; none where r is worth no more than r - 1.
    chosen: Vec<Option<usize>>,
}

/// The best cuts when each size has this price. Sizes ascend.
pub(super) fn best_cuts(sizes: &[Size], prices: &[f64]) -> Cuts {
    let mut values = vec![0.0; WHOLE + 1];
    let mut chosen = vec![None; WHOLE + 1];
    for left in 1..=WHOLE {
        values[left] = values[left - 1];
        for (index, size) in sizes.iter().enumerate().take_while(|(_, size)| size.milli <= left) {
            let value: f64 = values[left - size.milli] + prices[index];
            if value > values[left] + GAIN_MIN {
                values[left] = value;
                chosen[left] = Some(index);
            }
        }
    }
    Cuts { values, chosen }
}

impl Cuts {
    /// What the best cut of a whole device is worth.
    pub(super) fn whole(&self) -> f64 {
        self.values[WHOLE]
    }

    /// How often each size occurs in the best cut of a whole device.
    pub(super) fn pattern(&self, sizes: &[Size]) -> Vec<f64> {
        let mut counts = vec![0.0; sizes.len()];
        let mut left = WHOLE;
        while left > 0 {
            match self.chosen[left] {
                Some(index) => {
                    counts[index] += 1.0;
                    left -= sizes[index].milli;
                }
                None => left -= 1,
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_cut_into_what_is_worth_most() {
        let sizes = [300, 450, 1000].map(|milli| Size { milli, demand: 1.0 });
        let cuts = best_cuts(&sizes, &[0.25, 0.5, 0.9]);
        assert_eq!([cuts.values[299], cuts.values[600], cuts.values[899]], [0.0, 0.5, 0.75]);
        assert_eq!((cuts.whole(), cuts.pattern(&sizes)), (1.0, vec![0.0, 2.0, 0.0]));
    }
}
