//! What filters and scores may know of other pods, number by number.

use crate::domains::{DomainCounts, SpreadCounts};

/// The numbers, by what they are for.
#[derive(Debug)]
pub(crate) struct Parts {
    /// A count for each constraint.
    pub(crate) spread_hard: Vec<SpreadCounts>,
    /// A count for each constraint.
    pub(crate) spread_soft: Vec<SpreadCounts>,
    /// Pods that match all of the required affinity, a count for each term.
    pub(crate) affinity: Vec<DomainCounts>,
    /// Pods that are kept away from, a count for each term.
    pub(crate) anti_affinity: Vec<DomainCounts>,
    /// Pods that keep such pods away, a count for each of their terms.
    pub(crate) repelled: Vec<DomainCounts>,
    /// The weights of preferences about pods, theirs and its own, a sum for each term.
    pub(crate) weights: Vec<DomainCounts>,
}

/// One of the parts, by its index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    SpreadHard(usize),
    SpreadSoft(usize),
    Affinity(usize),
    AntiAffinity(usize),
    Repelled(usize),
    Weights(usize),
}

/// What tells nodes apart; equal numbers, alike nodes.
pub(crate) type Alike = i64;

impl Parts {
    pub(crate) const fn none() -> Parts {
        Parts {
            spread_hard: Vec::new(),
            spread_soft: Vec::new(),
            affinity: Vec::new(),
            anti_affinity: Vec::new(),
            repelled: Vec::new(),
            weights: Vec::new(),
        }
    }

    /// Every part that tells nodes apart.
    pub(crate) fn all(&self) -> Vec<Part> {
        let hard = (0..self.spread_hard.len()).map(Part::SpreadHard);
        let soft = (0..self.spread_soft.len()).map(Part::SpreadSoft);
        let near = (0..self.affinity.len()).map(Part::Affinity);
        let away = (0..self.anti_affinity.len()).map(Part::AntiAffinity);
        let repelled = (0..self.repelled.len()).map(Part::Repelled);
        let weights = (0..self.weights.len()).map(Part::Weights);
        hard.chain(soft).chain(near).chain(away).chain(repelled).chain(weights).collect()
    }

    pub(crate) fn domains(&self, part: Part) -> &DomainCounts {
        match part {
            Part::SpreadHard(index) => &self.spread_hard[index].domains,
            Part::SpreadSoft(index) => &self.spread_soft[index].domains,
            Part::Affinity(index) => &self.affinity[index],
            Part::AntiAffinity(index) => &self.anti_affinity[index],
            Part::Repelled(index) => &self.repelled[index],
            Part::Weights(index) => &self.weights[index],
        }
    }

    pub(crate) fn add(&mut self, part: Part, slot: u32, amount: i64) {
        match part {
            Part::SpreadHard(index) => self.spread_hard[index].add(slot, amount),
            Part::SpreadSoft(index) => self.spread_soft[index].add(slot, amount),
            Part::Affinity(index) => self.affinity[index].add(slot, amount),
            Part::AntiAffinity(index) => self.anti_affinity[index].add(slot, amount),
            Part::Repelled(index) => self.repelled[index].add(slot, amount),
            Part::Weights(index) => self.weights[index].add(slot, amount),
        }
    }
}

impl Part {
    /// All that filters and scores read of the part's number for the node: equal for nodes that
    /// they cannot tell apart by it.
    pub(crate) fn alike(self, domains: &DomainCounts, slot: u32) -> Alike {
        let number = domains.of(slot);
        match self {
            Part::SpreadHard(_) | Part::SpreadSoft(_) => number.unwrap_or(Alike::MIN),
            Part::Affinity(_) => number.map_or(Alike::MIN, i64::signum),
            Part::AntiAffinity(_) | Part::Repelled(_) => number.map_or(0, i64::signum),
            Part::Weights(_) => number.unwrap_or(0),
        }
    }
}
