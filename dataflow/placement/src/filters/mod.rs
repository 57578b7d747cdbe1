//! The filters: what forbids a node to a pod.
//!
//! The table's order is kube-scheduler's, with what the node is for and readiness first: a
//! sentence counts each node under the first filter that refuses it, and users know which one that
//! is. It is also the order of cost: what depends on the node's record alone stands first and is
//! kept by class, then what the node itself can tell, then what depends on where other pods are.

mod watched;
mod ready;
mod unschedulable;
mod taints;
mod node_affinity;
mod claims;
mod device_model;
mod ports;
mod resources;
mod spread;
mod pod_affinity;
mod pod_anti_affinity;
mod existing_anti_affinity;

use crate::home::Home;
use crate::view::View;

pub(crate) use node_affinity::NOT_MATCHED;
pub(crate) use unschedulable::is_cordoned_from;

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
    /// What is reserved, too: both stages that follow.
    Dynamic,
    /// What is reserved on the node itself.
    Local,
    /// Where other pods are.
    Around,
}

/// All filters, in the order in which they are asked.
pub const FILTERS: &[Filter] = &[
    watched::FILTER,
    ready::FILTER,
    unschedulable::FILTER,
    taints::FILTER,
    node_affinity::FILTER,
    claims::FILTER,
    device_model::FILTER,
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
    /// The pod's data lives on another node.
    NotHome,
    /// Resources are short.
    Short,
    /// These of the plain resources are short, a bit each, and no other.
    Lacks(u8),
}

impl Refusal {
    /// kube-scheduler's phrases.
    pub(crate) fn reasons(self, view: &View<'_>, slot: u32) -> Vec<String> {
        match self {
            Refusal::Phrase(phrase) => vec![phrase.to_owned()],
            Refusal::Taint(index) => {
                vec![taints::phrase(&view.nodes.node(slot).info().taints[index])]
            }
            Refusal::NotHome => view.shape.home.iter().map(Home::phrase).collect(),
            Refusal::Short => resources::shortages(view, slot),
            Refusal::Lacks(short) => resources::phrases(short),
        }
    }

    /// The same in a form that nodes with the same reasons share, where there is one.
    pub(crate) fn detailed(self, view: &View<'_>, slot: u32) -> Refusal {
        match self {
            Refusal::Short if view.shape.requests.extended.is_empty() => {
                Refusal::Lacks(resources::lacks(view, slot))
            }
            other => other,
        }
    }
}

/// The first refusal of a stage's filters.
pub(crate) fn first_refusal(view: &View<'_>, slot: u32, stage: Stage) -> Option<Refusal> {
    let filters = match stage {
        Stage::Static => &FILTERS[..STATIC_LEN],
        Stage::Dynamic => &FILTERS[STATIC_LEN..],
        Stage::Local => &FILTERS[STATIC_LEN..LOCAL_END],
        Stage::Around => &FILTERS[LOCAL_END..],
    };
    filters.iter().find_map(|filter| (filter.refuse)(view, slot))
}

/// Whether the node itself has room: the local stage, asked most often.
#[inline]
pub(crate) fn has_room(view: &View<'_>, slot: u32) -> bool {
    resources::fits(view, slot)
        && (view.shape.ports.is_empty() || first_refusal(view, slot, Stage::Local).is_none())
}

/// What plain resources the node lacks, a bit each.
pub(crate) fn lacks(view: &View<'_>, slot: u32) -> u8 {
    resources::lacks(view, slot)
}

/// kube-scheduler's phrases for them.
pub(crate) fn lacking(short: u8) -> Vec<String> {
    resources::phrases(short)
}

/// What keeps a pod from the node that it names past the filters: nothing runs on one that is not
/// ready or only watched, away from its data, that it would have to leave at once, or without the
/// devices.
pub(crate) fn unable(view: &View<'_>, slot: u32) -> Option<String> {
    let refused = [watched::FILTER, ready::FILTER, claims::FILTER];
    let refusal = refused.iter().find_map(|filter| (filter.refuse)(view, slot));
    let refusal = refusal.or_else(|| taints::evicts(view, slot));
    if let Some(refusal) = refusal {
        return refusal.reasons(view, slot).into_iter().next();
    }
    resources::short_devices(view, slot).map(|name| format!("Insufficient {name}"))
}

/// How many filters are static; they stand first.
const STATIC_LEN: usize = {
    let mut len = 0;
    while matches!(FILTERS[len].stage, Stage::Static) {
        len += 1;
    }
    len
};

/// Where the local filters end; they stand second.
const LOCAL_END: usize = {
    let mut len = STATIC_LEN;
    while matches!(FILTERS[len].stage, Stage::Local) {
        len += 1;
    }
    len
};

#[cfg(test)]
mod tests {
    use super::{FILTERS, LOCAL_END, STATIC_LEN, Stage};

    #[test]
    fn stages_stand_one_after_the_other_and_names_are_unique() {
        let is_static: Vec<bool> = FILTERS.iter().map(|f| f.stage == Stage::Static).collect();
        assert_eq!(is_static.iter().filter(|s| **s).count(), STATIC_LEN);
        assert!(FILTERS[LOCAL_END..].iter().all(|filter| filter.stage == Stage::Around));
        let names: std::collections::BTreeSet<_> = FILTERS.iter().map(|f| f.name).collect();
        assert_eq!(names.len(), FILTERS.len());
    }
}
