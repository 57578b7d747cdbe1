//! A node with a taint of effect NoSchedule or NoExecute takes only pods that bear it.
//!
//! Kubernetes: plugin TaintToleration, which names the first taint that is not borne.

use setpoint_schemas::{Taint, TaintEffect};

use super::{Filter, Refusal, Stage, View};
use crate::tolerate::untolerated;

pub(super) const FILTER: Filter = Filter {
    name: "TaintToleration",
    stage: Stage::Static,
    refuse: |view, slot| {
        let taints = &view.nodes.node(slot).info().taints;
        let effects = [TaintEffect::NoSchedule, TaintEffect::NoExecute];
        untolerated(taints, &view.shape.demand.bears, &effects).map(Refusal::Taint)
    },
};

/// Whether a pod would have to leave this node as soon as it came.
pub(super) fn evicts(view: &View<'_>, slot: u32) -> Option<Refusal> {
    let taints = &view.nodes.node(slot).info().taints;
    untolerated(taints, &view.shape.demand.bears, &[TaintEffect::NoExecute]).map(Refusal::Taint)
}

pub(super) fn phrase(taint: &Taint) -> String {
    format!("node(s) had untolerated taint {{{}: {}}}", taint.key, taint.value)
}
