//! The pod keeps the pods of a selector evenly spread: its domain exceeds the emptiest one by at
//! most maxSkew afterwards.
//!
//! Kubernetes: plugin PodTopologySpread, constraints with `whenUnsatisfiable: DoNotSchedule`.
//! Counted are pods of the pod's own namespace on nodes that have the label of every constraint
//! and, as the policies say, match the pod's node affinity (default) and bear no taint against it.
//! With fewer domains than minDomains the emptiest one is taken to have none.

use super::{Filter, Refusal, Stage};

const SKEW: &str = "node(s) didn't match pod topology spread constraints";
const LABEL: &str = "node(s) didn't match pod topology spread constraints (missing required label)";

pub(super) const FILTER: Filter = Filter {
    name: "PodTopologySpread",
    stage: Stage::Around,
    refuse: |view, slot| {
        view.spread_hard.iter().find_map(|state| {
            let Some(count) = state.domains.of(slot) else { return Some(Refusal::Phrase(LABEL)) };
            let skew = count + state.spread.own - state.smallest;
            (skew > state.spread.max_skew).then_some(Refusal::Phrase(SKEW))
        })
    },
};
