//! What the pod asks for is free on the node: cpu, memory, disk, extended resources, a pod slot.
//!
//! Kubernetes: plugin NodeResourcesFit. What is not asked for is not checked, so a pod without
//! requests fits on a node that is overcommitted, as long as a pod slot is free.

use super::{Filter, Refusal, Stage};
use crate::view::View;

pub(super) const FILTER: Filter = Filter {
    name: "NodeResourcesFit",
    stage: Stage::Dynamic,
    refuse: |view, slot| (!fits(view, slot)).then_some(Refusal::Short),
};

/// Whether the pod fits; the hottest function of the crate.
#[inline]
pub(crate) fn fits(view: &View<'_>, slot: u32) -> bool {
    let (asks, free) = (&view.shape.requests, view.nodes.hot(slot));
    let enough = |asked: i64, free: i64| asked == 0 || asked <= free;
    enough(asks.cpu_milli, free.cpu_free)
        && enough(asks.memory_bytes, free.memory_free)
        && enough(asks.ephemeral_bytes, free.ephemeral_free)
        && enough(asks.pods, free.pods_free)
        && (asks.extended.is_empty() || short_extended(view, slot).next().is_none())
}

/// Every resource that is short, in kube-scheduler's words.
pub(super) fn shortages(view: &View<'_>, slot: u32) -> Vec<String> {
    let (asks, free) = (&view.shape.requests, view.nodes.hot(slot));
    let mut reasons = Vec::new();
    if asks.pods > free.pods_free {
        reasons.push("Too many pods".to_owned());
    }
    for (name, asked, free) in [
        ("cpu", asks.cpu_milli, free.cpu_free),
        ("memory", asks.memory_bytes, free.memory_free),
        ("ephemeral-storage", asks.ephemeral_bytes, free.ephemeral_free),
    ] {
        if asked != 0 && asked > free {
            reasons.push(format!("Insufficient {name}"));
        }
    }
    reasons.extend(short_extended(view, slot).map(|name| format!("Insufficient {name}")));
    reasons
}

fn short_extended<'a>(view: &'a View<'_>, slot: u32) -> impl Iterator<Item = &'a str> {
    let node = view.nodes.node(slot);
    let (has, used) = (&node.info().allocatable.extended, &node.allocated.extended);
    let asks = view.shape.requests.extended.iter().filter(|(_, asked)| **asked > 0);
    asks.filter(move |(name, asked)| {
        let amount = |of: &std::collections::BTreeMap<String, i64>| of.get(*name).copied();
        let free = amount(has).unwrap_or(0).saturating_sub(amount(used).unwrap_or(0));
        **asked > free
    })
    .map(|(name, _)| name.as_str())
}
