//! What an event keeps alive, in bytes: an estimate, so that a ring of large objects is bounded.
//!
//! A text of a resource counts for the event that replaced it, where the next version has another one:
//! before that it is served, and kept anyway. What is made for an event counts whole, and what pods or
//! nodes have in common in shares, by how many hold it just then. Absent: what allocators add.

use std::sync::Arc;

use setpoint_schemas::{NodeRecord, Placement, Resource};

use super::ring::{Before, Event};
use super::seen::Seen;
use super::{Entry, NodeServed, NodeView, PodView};

/// A label, a condition or a device of a node: its words and its place in a list, roughly.
const ENTRY_BYTES: usize = 128;

/// An endpoint of a Service: its texts, some of them its own, and its place in a tree, roughly.
const ENDPOINT_BYTES: usize = 256;

impl Event {
    /// What it keeps alive, roughly.
    pub(super) fn bytes(&self) -> usize {
        let after = self.after.as_ref();
        let before = match &self.before {
            Before::Was(before) => left(before, after),
            Before::Nothing | Before::SeenAlike => 0,
        };
        size_of::<Event>() + before + after.map_or(0, made)
    }
}

/// Of how an object was: what is served no longer, and what was made to tell it.
fn left(before: &Entry, after: Option<&Entry>) -> usize {
    match (before, after) {
        (Entry::Resource(before), Some(Entry::Resource(after))) => replaced(before, after),
        (Entry::Resource(before), _) => size_of::<Resource>() + texts_bytes(before),
        (before, _) => made(before),
    }
}

/// Of how an object is: what was made to tell it.
fn made(after: &Entry) -> usize {
    match after {
        // It is served as it is here.
        Entry::Resource(_) => 0,
        Entry::Pod(pod) => pod_bytes(pod),
        Entry::Node(node) => node_bytes(node),
        Entry::Slice(slice) => share(slice.endpoints.len() * ENDPOINT_BYTES, slice),
    }
}

fn replaced(before: &Resource, after: &Resource) -> usize {
    let pairs = texts(before).into_iter().zip(texts(after));
    let others = pairs.filter(|(before, after)| !Arc::ptr_eq(before, after));
    size_of::<Resource>() + others.map(|(before, _)| before.len()).sum::<usize>()
}

fn pod_bytes(pod: &PodView) -> usize {
    let observed = pod.observed.as_ref().map_or(0, Seen::bytes);
    let placement = pod.placement.as_ref().map_or(0, |placement| {
        let pattern = &placement.pattern;
        share(size_of::<Placement>(), placement) + share(pattern.spec.len(), pattern)
    });
    let (owner, host) = (pod.owner.as_ref(), pod.host.as_ref());
    let around = owner.map_or(0, resource_share) + host.map_or(0, served_share);
    size_of::<PodView>() + observed + placement + around
}

fn node_bytes(node: &NodeView) -> usize {
    let (served, resource) = (node.served.as_ref(), node.resource.as_ref());
    size_of::<NodeView>() + served.map_or(0, served_share) + resource.map_or(0, resource_share)
}

fn resource_share(resource: &Arc<Resource>) -> usize {
    share(size_of::<Resource>() + texts_bytes(resource), resource)
}

fn served_share(served: &Arc<NodeServed>) -> usize {
    let record = &served.record;
    let entries = record.labels.len() + record.conditions.len() + record.devices.len();
    share(size_of::<NodeServed>() + served.devices.len() * ENTRY_BYTES, served)
        + share(size_of::<NodeRecord>() + entries * ENTRY_BYTES, record)
}

/// One holder's part.
fn share<T>(bytes: usize, held: &Arc<T>) -> usize {
    bytes / Arc::strong_count(held)
}

fn texts_bytes(resource: &Resource) -> usize {
    texts(resource).map(|text| text.len()).iter().sum()
}

/// What makes a resource large.
fn texts(resource: &Resource) -> [&Arc<str>; 4] {
    [&resource.body, &resource.status, &resource.managers, &resource.history]
}

#[cfg(test)]
mod tests {
    use setpoint_schemas::samples;

    use super::*;

    const BODY_BYTES: usize = 1 << 20;

    fn large() -> Resource {
        Resource { body: Arc::from("x".repeat(BODY_BYTES)), ..samples::desired() }
    }

    #[test]
    fn a_body_counts_where_it_is_replaced_or_deleted() {
        let entry = |resource: &Resource| Entry::Resource(Arc::new(resource.clone()));
        let (first, other) = (large(), large());
        let restated = Resource { status: Arc::from("{\"replicas\":1}"), ..first.clone() };
        let was = || Before::Was(entry(&first));
        for (what, before, after, counts) in [
            ("created", Before::Nothing, Some(entry(&first)), false),
            ("another status", was(), Some(entry(&restated)), false),
            ("another body", was(), Some(entry(&other)), true),
            ("deleted", was(), None, true),
        ] {
            let weight = Event { epoch: 1, before, after }.bytes();
            assert_eq!(weight >= BODY_BYTES, counts, "{what}: {weight} bytes");
        }
    }
}
