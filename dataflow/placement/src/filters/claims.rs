//! A pod goes where its data is: to the node that a claim of its lives on, and to no other.
//!
//! Kubernetes: plugin VolumeBinding, for volumes that are one node's own.

use super::{Filter, Refusal, Stage};

pub(super) const FILTER: Filter = Filter {
    name: "VolumeBinding",
    stage: Stage::Static,
    refuse: |view, slot| {
        let home = view.shape.home.as_ref()?;
        let is_there = view.nodes.node(slot).info().name.as_str() == home.node;
        (!is_there).then_some(Refusal::NotHome)
    },
};
