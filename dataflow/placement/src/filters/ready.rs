//! A node that is not ready takes no pod, and no toleration changes that: its replacement pods
//! must not come back to the node that was lost.
//!
//! Kubernetes: the taint `node.kubernetes.io/not-ready` of the node life-cycle controller; the
//! phrase is the one that kube-scheduler had for it.

use super::{Filter, Refusal, Stage};

pub(super) const FILTER: Filter = Filter {
    name: "NodeReady",
    stage: Stage::Static,
    refuse: |view, slot| {
        let ready = view.nodes.node(slot).info().ready;
        (!ready).then_some(Refusal::Phrase("node(s) were not ready"))
    },
};
