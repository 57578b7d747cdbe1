//! A cordoned node takes no pod, unless the pod bears the taint that stands for the cordon.
//!
//! Kubernetes: plugin NodeUnschedulable.

use setpoint_schemas::{Taint, TaintEffect};

use super::{Filter, Refusal, Stage};
use crate::tolerate::{TAINT_UNSCHEDULABLE, tolerates};

pub(super) const FILTER: Filter = Filter {
    name: "NodeUnschedulable",
    stage: Stage::Static,
    refuse: |view, slot| {
        if !view.nodes.node(slot).info().unschedulable {
            return None;
        }
        let cordon = Taint {
            key: TAINT_UNSCHEDULABLE.to_owned(),
            value: String::new(),
            effect: TaintEffect::NoSchedule,
        };
        let borne = tolerates(&view.shape.demand.bears, &cordon);
        (!borne).then_some(Refusal::Phrase("node(s) were unschedulable"))
    },
};
