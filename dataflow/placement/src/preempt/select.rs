//! The fewest victims on one node: all lower ones go, and one after the other comes back as long as
//! the newcomer still fits.
//!
//! Source: `selectVictimsOnNode` of kube-scheduler. Those that budgets would not let go come back
//! first, and among them, as among the others, the most important first.

use std::collections::BTreeMap;

use super::cost::Cost;
use super::occupant::{Occupant, Roster, importance};

/// A node on which pods can be taken away and put back to see whether the newcomer fits. The numbers
/// are those of the occupants, in the order in which they were given.
pub(crate) trait Trial {
    /// Takes the occupant away.
    fn lift(&mut self, number: usize);
    /// Puts the occupant back.
    fn put_back(&mut self, number: usize);
    /// Whether the newcomer fits now.
    fn fits(&mut self) -> bool;
}

/// An occupant who may go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Below<'a> {
    pub(crate) occupant: Occupant<'a>,
    pub(crate) priority: i32,
    /// Whether it stops already: its room comes anyway, and it is no victim.
    pub(crate) leaves: bool,
}

/// Who has to go on a node, and what that costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selected {
    /// Numbers of the occupants, the most important first.
    pub(crate) victims: Vec<usize>,
    pub(crate) cost: Cost,
}

/// The victims among the occupants, which are all below the newcomer; `None` when it does not fit
/// even without all of them. In the end everybody is back.
pub(crate) fn select(
    trial: &mut impl Trial,
    below: &[Below<'_>],
    roster: &(impl Roster + ?Sized),
) -> Option<Selected> {
    (0..below.len()).for_each(|number| trial.lift(number));
    if !trial.fits() {
        (0..below.len()).for_each(|number| trial.put_back(number));
        return None;
    }
    let mut staying: Vec<usize> = (0..below.len()).filter(|n| !below[*n].leaves).collect();
    let rank = |n: usize| (below[n].priority, &below[n].occupant);
    staying.sort_by(|a, b| importance(rank(*a), rank(*b)));
    let violating = beyond_budgets(&staying, below, roster);
    let mut victims = Vec::new();
    let mut violations = 0;
    for is_violating in [true, false] {
        for number in staying.iter().copied().filter(|n| violating.contains(n) == is_violating) {
            trial.put_back(number);
            if !trial.fits() {
                trial.lift(number);
                victims.push(number);
                violations += usize::from(is_violating);
            }
        }
    }
    victims.sort_by(|a, b| importance(rank(*a), rank(*b)));
    spare(trial, &mut victims);
    violations = violations.min(victims.iter().filter(|n| violating.contains(n)).count());
    let leaving = (0..below.len()).filter(|number| below[*number].leaves);
    leaving.chain(victims.iter().copied()).for_each(|number| trial.put_back(number));
    let ages = victims.iter().map(|n| (below[*n].priority, below[*n].occupant.since_ms));
    let cost = Cost::of(violations, ages);
    Some(Selected { victims, cost })
}

/// Who came back later may make room for one who could not come back before: where other pods matter,
/// another one more does not only make it harder. So nobody goes in vain, as may happen there.
fn spare(trial: &mut impl Trial, victims: &mut Vec<usize>) {
    let mut at = 0;
    while at < victims.len() && victims.len() > 1 {
        trial.put_back(victims[at]);
        if trial.fits() {
            victims.remove(at);
            at = 0;
        } else {
            trial.lift(victims[at]);
            at += 1;
        }
    }
}

/// Those that go beyond what a budget lets go, if all went in this order. Source:
/// `filterPodsWithPDBViolation` of kube-scheduler.
fn beyond_budgets(
    staying: &[usize],
    below: &[Below<'_>],
    roster: &(impl Roster + ?Sized),
) -> Vec<usize> {
    let mut left: BTreeMap<u32, i64> = BTreeMap::new();
    let mut violating = Vec::new();
    for number in staying {
        let mut is_beyond = false;
        for budget in below[*number].occupant.budgets {
            let left = left.entry(*budget).or_insert_with(|| roster.allowed(*budget));
            *left -= 1;
            is_beyond |= *left < 0;
        }
        if is_beyond {
            violating.push(*number);
        }
    }
    violating
}
