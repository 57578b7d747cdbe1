//! Fewer `PreferNoSchedule` taints that the pod does not bear are better.
//!
//! Kubernetes: plugin TaintToleration, score.

use setpoint_schemas::{Taint, TaintEffect};

use super::{Scale, Score};
use crate::tolerate::tolerates;

pub(super) const SCORE: Score = Score {
    name: "TaintToleration",
    weight: 30,
    applies: |view| view.soft_taints,
    raw: |view, slots, _| {
        let bears = &view.shape.demand.bears;
        let counts = |t: &&Taint| t.effect == TaintEffect::PreferNoSchedule && !tolerates(bears, t);
        let count = |slot: &u32| {
            let taints = &view.nodes.node(*slot).info().taints;
            i64::try_from(taints.iter().filter(counts).count()).unwrap_or(i64::MAX)
        };
        slots.iter().map(count).collect()
    },
    scale: Scale::FromHighest,
};
