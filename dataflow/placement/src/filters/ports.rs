//! The ports of the node that the pod binds are free.
//!
//! Kubernetes: plugin NodePorts. A port is taken per protocol and address; the wildcard address
//! overlaps with every other.

use super::{Filter, Refusal, Stage};

pub(super) const FILTER: Filter = Filter {
    name: "NodePorts",
    stage: Stage::Local,
    refuse: |view, slot| {
        if view.shape.ports.is_empty() {
            return None;
        }
        let taken = &view.nodes.node(slot).ports;
        let conflict = view.shape.ports.iter().any(|port| taken.iter().any(|t| t.conflicts(port)));
        let phrase = "node(s) didn't have free ports for the requested pod ports";
        conflict.then_some(Refusal::Phrase(phrase))
    },
};
