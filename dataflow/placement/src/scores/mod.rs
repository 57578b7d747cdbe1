//! The scores: which of the possible nodes is the better one.
//!
//! Each score is brought to 0 … 10,000 (hundredths of kube-scheduler's 0 … 100) over the nodes
//! compared, then weighed. The order of the table has no effect; it is kube-scheduler's.
//!
//! Weights are kube-scheduler's times ten: taints 3, the other preferences 2. The two resource
//! scores share kube-scheduler's 1 + 1 as 4 to 16, since keeping cpu and memory in balance was
//! measured to matter most: what is left over in one alone is lost. Where nodes are nearly full, what
//! a pod leaves of them weighs as much as both, in their place; and where there are devices, what a pod
//! costs them.

mod taints;
mod node_affinity;
mod spread;
mod pod_affinity;
mod least_allocated;
mod balanced_allocation;
mod remainder;
mod device_value;

use crate::NodeId;
use crate::view::View;

/// A score.
pub struct Score {
    /// Its name, as kube-scheduler names the plugin.
    pub name: &'static str,
    /// How much it weighs.
    pub weight: i64,
    /// Whether it can tell nodes apart for this pod, where those compared are as full as this.
    pub(crate) applies: fn(&View<'_>, Crowding) -> bool,
    /// Of each of the first slots, before it is brought to scale; the second are all that are
    /// compared.
    pub(crate) raw: fn(&View<'_>, &[u32], &[u32]) -> Vec<i64>,
    pub(crate) scale: Scale,
}

/// How raw scores come to 0 … 10,000.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scale {
    /// They are already there.
    Kept,
    /// The highest is the best (`DefaultNormalizeScore`).
    ToHighest,
    /// 0 is the best, the highest the worst (`DefaultNormalizeScore`, reversed).
    FromHighest,
    /// From the lowest to the highest.
    Range,
    /// The lowest is the best, as PodTopologySpread scales; below 0 means that the node is none of
    /// those that spread.
    Lowest,
}

/// How full the nodes compared are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crowding {
    /// There is room: pods are spread.
    Roomy,
    /// What is left must not be wasted.
    Full,
}

/// The mean share left of cpu and memory below which the nodes compared count as full. Of a tenth it is
/// too late to mend what is lopsided, and with four tenths less is spread for no gain.
const FULL_BELOW: f64 = 0.3;

impl Crowding {
    /// Of these nodes.
    pub(crate) fn of(view: &View<'_>, slots: impl Iterator<Item = u32>) -> Crowding {
        let (mut left, mut nodes) = (0.0, 0);
        for slot in slots {
            left += remainder::mean_left(view, slot);
            nodes += 1;
        }
        match left < FULL_BELOW * f64::from(nodes) {
            true => Crowding::Full,
            false => Crowding::Roomy,
        }
    }
}

/// How many scores there are.
pub const SCORES_LEN: usize = 8;

/// All scores.
pub const SCORES: [Score; SCORES_LEN] = [
    taints::SCORE,
    node_affinity::SCORE,
    spread::SCORE,
    pod_affinity::SCORE,
    least_allocated::SCORE,
    balanced_allocation::SCORE,
    remainder::SCORE,
    device_value::SCORE,
];

/// The best that a score can be.
pub(crate) const BEST: i64 = 10_000;

/// The scores of a node, each from 0 to 10,000, in the order of [`SCORES`]. A decision keeps those of
/// several nodes, so they are as small as they can be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scores {
    /// 0 where a score cannot tell the nodes apart.
    pub parts: [u16; SCORES_LEN],
    /// The weighted sum, by which nodes are compared.
    pub sum: i32,
}

impl Scores {
    /// The weighted mean, in hundredths: 0 to 10,000. What stands in for the scores of resources has no
    /// weight of its own in it.
    #[must_use]
    pub fn total_hundredths(&self) -> i64 {
        let [most @ .., _, _] = &SCORES;
        (i64::from(self.sum) / most.iter().map(|score| score.weight).sum::<i64>()).min(BEST)
    }
}

impl std::fmt::Display for Scores {
    /// `name=value` for each score that is not 0, value from 0 to 100.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let told = SCORES.iter().zip(self.parts).filter(|(_, part)| *part != 0);
        for (index, (score, part)) in told.enumerate() {
            let gap = if index == 0 { "" } else { " " };
            write!(f, "{gap}{}={}.{:02}", score.name, part / 100, part % 100)?;
        }
        Ok(())
    }
}

/// The scores of the nodes, where those of `basis` are compared.
pub(crate) fn score(view: &View<'_>, slots: &[u32], basis: &[u32]) -> Vec<Scores> {
    let mut all = vec![Scores::default(); slots.len()];
    let crowding = Crowding::of(view, basis.iter().copied());
    let applies = |(_, score): &(usize, &Score)| (score.applies)(view, crowding);
    for (column, score) in SCORES.iter().enumerate().filter(applies) {
        let raw = (score.raw)(view, slots, basis);
        let bounds = match score.scale {
            Scale::Kept => (0, 0),
            _ if slots.len() == basis.len() => bounds(&raw),
            _ => bounds(&(score.raw)(view, basis, basis)),
        };
        for (scores, raw) in all.iter_mut().zip(raw) {
            let part = score.scale.apply(raw, bounds).clamp(0, BEST);
            // Both are small by the bounds of scores and weights.
            scores.parts[column] = part as u16;
            scores.sum += (part * score.weight) as i32;
        }
    }
    all
}

/// What the scores that other pods, taints and labels decide sum up to: all but those of resources.
pub(crate) fn preferences(view: &View<'_>, slots: &[u32]) -> Vec<i64> {
    let of_resources = |scores: &Scores| {
        let parts = SCORES.iter().zip(scores.parts);
        let resources = parts.filter(|(score, _)| matches!(score.scale, Scale::Kept));
        resources.map(|(score, part)| score.weight * i64::from(part)).sum::<i64>()
    };
    score(view, slots, slots)
        .iter()
        .map(|scores| i64::from(scores.sum) - of_resources(scores))
        .collect()
}

/// The lowest and the highest, those below 0 by a [`Scale::Lowest`] left out by their value.
fn bounds(raw: &[i64]) -> (i64, i64) {
    let lowest = raw.iter().copied().filter(|value| *value != IGNORED).min().unwrap_or(0);
    let highest = raw.iter().copied().filter(|value| *value != IGNORED).max().unwrap_or(0);
    (lowest, highest)
}

/// The raw score of a node that a score does not speak of.
pub(crate) const IGNORED: i64 = i64::MIN;

impl Scale {
    fn apply(self, raw: i64, (lowest, highest): (i64, i64)) -> i64 {
        if raw == IGNORED {
            return 0;
        }
        match self {
            Scale::Kept => raw,
            Scale::ToHighest if highest == 0 => 0,
            Scale::ToHighest => BEST * raw / highest,
            Scale::FromHighest if highest == 0 => BEST,
            Scale::FromHighest => BEST - BEST * raw / highest,
            Scale::Range if highest == lowest => 0,
            Scale::Range => BEST * (raw - lowest) / (highest - lowest),
            Scale::Lowest if highest == 0 => BEST,
            Scale::Lowest => BEST * (highest + lowest - raw) / highest,
        }
    }
}

/// A node that was compared, with its scores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Considered {
    /// The node.
    pub node: NodeId,
    /// Its scores among those compared.
    pub scores: Scores,
}

/// The slots with their scores, the best first; of equals the one with room for the most pods, and of
/// these the one that stands first, so the slots come in order of names. Where pods ask for nothing,
/// resources soon tell no nodes apart: such pods would all be put on the first. What devices are worth
/// says enough of their nodes.
pub(crate) fn best_first(
    view: &View<'_>,
    slots: &[u32],
    scores: &[Scores],
    keep: usize,
) -> Vec<Considered> {
    let (nodes, by_room) = (view.nodes, view.shape.devices.is_none());
    let key = |(at, scores): (usize, &Scores)| {
        let room = if by_room { nodes.hot(slots[at]).pods_free } else { 0 };
        (-i64::from(scores.sum), -room, at)
    };
    let mut order: Vec<(i64, i64, usize)> = scores.iter().enumerate().map(key).collect();
    if order.len() > keep {
        order.select_nth_unstable(keep);
        order.truncate(keep);
    }
    order.sort_unstable();
    let considered = |at: usize| Considered { node: nodes.node(slots[at]).id, scores: scores[at] };
    order.into_iter().map(|(_, _, at)| considered(at)).collect()
}
