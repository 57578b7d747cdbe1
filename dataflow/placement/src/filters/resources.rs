//! What the pod asks for is free on the node: cpu, memory, disk, extended resources, a pod slot.
//!
//! Kubernetes: plugin NodeResourcesFit. What is not asked for is not checked, so a pod without
//! requests fits on a node that is overcommitted, as long as a pod slot is free.

use setpoint_schemas::{GPU, GPU_MILLI};

use super::{Filter, Refusal, Stage};
use crate::view::View;

pub(super) const FILTER: Filter = Filter {
    name: "NodeResourcesFit",
    stage: Stage::Local,
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
        && (asks.extended.is_empty() || fits_extended(view, slot))
}

fn fits_extended(view: &View<'_>, slot: u32) -> bool {
    short_extended(view, slot).next().is_none() && short_devices(view, slot).is_none()
}

/// Every resource that is short, in kube-scheduler's words.
pub(super) fn shortages(view: &View<'_>, slot: u32) -> Vec<String> {
    let mut reasons = phrases(lacks(view, slot));
    let devices = short_devices(view, slot);
    let mut short: Vec<&str> = short_extended(view, slot).collect();
    short.extend(devices.filter(|name| !short.contains(name)));
    reasons.extend(short.into_iter().map(|name| format!("Insufficient {name}")));
    reasons
}

/// The plain resources that are short, a bit each.
pub(super) fn lacks(view: &View<'_>, slot: u32) -> u8 {
    let (asks, free) = (&view.shape.requests, view.nodes.hot(slot));
    let short = |asked: i64, free: i64| asked != 0 && asked > free;
    u8::from(short(asks.pods, free.pods_free))
        | u8::from(short(asks.cpu_milli, free.cpu_free)) << 1
        | u8::from(short(asks.memory_bytes, free.memory_free)) << 2
        | u8::from(short(asks.ephemeral_bytes, free.ephemeral_free)) << 3
}

/// What kube-scheduler says of each bit.
const PHRASES: [&str; 4] =
    ["Too many pods", "Insufficient cpu", "Insufficient memory", "Insufficient ephemeral-storage"];

pub(super) fn phrases(short: u8) -> Vec<String> {
    let is_short = |bit: &usize| short >> bit & 1 == 1;
    (0..PHRASES.len()).filter(is_short).map(|bit| PHRASES[bit].to_owned()).collect()
}

fn short_extended<'a>(view: &'a View<'_>, slot: u32) -> impl Iterator<Item = &'a str> {
    let node = view.nodes.node(slot);
    let (has, used) = (&node.info().allocatable.extended, &node.allocated.extended);
    let promised = &node.nominated.extended;
    let asks = view.shape.requests.extended.iter().filter(|(_, asked)| **asked > 0);
    asks.filter(move |(name, asked)| {
        let amount = |of: &std::collections::BTreeMap<String, i64>| of.get(*name).copied();
        let held = amount(used).unwrap_or(0) + amount(promised).unwrap_or(0);
        let free = amount(has).unwrap_or(0).saturating_sub(held);
        **asked > free
    })
    .map(|(name, _)| name.as_str())
}

/// The resource of devices that is short: enough of it may be left over all devices, and not on as
/// many single ones as the pod asks for.
pub(super) fn short_devices(view: &View<'_>, slot: u32) -> Option<&'static str> {
    let demand = view.shape.devices.as_ref()?;
    let fits = match view.nodes.boards.get(slot) {
        Some(board) => board.fits(demand),
        // So many devices that none has a number: they are counted as any other resource.
        None => !demand.is_share,
    };
    let name = if demand.is_share { GPU_MILLI } else { GPU };
    (!fits).then_some(name)
}
