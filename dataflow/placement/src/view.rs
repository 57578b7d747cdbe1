//! The fleet as one pod sees it: what filters and scores may read.
//!
//! Guarantee: asking about a node costs the same however many pods and nodes there are.

use std::borrow::Cow;

use crate::camps::Camps;
use crate::device_demand::DeviceDemand;
use crate::domains::{DomainCounts, SpreadCounts};
use crate::nodes::Nodes;
use crate::outlook::{NOBODY, Outlook};
use crate::shape::PodShape;
use crate::spread::Spread;

/// What filters and scores may read.
pub(crate) struct View<'a> {
    pub(crate) nodes: &'a Nodes,
    pub(crate) shape: &'a PodShape,
    outlook: &'a Outlook,
    pub(crate) spread_hard: Vec<SpreadView<'a>>,
    pub(crate) spread_soft: Vec<SpreadView<'a>>,
    pub(crate) affinity: Option<AffinityView<'a>>,
    /// Whether there may be `PreferNoSchedule` taints that the pod does not bear.
    pub(crate) soft_taints: bool,
    /// Whether the nodes compared are drawn, so that their domains are fewer than there are.
    pub(crate) drawn: bool,
}

/// A spread constraint and how it stands.
pub(crate) struct SpreadView<'a> {
    pub(crate) spread: &'a Spread,
    pub(crate) domains: &'a DomainCounts,
    /// The smallest count of a domain; 0 when there are too few domains.
    pub(crate) smallest: i64,
    /// How many domains there are.
    pub(crate) number: usize,
}

/// Required pod affinity and how it stands.
pub(crate) struct AffinityView<'a> {
    /// A domain count for each term.
    pub(crate) terms: &'a [DomainCounts],
    /// Nobody matches yet, and the pod matches its own terms: it may be the first.
    pub(crate) may_be_first: bool,
}

impl<'a> View<'a> {
    /// The view of a pod that does not look at other pods and that no pod has terms about.
    pub(crate) fn bare(nodes: &'a Nodes, shape: &'a PodShape) -> View<'a> {
        View {
            nodes,
            shape,
            outlook: &NOBODY,
            spread_hard: Vec::new(),
            spread_soft: Vec::new(),
            affinity: None,
            soft_taints: true,
            drawn: false,
        }
    }

    pub(crate) fn new(
        nodes: &'a Nodes,
        shape: &'a PodShape,
        outlook: &'a Outlook,
        matches_itself: bool,
        soft_taints: bool,
    ) -> View<'a> {
        let affinity = shape.affinity.as_ref().map(|_| AffinityView {
            terms: &outlook.parts.affinity,
            may_be_first: matches_itself && outlook.parts.affinity.iter().all(|d| d.total() == 0),
        });
        View {
            outlook,
            spread_hard: spreads(&shape.spread_hard, &outlook.parts.spread_hard),
            spread_soft: spreads(&shape.spread_soft, &outlook.parts.spread_soft),
            affinity,
            soft_taints,
            ..View::bare(nodes, shape)
        }
    }

    /// What the node's devices would lose in worth by the pod, in milli-GPU: nothing where there are
    /// none, at least something where there are.
    pub(crate) fn loss(&self, slot: u32) -> i64 {
        let boards = &self.nodes.boards;
        if boards.get(slot).is_none() {
            return 0;
        }
        let nothing = || DeviceDemand::none(&self.shape.requests);
        let own = self.shape.devices.as_ref();
        let demand = own.map_or_else(|| Cow::Owned(nothing()), Cow::Borrowed);
        let bid = boards.bid(slot, self.nodes.free(slot), &demand);
        let loss = bid.map_or(0, |bid| bid.loss);
        if self.shape.devices.is_some() { loss } else { loss.max(1) }
    }

    /// Pods that this pod keeps away from, a domain count for each term.
    pub(crate) fn anti_affinity(&self) -> &'a [DomainCounts] {
        &self.outlook.parts.anti_affinity
    }

    /// Pods that keep this pod away, a domain count for each of their terms.
    pub(crate) fn repelled(&self) -> &'a [DomainCounts] {
        &self.outlook.parts.repelled
    }

    /// The weights of all preferences about pods, this pod's and theirs.
    pub(crate) fn weights(&self) -> &'a [DomainCounts] {
        &self.outlook.parts.weights
    }

    /// The eligible nodes by what tells them apart beside their reservations; `None` when nothing
    /// does.
    pub(crate) fn camps(&self) -> Option<&'a Camps> {
        self.outlook.camps()
    }
}

fn spreads<'a>(spreads: &'a [Spread], counts: &'a [SpreadCounts]) -> Vec<SpreadView<'a>> {
    let view = |(spread, counts): (&'a Spread, &'a SpreadCounts)| SpreadView {
        spread,
        domains: &counts.domains,
        smallest: counts.smallest(spread.min_domains),
        number: counts.number(),
    };
    spreads.iter().zip(counts).map(view).collect()
}
