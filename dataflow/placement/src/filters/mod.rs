//! The filters: what forbids a node to a pod.
//!
//! The table's order is kube-scheduler's, with readiness first: a sentence counts each node under
//! the first filter that refuses it, and users know which one that is. It is also the order of
//! cost: what depends on the node's record alone stands first and is kept by class, then what the
//! node itself can tell, then what depends on where other pods are.

mod ready;
mod unschedulable;
mod taints;
mod node_affinity;
mod ports;
mod resources;
mod spread;
mod pod_affinity;
mod pod_anti_affinity;
mod existing_anti_affinity;

use crate::view::View;

pub(crate) use resources::fits;

/// A filter.
pub struct Filter {
    /// Its name, as kube-scheduler names the plugin where it has one.
    pub name: &'static str,
    pub(crate) stage: Stage,
    /// Why the node is refused; `None` when it passes.
    pub(crate) refuse: fn(&View<'_>, u32) -> Option<Refusal>,
}

/// What a filter's answer depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The node's record.
    Static,
    /// What is reserved, too.
    Dynamic,
}

/// All filters, in the order in which they are asked.
pub const FILTERS: &[Filter] = &[
    ready::FILTER,
    unschedulable::FILTER,
    taints::FILTER,
    node_affinity::FILTER,
    ports::FILTER,
    resources::FILTER,
    spread::FILTER,
    pod_affinity::FILTER,
    pod_anti_affinity::FILTER,
    existing_anti_affinity::FILTER,
];

/// Why a node is refused, cheap to make; the words come later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// These words.
    Phrase(&'static str),
    /// The node's taint of this index is not borne.
    Taint(usize),
    /// Resources are short.
    Short,
}

impl Refusal {
    /// kube-scheduler's phrases.
    pub(crate) fn reasons(self, view: &View<'_>, slot: u32) -> Vec<String> {
        match self {
            Refusal::Phrase(phrase) => vec![phrase.to_owned()],
            Refusal::Taint(index) => vec![taints::phrase(&view.nodes.node(slot).info().taints[index])],
            Refusal::Short => resources::shortages(view, slot),
        }
    }
}

/// The first refusal of a stage's filters.
pub(crate) fn first_refusal(view: &View<'_>, slot: u32, stage: Stage) -> Option<Refusal> {
    FILTERS.iter().filter(|f| f.stage == stage).find_map(|f| (f.refuse)(view, slot))
}
