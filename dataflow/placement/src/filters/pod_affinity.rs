//! The node's domains hold pods that match all of the pod's required affinity terms.
//!
//! Kubernetes: plugin InterPodAffinity. The first pod of a group that asks for its own kind may go
//! anywhere that has the labels, as long as nobody matches yet.

use super::{Filter, Refusal, Stage};

pub(super) const FILTER: Filter = Filter {
    name: "PodAffinity",
    stage: Stage::Around,
    refuse: |view, slot| {
        let affinity = view.affinity.as_ref()?;
        let near = affinity.terms.iter().all(|domains| match domains.of(slot) {
            None => false,
            Some(count) => count > 0 || affinity.may_be_first,
        });
        (!near).then_some(Refusal::Phrase("node(s) didn't match pod affinity rules"))
    },
};
