//! A cordoned node takes no pod, unless the pod bears the taint that stands for the cordon.
//!
//! Kubernetes: plugin NodeUnschedulable.

use setpoint_schemas::{Taint, TaintEffect};

use super::{Filter, Refusal, Stage};
use crate::tolerate::{TAINT_UNSCHEDULABLE, tolerates};
use crate::view::View;

pub(super) const FILTER: Filter = Filter {
    name: "NodeUnschedulable",
    stage: Stage::Static,
    refuse: |view, slot| {
        is_cordoned_from(view, slot).then_some(Refusal::Phrase("node(s) were unschedulable"))
    },
};

/// Whether the node is cordoned and the pod does not bear it.
pub(crate) fn is_cordoned_from(view: &View<'_>, slot: u32) -> bool {
    let cordon = || Taint {
        key: TAINT_UNSCHEDULABLE.to_owned(),
        value: String::new(),
        effect: TaintEffect::NoSchedule,
    };
    view.nodes.node(slot).info().unschedulable && !tolerates(&view.shape.demand.bears, &cordon())
}
