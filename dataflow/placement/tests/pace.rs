//! How fast: a fleet of 5,000 nodes takes 50,000 plain pods, then is filled to the brim. The bound
//! is wide enough for a busy machine; it is there to notice a cost that grows with the fleet.

// A panic is how a test fails; reading inputs and clocks is for tests alone.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use setpoint_placement::{Fleet, NodeId, Placing, PodId, PodShape, SAMPLES_DEFAULT};
use support::{node_info, shape, uid};

/// A hundred times what a quiet machine needs without optimization.
const SECONDS_MAX: u64 = 60;

fn fleet(nodes: u32) -> Fleet {
    let mut fleet = Fleet::new();
    for number in 0..nodes {
        let name = format!("node-{number}");
        let labels = json!({ "kubernetes.io/hostname": name, "zone": format!("z{}", number % 3) });
        fleet.upsert_node(NodeId(number), node_info(&json!({ "name": name, "labels": labels })));
    }
    fleet
}

fn fill(fleet: &mut Fleet, pods: std::ops::Range<u32>, shape: &Arc<PodShape>) -> Vec<Duration> {
    let uids: Vec<_> = pods.clone().map(|pod| uid(&format!("web-{pod}"))).collect();
    let mut took = Vec::with_capacity(uids.len());
    for (pod, uid) in pods.zip(&uids) {
        let start = Instant::now();
        let Placing::Placed { node, .. } = fleet.place(uid, shape, 1, SAMPLES_DEFAULT) else {
            panic!("the fleet has room for pod {pod}");
        };
        fleet.reserve(PodId(pod), node, shape);
        took.push(start.elapsed());
    }
    took
}

fn tell(what: &str, took: &mut [Duration]) {
    let sum: Duration = took.iter().sum();
    took.sort();
    let rate = took.len() as f64 / sum.as_secs_f64();
    let (p50, p99) = (took[took.len() / 2], took[took.len() * 99 / 100]);
    println!("{what}: {rate:.0} placements/s, p50 {p50:?}, p99 {p99:?}");
}

#[test]
fn a_large_fleet_fills_to_the_last_pod_in_time() {
    let start = Instant::now();
    let mut large = fleet(5000);
    println!("5,000 nodes told in {:?}", start.elapsed());
    let plain = shape(&json!({ "requests": { "cpu": "100m", "memory": "500Mi" } }));
    tell("50k plain pods, 0 to 25 % full", &mut fill(&mut large, 0..50_000, &plain));
    fill(&mut large, 50_000..190_000, &plain);
    tell("10k plain pods, 95 to 100 % full", &mut fill(&mut large, 190_000..200_000, &plain));
    let full = large.place(&uid("one-more"), &plain, 1, SAMPLES_DEFAULT);
    let Placing::Unplaceable(reasons) = full else { panic!("the fleet is full") };
    assert_eq!(reasons.to_string(), "0/5000 nodes are available: 5000 Insufficient cpu.");

    let selector = json!({ "matchLabels": { "app": "web" } });
    let spread = json!([{ "maxSkew": 5, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": selector }]);
    let zoned = shape(
        &json!({ "labels": { "app": "web" }, "requests": { "cpu": "100m" }, "topologySpreadConstraints": spread }),
    );
    tell("1k pods spread over 3 zones", &mut fill(&mut fleet(5000), 0..1000, &zoned));
    let anti = json!({ "podAntiAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [{ "topologyKey": "kubernetes.io/hostname", "labelSelector": selector }] } });
    let shy = shape(
        &json!({ "labels": { "app": "web" }, "requests": { "cpu": "100m" }, "affinity": anti }),
    );
    tell("1k pods that keep apart", &mut fill(&mut fleet(5000), 0..1000, &shy));
    assert!(start.elapsed() < Duration::from_secs(SECONDS_MAX), "{:?}", start.elapsed());
}
