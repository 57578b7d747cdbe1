//! What a preemption costs: the node where it costs least is chosen.
//!
//! Source: `pickOneNodeForPreemption` of kube-scheduler, in its order.

use std::cmp::Reverse;

/// The cost of the victims on one node; the smallest is the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cost {
    /// Victims that their budgets would not let go.
    pub(crate) violations: usize,
    /// The highest priority of a victim; below every priority when there is none.
    highest: i64,
    /// The sum of the victims' priorities, each counted from the lowest that there is, so that one
    /// victim more never makes it smaller.
    sum: i64,
    victims: usize,
    /// Since when the first of the victims of the highest priority is there: rather those who have
    /// not been there for long.
    since_ms: Reverse<i64>,
}

/// What makes every priority greater than nothing: `MaxInt32 + 1`.
const FROM_LOWEST: i64 = 1 << 31;

impl Cost {
    /// The cost of these victims: priority and age of each.
    pub(crate) fn of(violations: usize, victims: impl Iterator<Item = (i32, i64)> + Clone) -> Cost {
        let highest = victims.clone().map(|(priority, _)| i64::from(priority)).max();
        let highest = highest.unwrap_or(i64::MIN);
        let top = victims.clone().filter(|(priority, _)| i64::from(*priority) == highest);
        let since_ms = Reverse(top.map(|(_, since)| since).min().unwrap_or(i64::MAX));
        let sum = victims.clone().map(|(priority, _)| i64::from(priority) + FROM_LOWEST).sum();
        Cost { violations, highest, sum, victims: victims.count(), since_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::Cost;

    fn of(violations: usize, victims: &[(i32, i64)]) -> Cost {
        Cost::of(violations, victims.iter().copied())
    }

    #[test]
    fn costs_compare_in_the_order_of_kube_scheduler() {
        let cheapest_first = [
            of(0, &[]),
            of(0, &[(-5, 9)]),
            of(0, &[(-5, 9), (-5, 9), (-6, 0)]),
            of(0, &[(3, 8)]),
            of(0, &[(3, 7)]),
            of(0, &[(3, 7), (2, 9)]),
            of(0, &[(3, 7), (3, 8), (3, 9)]),
            of(1, &[(-5, 9)]),
        ];
        assert!(cheapest_first.windows(2).all(|pair| pair[0] < pair[1]), "{cheapest_first:?}");
    }
}
