//! More weight of preferences about pods in the node's domains is better: this pod's about placed
//! pods, and placed pods' about this pod (their required affinity included, with weight 1).
//!
//! Kubernetes: plugin InterPodAffinity, score.

use super::{Scale, Score};

pub(super) const SCORE: Score = Score {
    name: "InterPodAffinity",
    weight: 20,
    applies: |view, _| !view.weights().is_empty(),
    raw: |view, slots, _| {
        let sum = |slot: &u32| view.weights().iter().filter_map(|domains| domains.of(*slot)).sum();
        slots.iter().map(sum).collect()
    },
    scale: Scale::Range,
};
