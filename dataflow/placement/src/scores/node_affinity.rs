//! More weight of preferred node terms that match is better.
//!
//! Kubernetes: plugin NodeAffinity, score.

use super::{Scale, Score};
use crate::nodes::Nodes;
use crate::selector::NodeTerm;
use crate::shape::PodShape;

pub(super) const SCORE: Score = Score {
    name: "NodeAffinity",
    weight: 20,
    applies: |view| !view.shape.node_preferences.is_empty(),
    raw: |view, slots, _| {
        slots.iter().map(|slot| preference(view.nodes, view.shape, *slot)).collect()
    },
    scale: Scale::ToHighest,
};

/// The weight of the terms that match the node.
pub(crate) fn preference(nodes: &Nodes, shape: &PodShape, slot: u32) -> i64 {
    let info = nodes.node(slot).info();
    let matches = |term: &NodeTerm| term.matches(&info.labels, info.name.as_str());
    shape.node_preferences.iter().filter(|(_, term)| matches(term)).map(|(w, _)| w).sum()
}
