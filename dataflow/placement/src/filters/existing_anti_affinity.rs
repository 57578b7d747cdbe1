//! No domain of the node holds a pod whose required anti-affinity is about this pod.
//!
//! Kubernetes: plugin InterPodAffinity: anti-affinity holds in both directions.

use super::{Filter, Refusal, Stage};

pub(super) const FILTER: Filter = Filter {
    name: "ExistingPodAntiAffinity",
    stage: Stage::Around,
    refuse: |view, slot| {
        let beside = |count: Option<i64>| count.is_some_and(|count| count > 0);
        let beside = view.repelled().iter().any(|domains| beside(domains.of(slot)));
        let phrase = "node(s) didn't satisfy existing pods anti-affinity rules";
        beside.then_some(Refusal::Phrase(phrase))
    },
};
