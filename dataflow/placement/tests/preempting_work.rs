//! What a preemption costs follows what changed, not the number of nodes: how many nodes' pods are
//! looked at is counted on a fleet and on one ten times as large.

// A panic is how a test fails; reading inputs and clocks is for tests alone.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod support;

use std::cell::Cell;

use serde_json::json;
use setpoint_placement::{Fleet, NodeId, Occupant, PodId, Roster};
use setpoint_schemas::PodUid;
use support::{node_info, shape, uid};

/// Nodes whose pods are looked at for one preemption once the nodes are ranked: those that the one
/// before changed, and the chosen one.
const LOOKED_AT_MAX: usize = 2;
/// Pods on each node before.
const PODS_A_NODE: u32 = 4;
/// Preemptions counted.
const PREEMPTIONS: usize = 100;

/// Who is where, and how often that was asked.
struct Guests {
    on: Vec<Vec<(PodId, PodUid)>>,
    asked: Cell<usize>,
}

impl Roster for Guests {
    fn occupants<'a>(&'a self, node: NodeId, into: &mut Vec<Occupant<'a>>) {
        self.asked.set(self.asked.get() + 1);
        let here = &self.on[node.0 as usize];
        into.extend(here.iter().map(|(pod, uid)| Occupant {
            pod: *pod,
            uid,
            since_ms: 0,
            budgets: &[],
        }));
    }

    fn allowed(&self, _budget: u32) -> i64 {
        0
    }
}

/// A fleet full of low pods, and who is where.
fn full(nodes: u32) -> (Fleet, Guests) {
    let mut fleet = Fleet::new();
    let low = shape(&json!({ "requests": { "cpu": "900m" } }));
    let mut on = Vec::new();
    for number in 0..nodes {
        let name = format!("node-{number}");
        fleet.upsert_node(NodeId(number), node_info(&json!({ "name": name })));
        let ids = number * PODS_A_NODE..(number + 1) * PODS_A_NODE;
        let pods: Vec<(PodId, PodUid)> =
            ids.map(|id| (PodId(id), uid(&format!("low-{id}")))).collect();
        pods.iter().for_each(|(pod, _)| fleet.reserve(*pod, NodeId(number), &low));
        on.push(pods);
    }
    (fleet, Guests { on, asked: Cell::new(0) })
}

/// How many nodes' pods were looked at for each of some preemptions, after the first.
fn looked_at(nodes: u32) -> usize {
    let (mut fleet, mut guests) = full(nodes);
    let high = shape(&json!({ "requests": { "cpu": "3" }, "priority": 10 }));
    for number in 0..=PREEMPTIONS {
        if number == 1 {
            guests.asked.set(0);
        }
        let uid = uid(&format!("high-{number}"));
        let found = fleet.preempt(&uid, &high, 1, &guests).unwrap();
        assert_eq!(found.victims.len(), 3);
        let here = &mut guests.on[found.node.0 as usize];
        here.retain(|(pod, _)| !found.victims.contains(pod));
        found.victims.iter().for_each(|victim| fleet.release(*victim));
        let id = PodId(1_000_000 + number as u32);
        fleet.reserve(id, found.node, &high);
        here.push((id, uid));
    }
    guests.asked.get() / PREEMPTIONS
}

#[test]
fn ten_times_the_nodes_are_not_looked_at_more_often() {
    for nodes in [500, 5_000] {
        let looked_at = looked_at(nodes);
        assert!(looked_at <= LOOKED_AT_MAX, "{looked_at} of {nodes} nodes for one preemption");
    }
}

#[test]
fn what_nobody_can_help_is_not_looked_for_again() {
    let (mut fleet, guests) = full(5_000);
    let vast = shape(&json!({ "requests": { "cpu": "9" }, "priority": 10 }));
    for number in 0..500 {
        let found = fleet.preempt(&uid(&format!("vast-{number}")), &vast, number, &guests);
        assert_eq!(found, None);
        let low = shape(&json!({ "requests": { "cpu": "10m" } }));
        fleet.reserve(PodId(2_000_000 + number as u32), NodeId(number as u32), &low);
    }
    assert_eq!(guests.asked.get(), 0, "amounts alone tell that no node can help");
}
