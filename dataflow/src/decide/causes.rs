//! The short rendering of an input, for the ledger.

use setpoint_schemas::{Cause, Input, Sourced};

/// The input as the cause of what follows from it.
pub(crate) fn cause_of(sourced: &Sourced) -> Cause {
    Cause {
        topic: sourced.position.topic.name().to_owned(),
        partition: sourced.position.partition,
        offset: sourced.position.offset,
        text: text_of(&sourced.input),
    }
}

fn text_of(input: &Input) -> String {
    match input {
        Input::Request(request) => match request.items.as_slice() {
            [item] => {
                format!("{} asks to {:?} {} {}", request.actor, item.verb, item.kind, item.name)
            }
            items => format!("{} asks for {} changes", request.actor, items.len()),
        },
        Input::Node(record) => {
            let ready = if record.is_ready() { "ready" } else { "not ready" };
            format!("node {} reports itself {ready}", record.node)
        }
        Input::NodeRemoved(node) => format!("node {node} was removed"),
        Input::Lease(lease) => {
            format!("node {} renewed its lease (#{})", lease.node, lease.sequence)
        }
        Input::Pod(pod) => {
            let ready = if pod.ready { ", ready" } else { "" };
            let reason =
                if pod.reason.is_empty() { String::new() } else { format!(", {}", pod.reason) };
            format!(
                "pod {}/{} is {:?}{ready}{reason} on {}",
                pod.namespace, pod.name, pod.phase, pod.node
            )
        }
        Input::PodRemoved(uid) => format!("the observation of pod {uid} was removed"),
        Input::Snapshot(snapshot) => {
            format!(
                "node {} has {} pods (snapshot #{})",
                snapshot.node,
                snapshot.uids.len(),
                snapshot.sequence
            )
        }
    }
}
