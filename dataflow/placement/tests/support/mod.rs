//! Fleets and pods written as JSON, in the shape of the table of scheduler facts: nodes have
//! 4 cpu, 32 Gi and 110 pod slots unless they say otherwise; `requests` and `hostPorts`
//! (`PROTOCOL/IP/PORT`) are short for one container with them.
#![allow(dead_code)] // each test file uses its own part

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use setpoint_placement::{Fleet, NodeId, NodeInfo, PodId, PodShape};
use setpoint_schemas::{Device, NodeName, PodSpec, PodUid, Quantity, Resources};

pub(crate) type Labels = BTreeMap<String, String>;

pub(crate) fn uid(text: &str) -> PodUid {
    PodUid::parse(text).unwrap()
}

/// Nodes and bound pods; ids count up in the order of the text.
pub(crate) fn fleet(given: &Value) -> Fleet {
    let mut fleet = Fleet::new();
    for (namespace, labels) in given["namespaces"].as_object().into_iter().flatten() {
        fleet.set_namespace_labels(namespace, serde_json::from_value(labels.clone()).unwrap());
    }
    for (index, node) in list(&given["nodes"]).enumerate() {
        fleet.upsert_node(NodeId(index as u32), node_info(node));
    }
    for (index, pod) in list(&given["pods"]).enumerate() {
        let node = name_of(&pod["nodeName"]);
        let (id, _) = fleet.nodes().find(|(_, info)| info.name.as_str() == node).unwrap();
        let mut pod = pod.clone();
        pod.as_object_mut().unwrap().remove("nodeName");
        fleet.reserve(PodId(index as u32), id, &shape(&pod));
    }
    fleet
}

pub(crate) fn shape(pod: &Value) -> Arc<PodShape> {
    try_shape(pod).unwrap()
}

pub(crate) fn try_shape(pod: &Value) -> Result<Arc<PodShape>, setpoint_placement::CompileError> {
    let labels: Labels = serde_json::from_value(pod["labels"].clone()).unwrap_or_default();
    let namespace = pod["namespace"].as_str().unwrap_or("default");
    PodShape::compile(namespace, &labels, &spec(pod))
}

fn spec(pod: &Value) -> PodSpec {
    let mut pod = pod.clone();
    let ports: Vec<Value> = list(&pod["hostPorts"]).map(port).collect();
    if pod.get("containers").is_none() {
        pod["containers"] = json!([{ "requests": pod["requests"], "ports": ports }]);
    }
    for list in ["containers", "initContainers"] {
        let containers = pod.get_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            if container["requests"].is_object() {
                container["resources"] = json!({ "requests": container["requests"] });
            }
        }
    }
    serde_json::from_value(pod).unwrap()
}

fn port(text: &Value) -> Value {
    let parts: Vec<&str> = text.as_str().unwrap().split('/').collect();
    let number: i32 = parts[2].parse().unwrap();
    json!({ "protocol": parts[0], "hostIP": parts[1], "hostPort": number, "containerPort": number })
}

pub(crate) fn node_info(node: &Value) -> NodeInfo {
    let flag = |key: &str, default| node[key].as_bool().unwrap_or(default);
    NodeInfo {
        name: NodeName::parse(&name_of(&node["name"])).unwrap(),
        labels: serde_json::from_value(node["labels"].clone()).unwrap_or_default(),
        taints: serde_json::from_value(node["taints"].clone()).unwrap_or_default(),
        allocatable: allocatable(&node["allocatable"]),
        ready: flag("ready", true),
        unschedulable: flag("unschedulable", false),
        watched: flag("watched", false),
        devices: list(&node["devices"]).enumerate().map(device).collect(),
    }
}

/// A whole device of this model.
fn device((index, model): (usize, &Value)) -> Device {
    let id = format!("GPU-{index}");
    Device { id, model: model.as_str().unwrap().to_owned(), milli: 1000, memory_bytes: 0 }
}

fn allocatable(amounts: &Value) -> Resources {
    let mut resources =
        Resources { cpu_milli: 4000, memory_bytes: 32 << 30, pods: 110, ..Resources::default() };
    for (name, amount) in amounts.as_object().into_iter().flatten() {
        let amount = Quantity::parse(amount.as_str().unwrap()).unwrap();
        match name.as_str() {
            "cpu" => resources.cpu_milli = amount.milli(),
            "memory" => resources.memory_bytes = amount.units(),
            "ephemeral-storage" => resources.ephemeral_bytes = amount.units(),
            "pods" => resources.pods = amount.units(),
            _ => {
                resources.extended.insert(name.clone(), amount.units());
            }
        }
    }
    resources
}

/// Node names of ours are lowercase.
pub(crate) fn name_of(name: &Value) -> String {
    name.as_str().unwrap().to_lowercase()
}

pub(crate) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
