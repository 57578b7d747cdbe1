//! What the leftover of one device is worth.
//!
//! v(r) is the most that sizes which fit together into r milli cost elsewhere, at cutting-stock
//! prices. Since v(r) - v(r - s) is at least the price of s, placing s there wastes the difference,
//! and an optimal packing wastes nothing.

use super::cutting_stock::prices;
use super::kind::{DEVICE_MILLI, Kind};
use super::knapsack::best_cuts;
use super::sizes::{Size, WHOLE, sizes};

/// How far the demand for one size is moved up and down to smooth the prices.
///
/// One optimal dual solution is a corner, often one of many. The mean over the mixes in which one
/// size is asked for half as often, or half as often again, keeps what all of them agree on.
const SWING: f64 = 0.5;

/// v(r) by r.
#[derive(Debug, Clone)]
pub(super) struct LeftoverValues(Vec<f64>);

impl LeftoverValues {
    /// The values for the shares that this mix asks for.
    pub(super) fn of(mix: &[Kind]) -> LeftoverValues {
        let sizes = sizes(mix);
        let mut sums = vec![0.0; WHOLE + 1];
        let swings = (0..sizes.len()).flat_map(|size| [(size, 1.0 + SWING), (size, 1.0 - SWING)]);
        for (size, factor) in swings {
            let values = values_with(&sizes, size, factor);
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
        // Twice the sizes, of which there are few.
        let mixes = (2 * sizes.len()) as f64;
        LeftoverValues(sums.into_iter().map(|sum| f64::from(DEVICE_MILLI) * sum / mixes).collect())
    }

    /// v(left), in milli-GPU: from 0 for nothing to 1000 for a whole device.
    pub(super) fn value(&self, left: u16) -> f64 {
        self.0[usize::from(left.min(DEVICE_MILLI))]
    }
}

/// The values, in devices, when the demand for one size is this many times what it is.
fn values_with(sizes: &[Size], size: usize, factor: f64) -> Vec<f64> {
    let mut mix = sizes.to_vec();
    mix[size].demand *= factor;
    best_cuts(&mix, &prices(&mix)).values
}

#[cfg(test)]
mod tests {
    use super::super::kind::{Ask, Models};
    use super::*;

    fn values(mix: &[(u16, u64)]) -> LeftoverValues {
        let ask = |milli| Ask { cpu_milli: 0, memory_bytes: 0, devices: 1, milli };
        let kind = |&(milli, pods)| Kind { ask: ask(milli), models: Models::Any, pods };
        LeftoverValues::of(&mix.iter().map(kind).collect::<Vec<_>>())
    }

    #[test]
    fn a_leftover_that_nothing_asks_for_is_worth_nothing_and_a_device_is_worth_a_device() {
        let values = values(&[(810, 100), (160, 3), (500, 40)]);
        let found = [0, 159, 190, 499, 500, 810, 1000].map(|left| values.value(left).round());
        assert_eq!(found, [0.0, 0.0, 0.0, 0.0, 500.0, 1000.0, 1000.0]);
    }

    #[test]
    fn a_larger_leftover_is_never_worth_less_and_two_together_never_less_than_apart() {
        let values = values(&[(160, 90), (250, 40), (330, 20), (470, 60), (810, 50)]);
        for left in 1..=DEVICE_MILLI {
            assert!(values.value(left) >= values.value(left - 1), "{left}");
            for other in 0..=DEVICE_MILLI - left {
                let apart = values.value(left) + values.value(other);
                assert!(values.value(left + other) >= apart - 1e-6, "{left} {other}");
            }
        }
    }

    #[test]
    fn without_shares_only_whole_devices_are_worth_something() {
        let values = values(&[]);
        assert_eq!([values.value(999), values.value(1000)], [0.0, 1000.0]);
    }
}
