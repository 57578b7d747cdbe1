//! A node with a taint of effect NoSchedule or NoExecute takes only pods that bear it.
//!
//! Kubernetes: plugin TaintToleration, which names the first taint that is not borne.

use setpoint_schemas::{Taint, TaintEffect};

use super::{Filter, Refusal, Stage};
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

pub(super) fn phrase(taint: &Taint) -> String {
    format!("node(s) had untolerated taint {{{}: {}}}", taint.key, taint.value)
}
