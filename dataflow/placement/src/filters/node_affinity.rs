//! The node's labels and name match the pod's node selector and one of its required terms.
//!
//! Kubernetes: plugin NodeAffinity. Requirements of a term are all needed, terms are alternatives,
//! an empty term matches nothing.

use super::{Filter, Refusal, Stage};

/// The phrase for a node that the pod does not want.
pub(crate) const NOT_MATCHED: &str = "node(s) didn't match Pod's node affinity/selector";

pub(super) const FILTER: Filter = Filter {
    name: "NodeAffinity",
    stage: Stage::Static,
    refuse: |view, slot| {
        let info = view.nodes.node(slot).info();
        let matches = view.shape.demand.matches(&info.labels, info.name.as_str());
        (!matches).then_some(Refusal::Phrase(NOT_MATCHED))
    },
};
