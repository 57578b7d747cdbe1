//! Fewer pods of the selector in the node's domain are better.
//!
//! Kubernetes: plugin PodTopologySpread, constraints with `whenUnsatisfiable: ScheduleAnyway`: the
//! count times ln(number of domains + 2), since a key with few domains has larger counts, plus
//! maxSkew − 1; rounded. A node without one of the labels is not spoken of.

use super::{IGNORED, Scale, Score};
use crate::view::{SpreadView, View};

pub(super) const SCORE: Score = Score {
    name: "PodTopologySpread",
    weight: 20,
    applies: |view, _| !view.spread_soft.is_empty(),
    raw: |view, slots, basis| {
        let weights: Vec<f64> = view.spread_soft.iter().map(|s| weight(s, view, basis)).collect();
        slots.iter().map(|slot| raw(view, &weights, *slot)).collect()
    },
    scale: Scale::Lowest,
};

fn raw(view: &View<'_>, weights: &[f64], slot: u32) -> i64 {
    let mut sum = 0.0;
    for (state, weight) in view.spread_soft.iter().zip(weights) {
        let Some(count) = state.domains.of(slot) else { return IGNORED };
        sum += count as f64 * weight + (state.spread.max_skew - 1) as f64;
    }
    sum.round() as i64
}

/// By the number of domains among the nodes compared, of all when few nodes stand for all.
fn weight(state: &SpreadView<'_>, view: &View<'_>, basis: &[u32]) -> f64 {
    if view.drawn {
        return natural_log(state.number as u64 + 2);
    }
    let has_all = |slot: &u32| view.spread_soft.iter().all(|s| s.domains.of(*slot).is_some());
    let domains = state.domains.distinct(basis.iter().copied().filter(has_all));
    natural_log(domains as u64 + 2)
}

/// The natural logarithm by basic operations only, so that every machine computes the same bits:
/// n = m·2^k with m in [1, 2), ln n = k·ln 2 + 2·atanh((m − 1) / (m + 1)).
fn natural_log(n: u64) -> f64 {
    let exponent = n.ilog2();
    let mantissa = n as f64 / (1u64 << exponent) as f64;
    let x = (mantissa - 1.0) / (mantissa + 1.0);
    let (mut power, mut sum) = (x, 0.0);
    for odd in (1..ATANH_TERMS_MAX).step_by(2) {
        sum += power / f64::from(odd);
        power *= x * x;
    }
    f64::from(exponent) * std::f64::consts::LN_2 + 2.0 * sum
}

/// x is at most 1/3: the fortieth power is below what a float can tell.
const ATANH_TERMS_MAX: u32 = 40;

#[cfg(test)]
mod tests {
    use super::natural_log;

    #[test]
    fn the_logarithm_is_the_logarithm() {
        for n in [1, 2, 3, 5, 7, 100, 5002, 1 << 40] {
            let difference = natural_log(n) - (n as f64).ln();
            assert!(difference.abs() < 1e-12, "{n}: {difference}");
        }
    }
}
