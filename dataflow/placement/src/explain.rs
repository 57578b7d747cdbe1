//! Explaining: what every filter and every score says of every node, for yes and for no.

use setpoint_schemas::NodeName;

use crate::NodeId;
use crate::filters::FILTERS;
use crate::fleet::Fleet;
use crate::scores::{self, Scores};
use crate::shape::PodShape;
use crate::view::View;

/// What is said of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeVerdict {
    /// The node.
    pub node: NodeId,
    /// Its name.
    pub name: NodeName,
    /// What each filter says, in the order of [`FILTERS`].
    pub filters: Vec<FilterVerdict>,
    /// Its scores among the nodes that all filters pass; of a refused node, beside those.
    pub scores: Scores,
}

/// What one filter says of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterVerdict {
    /// The filter.
    pub filter: &'static str,
    /// Why it refuses the node, in kube-scheduler's phrases; empty when it passes.
    pub reasons: Vec<String>,
}

impl NodeVerdict {
    /// Whether every filter passes.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.refusal().is_none()
    }

    /// The first filter that refuses, which is the one that a sentence counts.
    #[must_use]
    pub fn refusal(&self) -> Option<&FilterVerdict> {
        self.filters.iter().find(|verdict| !verdict.reasons.is_empty())
    }
}

impl Fleet {
    /// What every filter and every score says of every node now, nodes by name. A pod that is
    /// placed already counts on its node; release it first to see what was seen before.
    #[must_use]
    pub fn explain(&self, shape: &PodShape) -> Vec<NodeVerdict> {
        let eligible = self.eligible(shape);
        let interest = self.interest(shape);
        let outlook = self.outlook_anew(shape, &interest, &eligible);
        let itself = interest.matches_itself;
        let view = View::new(&self.nodes, shape, &outlook, itself, eligible.soft_taints);
        let order = self.nodes.order();
        let filters = |slot: u32| {
            let verdict = |filter: &crate::Filter| FilterVerdict {
                filter: filter.name,
                reasons: (filter.refuse)(&view, slot)
                    .map_or_else(Vec::new, |refusal| refusal.reasons(&view, slot)),
            };
            FILTERS.iter().map(verdict).collect()
        };
        let mut verdicts: Vec<NodeVerdict> = order
            .iter()
            .map(|slot| NodeVerdict {
                node: self.nodes.node(*slot).id,
                name: self.nodes.node(*slot).info().name.clone(),
                filters: filters(*slot),
                scores: Scores::default(),
            })
            .collect();
        let fitting: Vec<u32> =
            order.iter().zip(&verdicts).filter(|(_, v)| v.fits()).map(|(slot, _)| *slot).collect();
        let scores = scores::score(&view, order, &fitting);
        for (verdict, scores) in verdicts.iter_mut().zip(scores) {
            verdict.scores = scores;
        }
        verdicts
    }
}
