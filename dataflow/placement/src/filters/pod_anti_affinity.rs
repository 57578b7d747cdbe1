//! No domain of the node holds a pod that matches one of the pod's required anti-affinity terms.
//!
//! Kubernetes: plugin InterPodAffinity. A node without the label is no domain and passes.

use super::{Filter, Refusal, Stage};

pub(super) const FILTER: Filter = Filter {
    name: "PodAntiAffinity",
    stage: Stage::Around,
    refuse: |view, slot| {
        let beside = |count: Option<i64>| count.is_some_and(|count| count > 0);
        let beside = view.anti_affinity().iter().any(|domains| beside(domains.of(slot)));
        beside.then_some(Refusal::Phrase("node(s) didn't match pod anti-affinity rules"))
    },
};
