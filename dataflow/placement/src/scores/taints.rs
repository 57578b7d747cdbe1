//! Fewer `PreferNoSchedule` taints that the pod does not bear are better.
//!
//! Kubernetes: plugin TaintToleration, score.

use super::{Scale, Score};
use crate::inclination::aversion;

pub(super) const SCORE: Score = Score {
    name: "TaintToleration",
    weight: 30,
    applies: |view, _| view.soft_taints,
    raw: |view, slots, _| {
        slots.iter().map(|slot| aversion(view.nodes, view.shape, *slot)).collect()
    },
    scale: Scale::FromHighest,
};
