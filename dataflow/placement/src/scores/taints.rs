//! Fewer `PreferNoSchedule` taints that the pod does not bear are better.
//!
//! Kubernetes: plugin TaintToleration, score.

use setpoint_schemas::{Taint, TaintEffect};

use super::{Scale, Score};
use crate::nodes::Nodes;
use crate::shape::PodShape;
use crate::tolerate::tolerates;

pub(super) const SCORE: Score = Score {
    name: "TaintToleration",
    weight: 30,
    applies: |view| view.soft_taints,
    raw: |view, slots, _| {
        slots.iter().map(|slot| aversion(view.nodes, view.shape, *slot)).collect()
    },
    scale: Scale::FromHighest,
};

/// The number of the node's taints that the pod would rather not bear.
pub(crate) fn aversion(nodes: &Nodes, shape: &PodShape, slot: u32) -> i64 {
    let bears = &shape.demand.bears;
    let counts = |t: &&Taint| t.effect == TaintEffect::PreferNoSchedule && !tolerates(bears, t);
    let taints = &nodes.node(slot).info().taints;
    i64::try_from(taints.iter().filter(counts).count()).unwrap_or(i64::MAX)
}
