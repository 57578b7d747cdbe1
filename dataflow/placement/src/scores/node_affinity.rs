//! More weight of preferred node terms that match is better.
//!
//! Kubernetes: plugin NodeAffinity, score.

use super::{Scale, Score};

pub(super) const SCORE: Score = Score {
    name: "NodeAffinity",
    weight: 20,
    applies: |view| !view.shape.node_preferences.is_empty(),
    raw: |view, slots, _| {
        let weight = |slot: &u32| {
            let info = view.nodes.node(*slot).info();
            let matches =
                |term: &crate::selector::NodeTerm| term.matches(&info.labels, info.name.as_str());
            view.shape.node_preferences.iter().filter(|(_, t)| matches(t)).map(|(w, _)| w).sum()
        };
        slots.iter().map(weight).collect()
    },
    scale: Scale::ToHighest,
};
