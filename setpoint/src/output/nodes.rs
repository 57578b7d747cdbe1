//! Nodes with what is requested of them and what they may give.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;
use setpoint_schemas::{PodSpec, Quantity, Resources};

use crate::output::amount::{bytes, cpu, share};
use crate::output::columns::{age_of, node_status, or_none};
use crate::output::field::{name, text};
use crate::output::table;

/// What the pods of a node reserve.
pub(crate) type NodeUse = BTreeMap<String, Resources>;

const HEADERS: [&str; 6] = ["NAME", "STATUS", "CPU REQUESTED", "MEMORY REQUESTED", "PODS", "AGE"];
const HEADERS_ALLOCATABLE: [&str; 3] = ["CPU ALLOCATABLE", "MEMORY ALLOCATABLE", "RUNTIME"];
const HEADERS_WIDE: [&str; 2] = ["ADDRESS", "AGENT"];

/// What is requested of each node, by the pods that are placed on it and have not ended.
pub(crate) fn uses(pods: &[Value]) -> NodeUse {
    let mut uses = NodeUse::new();
    for pod in pods.iter().filter(|pod| !has_ended(pod)) {
        let node = text(pod, "/spec/nodeName");
        let spec = pod.get("spec").cloned().unwrap_or_default();
        if let (false, Ok(spec)) = (node.is_empty(), serde_json::from_value::<PodSpec>(spec)) {
            uses.entry(node.to_owned()).or_default().add(&spec.requests());
        }
    }
    uses
}

/// The table of nodes.
pub(crate) fn node_table(nodes: &[Value], uses: &NodeUse, wide: bool, now: Timestamp) -> String {
    let mut headers: Vec<&str> = HEADERS.to_vec();
    headers.splice(4..4, HEADERS_ALLOCATABLE);
    if wide {
        headers.extend(HEADERS_WIDE);
    }
    let nothing = Resources::default();
    let row = |node: &Value| row(node, uses.get(name(node)).unwrap_or(&nothing), wide, now);
    table(&headers, &nodes.iter().map(row).collect::<Vec<_>>())
}

fn row(node: &Value, used: &Resources, wide: bool, now: Timestamp) -> Vec<String> {
    let may = allocatable(node);
    let mut row = vec![
        name(node).to_owned(),
        node_status(node),
        share(&cpu(used.cpu_milli), used.cpu_milli, may.cpu_milli),
        share(&bytes(used.memory_bytes), used.memory_bytes, may.memory_bytes),
        cpu(may.cpu_milli),
        bytes(may.memory_bytes),
        or_none(runtime(node)),
        format!("{}/{}", used.pods, may.pods),
        age_of(node, now),
    ];
    if wide {
        row.push(or_none(text(node, "/status/addresses/0/address")));
        row.push(or_none(text(node, "/status/nodeInfo/kubeletVersion")));
    }
    row
}

fn runtime(node: &Value) -> &str {
    text(node, "/status/nodeInfo/containerRuntimeVersion")
}

/// What pods may use of a node; nothing where it does not say.
pub(crate) fn allocatable(node: &Value) -> Resources {
    let quantity = |name: &str| {
        let value = node.pointer(&format!("/status/allocatable/{name}"))?;
        let written = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        Quantity::parse(&written).ok()
    };
    Resources {
        cpu_milli: quantity("cpu").map_or(0, |q| q.milli()),
        memory_bytes: quantity("memory").map_or(0, |q| q.units()),
        pods: quantity("pods").map_or(0, |q| q.units()),
        ..Resources::default()
    }
}

fn has_ended(pod: &Value) -> bool {
    matches!(text(pod, "/status/phase"), "Succeeded" | "Failed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use serde_json::json;

    #[test]
    fn a_node_shows_what_is_requested_and_its_share() {
        let now: Timestamp = "2026-01-01T01:00:00Z".parse().expect("a time");
        let node = |name: &str| {
            json!({
                "metadata": {"name": name, "creationTimestamp": "2026-01-01T00:00:00Z"},
                "status": {
                    "allocatable": {"cpu": "2", "memory": "4Gi", "pods": "110"},
                    "conditions": [{"type": "Ready", "status": "True"}],
                    "nodeInfo": {"containerRuntimeVersion": "process://1"}
                }
            })
        };
        let pod = |node: &str, phase: &str| {
            json!({"status": {"phase": phase}, "spec": {"nodeName": node, "containers": [
                {"name": "a", "resources": {"requests": {"cpu": "280m", "memory": "512Mi"}}}
            ]}})
        };
        let pods = [pod("n1", "Running"), pod("n1", "Pending"), pod("n1", "Succeeded"), pod("", "Pending")];
        let mut cordoned = node("n2");
        cordoned["spec"] = json!({"unschedulable": true});
        expect![[r#"
            NAME   STATUS                     CPU REQUESTED   MEMORY REQUESTED   CPU ALLOCATABLE   MEMORY ALLOCATABLE   RUNTIME       PODS    AGE
            n1     Ready                      560m (28%)      1Gi (25%)          2                 4Gi                  process://1   2/110   60m
            n2     Ready,SchedulingDisabled   0 (0%)          0 (0%)             2                 4Gi                  process://1   0/110   60m"#]]
        .assert_eq(&node_table(&[node("n1"), cordoned], &uses(&pods), false, now));
    }
}
