//! What each size costs in devices: the dual prices of the cutting-stock problem.
//!
//! Cut devices into the sizes that are asked for, each as often as it is asked for, out of as few
//! devices as possible. The dual prices of the linear relaxation say what one more of a size costs
//! (Gilmore and Gomory, "A linear programming approach to the cutting-stock problem", Operations
//! Research 9, 1961). A device cut by an optimal plan is worth 1, and by any other plan less.

use super::knapsack::{GAIN_MIN, best_cuts};
use super::simplex::Basis;
use super::sizes::{Size, WHOLE};

/// Pivots a size: the openb lists take at most three, made-up mixes of 32 sizes at most six. Prices that
/// are not optimal by then still say what a size costs under the plan that was found.
const PIVOTS_MAX: usize = 100;

/// The price of each size, in devices: none below 0, and no device worth more than 1.
pub(super) fn prices(sizes: &[Size]) -> Vec<f64> {
    let mut basis = alone(sizes);
    for _ in 0..PIVOTS_MAX * sizes.len() {
        if !improve(&mut basis, sizes) {
            break;
        }
    }
    let prices: Vec<f64> = basis.prices().into_iter().map(|price| price.max(0.0)).collect();
    let whole = best_cuts(sizes, &prices).whole().max(1.0);
    prices.into_iter().map(|price| price / whole).collect()
}

/// Each size cut by itself, as often as it fits.
fn alone(sizes: &[Size]) -> Basis {
    let copies = sizes.iter().map(|size| (WHOLE / size.milli) as f64);
    let demand: Vec<f64> = sizes.iter().map(|size| size.demand).collect();
    Basis::diagonal(&copies.collect::<Vec<_>>(), &demand)
}

/// One pivot: lets a size be served more often than it is asked for when its price is below 0, else
/// cuts by a pattern that is worth more than the device it takes. `false` when neither is left.
fn improve(basis: &mut Basis, sizes: &[Size]) -> bool {
    let prices = basis.prices();
    if let Some(size) = most_negative(&prices) {
        let mut surplus = vec![0.0; sizes.len()];
        surplus[size] = -1.0;
        basis.enter(&surplus, 0.0);
        return true;
    }
    let cuts = best_cuts(sizes, &prices);
    let gains = cuts.whole() > 1.0 + GAIN_MIN;
    if gains {
        basis.enter(&cuts.pattern(sizes), 1.0);
    }
    gains
}

fn most_negative(prices: &[f64]) -> Option<usize> {
    let lowest = (0..prices.len()).min_by(|a, b| prices[*a].total_cmp(&prices[*b]))?;
    (prices[lowest] < -GAIN_MIN).then_some(lowest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(list: &[(usize, f64)]) -> Vec<Size> {
        list.iter().map(|&(milli, demand)| Size { milli, demand }).collect()
    }

    #[test]
    fn what_fits_into_gaps_that_are_there_anyway_costs_nothing() {
        let prices = prices(&sizes(&[(160, 10.0), (810, 100.0), (1000, 1.0)]));
        assert!(prices[0].abs() < 1e-9 && (prices[1] - 1.0).abs() < 1e-9, "{prices:?}");
    }

    #[test]
    fn the_prices_of_all_that_is_asked_for_are_the_devices_that_it_takes() {
        // Ten devices of 650 and 350, five of twice 500, one whole.
        let sizes = sizes(&[(350, 10.0), (500, 10.0), (650, 10.0), (1000, 1.0)]);
        let prices = prices(&sizes);
        let worth: f64 = prices.iter().zip(&sizes).map(|(price, size)| price * size.demand).sum();
        assert!((worth - 16.0).abs() < 1e-9, "{prices:?}");
        assert!(best_cuts(&sizes, &prices).whole() <= 1.0 + 1e-9);
    }
}
