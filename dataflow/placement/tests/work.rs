//! What a placement costs follows what changed, not the number of nodes: how many nodes are asked
//! is counted on a fleet and on one ten times as large.

// A panic is how a test fails; reading inputs and clocks is for tests alone.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod support;

use serde_json::{Value, json};
use setpoint_placement::{Fleet, NodeId, Placing, PodId, SAMPLES_DEFAULT};
use support::{node_info, shape, uid};

/// Nodes that may be asked for a pod in the mean, whatever it looks at: two samples for each of the
/// camps that are drawn from, each drawn twice at most.
const ASKED_MAX: u64 = 48;
const PODS: u32 = 300;

/// How many nodes were asked for each of some pods with labels of their own.
fn asked(nodes: u32, pod: &Value) -> u64 {
    let mut fleet = Fleet::new();
    for number in 0..nodes {
        let name = format!("node-{number}");
        let labels = json!({ "kubernetes.io/hostname": name, "zone": format!("z{}", number % 3) });
        fleet.upsert_node(NodeId(number), node_info(&json!({ "name": name, "labels": labels })));
    }
    for number in 0..PODS {
        let mut pod = pod.clone();
        pod["labels"] = json!({ "app": "web", "number": format!("n{number}") });
        let shape = shape(&pod);
        let placing = fleet.place(&uid(&format!("web-{number}")), &shape, 1, SAMPLES_DEFAULT);
        let Placing::Placed { node, .. } = placing else { panic!("{placing:?}") };
        fleet.reserve(PodId(number), node, &shape);
    }
    fleet.nodes_asked() / u64::from(PODS)
}

#[test]
fn ten_times_the_nodes_are_not_asked_more_often() {
    let web = json!({ "matchLabels": { "app": "web" } });
    let term = |key: &str| json!({ "topologyKey": key, "labelSelector": web });
    let required =
        |key: &str| json!({ "requiredDuringSchedulingIgnoredDuringExecution": [term(key)] });
    let preferred = |key: &str| {
        json!({ "preferredDuringSchedulingIgnoredDuringExecution":
        [{ "weight": 1, "podAffinityTerm": term(key) }] })
    };
    let spread = |key: &str, when: &str| {
        json!([{ "maxSkew": 1, "topologyKey": key,
        "whenUnsatisfiable": when, "labelSelector": web }])
    };
    let host = "kubernetes.io/hostname";
    for pod in [
        json!({ "requests": { "cpu": "100m" } }),
        json!({ "hostPorts": ["TCP//80"] }),
        json!({ "affinity": { "podAffinity": required("zone") } }),
        json!({ "affinity": { "podAntiAffinity": required(host) } }),
        json!({ "affinity": { "podAffinity": preferred(host) } }),
        json!({ "affinity": { "podAntiAffinity": preferred(host) } }),
        json!({ "topologySpreadConstraints": spread("zone", "DoNotSchedule") }),
        json!({ "topologySpreadConstraints": spread(host, "DoNotSchedule") }),
        json!({ "topologySpreadConstraints": spread("zone", "ScheduleAnyway") }),
        json!({ "topologySpreadConstraints": spread(host, "ScheduleAnyway") }),
    ] {
        let (few, many) = (asked(500, &pod), asked(5_000, &pod));
        assert!(few <= ASKED_MAX && many <= ASKED_MAX, "{few} and {many} nodes for {pod}");
    }
}
