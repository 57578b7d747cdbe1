//! More weight of preferred node terms that match is better.
//!
//! Kubernetes: plugin NodeAffinity, score.

use super::{Scale, Score};
use crate::inclination::preference;

pub(super) const SCORE: Score = Score {
    name: "NodeAffinity",
    weight: 20,
    applies: |view, _| !view.shape.node_preferences.is_empty(),
    raw: |view, slots, _| {
        slots.iter().map(|slot| preference(view.nodes, view.shape, *slot)).collect()
    },
    scale: Scale::ToHighest,
};
