//! The case in which pods wait that can never fit, while real work arrives a hundred times a second:
//! what is tried again must not hold up what is new.
//!
//! Arrivals stand a hundredth of a second apart on a clock of our own; the work on each is timed,
//! and whoever arrives while it lasts waits for its end. The waiting pods are all tried again after
//! each pod that is placed, since it may be the company that they ask for.

use std::time::Duration;

use setpoint_placement::{Fleet, NodeId, Placing, SAMPLES_DEFAULT};

use crate::cases::case::{Case, Pods};
use crate::cases::stage::{self, Offer};
use crate::cases::templates::{self, Node, Pod};
use crate::clock::timed;
use crate::measurement::Measurement;

/// Its name there; file misc, no floor.
pub(crate) const NAME: &str = "LowAPIServerQPSWithMultipleUnscheduledPods";
const NODES: usize = 1_000;
const WAITING: Pods = Pods::of(Pod::AffinityLarge, 400, "sched-0");
const ARRIVING: Pods = Pods::of(Pod::Blue, 1_000, "sched-1");
/// What the client there is limited to: 100 requests a second.
const APART: Duration = Duration::from_millis(10);

/// The 99th percentile from a pod's arrival to its decision.
pub(crate) fn measure(size: usize) -> anyhow::Result<Vec<Measurement>> {
    let mut fleet = Fleet::new();
    for number in 0..Case::scaled(NODES, size) {
        let mut node = templates::node(Node::Default, number);
        node["labels"] = serde_json::json!({ (templates::HOSTNAME): node["name"] });
        fleet.upsert_node(NodeId(u32::try_from(number)?), stage::node_info(&node)?);
    }
    let mut next = 0;
    let waiting = stage::made(&WAITING, size, &mut next)?;
    let arriving = stage::made(&ARRIVING, size, &mut next)?;
    try_again(&mut fleet, &waiting)?;
    let mut latencies = Vec::with_capacity(arriving.len());
    let (mut arrived, mut free) = (Duration::ZERO, Duration::ZERO);
    for offer in &arriving {
        arrived += APART;
        let (decided, took) = timed(|| stage::decide(&mut fleet, offer));
        decided?;
        let done = arrived.max(free) + took;
        latencies.push(done.saturating_sub(arrived));
        let (tried, took) = timed(|| try_again(&mut fleet, &waiting));
        tried?;
        free = done + took;
    }
    latencies.sort_unstable();
    let p99 = latencies[latencies.len() * 99 / 100].as_secs_f64() * 1e6;
    let note = format!("{} pods wait and are tried again after each decision", waiting.len());
    let name = format!("cases/{NAME}/arrival to decision/p99");
    Ok(vec![Measurement::new(name, p99, "µs").noted(note)])
}

fn try_again(fleet: &mut Fleet, waiting: &[Offer]) -> anyhow::Result<()> {
    for offer in waiting {
        let placing = fleet.place(&offer.uid, &offer.shape, 1, SAMPLES_DEFAULT);
        anyhow::ensure!(matches!(placing, Placing::Unplaceable(_)), "a whole node was free");
    }
    Ok(())
}
