//! The short rendering of an input, for the ledger: made when it becomes a cause, not when it is read.

use setpoint_schemas::{
    Cause, Lease, NodeName, NodeRecord, NodeSnapshot, PodObserved, PodPhase, Position, Request,
};

/// A request as the cause of what follows from it.
pub(crate) fn cause_of_request(at: Position, request: &Request) -> Cause {
    let text = match request.items.as_slice() {
        [item] => {
            format!("{} asks to {:?} {} {}", request.actor, item.verb, item.kind, item.name)
        }
        items => format!("{} asks for {} changes", request.actor, items.len()),
    };
    cause_at(at, text)
}

/// A node that reports itself.
pub(crate) fn cause_of_node(at: Position, record: &NodeRecord) -> Cause {
    let ready = if record.is_ready() { "ready" } else { "not ready" };
    cause_at(at, format!("node {} reports itself {ready}", record.node))
}

/// A node that was removed.
pub(crate) fn cause_of_removal(at: Position, node: &NodeName) -> Cause {
    cause_at(at, format!("node {node} was removed"))
}

/// A lease that is renewed.
pub(crate) fn cause_of_lease(at: Position, lease: &Lease) -> Cause {
    cause_at(at, format!("node {} renewed its lease (#{})", lease.node, lease.sequence))
}

/// A pod as it was observed.
pub(crate) fn cause_of_pod(at: Position, pod: &PodObserved) -> Cause {
    let name = (pod.namespace.as_str(), pod.name.as_str());
    pod_cause(at, name, &pod.node, (pod.phase, pod.ready, &pod.reason))
}

/// A pod as it was observed, from what is kept of it: its namespace and name, its node, and its phase,
/// whether it was ready, and the reason.
pub(crate) fn pod_cause(
    at: Position,
    (namespace, name): (&str, &str),
    node: &NodeName,
    (phase, ready, reason): (PodPhase, bool, &str),
) -> Cause {
    let ready = if ready { ", ready" } else { "" };
    let comma = if reason.is_empty() { "" } else { ", " };
    cause_at(at, format!("pod {namespace}/{name} is {phase:?}{ready}{comma}{reason} on {node}"))
}

/// All that a node says it has.
pub(crate) fn cause_of_snapshot(at: Position, snapshot: &NodeSnapshot) -> Cause {
    let NodeSnapshot { node, uids, sequence, .. } = snapshot;
    cause_at(at, format!("node {node} has {} pods (snapshot #{sequence})", uids.len()))
}

fn cause_at(at: Position, text: String) -> Cause {
    let Position { topic, partition, offset } = at;
    Cause { topic: topic.name().to_owned(), partition, offset, text }
}
