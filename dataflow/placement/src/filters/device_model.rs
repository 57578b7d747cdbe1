//! The node has a device of one of the models that the pod names.
//!
//! Ours: in Kubernetes a pod names a model by the label `nvidia.com/gpu.product` of its nodes, which
//! works here as well.

use super::{Filter, Refusal, Stage};
use crate::devices::Models;

pub(super) const FILTER: Filter = Filter {
    name: "DeviceModel",
    stage: Stage::Static,
    refuse: |view, slot| {
        let models = &view.shape.demand.models;
        let board = view.nodes.boards.get(slot);
        let has = *models == Models::Any || board.is_some_and(|board| board.has_any_of(models));
        (!has).then_some(Refusal::Phrase("node(s) had no device of the requested model"))
    },
};
