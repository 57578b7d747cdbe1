//! People who are choosy: about nodes, and about the neighbours of their pods.

use serde_json::{Value, json};
use setpoint_schemas::{GPU, GPU_MILLI, GPU_PRODUCT, RequestItem, Verb};

use crate::draw::Draw;
use crate::manifests::patch;

/// Zones that operators give to nodes.
const ZONES: [&str; 3] = ["north", "south", "west"];
/// The label that says them.
const ZONE: &str = "topology.kubernetes.io/zone";
/// The label that every node has of itself.
const HOST: &str = "kubernetes.io/hostname";
/// Applications that pods want near or far.
const APPS: [&str; 3] = ["web", "api", "db"];

/// Makes a pod spec ask for something of its node or of its neighbours.
pub(super) fn choose(draw: &mut Draw, spec: &mut Value) {
    match draw.below(13) {
        0 => spec["nodeSelector"] = json!({"disk": "ssd"}),
        1 => spec["affinity"] = near_node(draw),
        2 => spec["tolerations"] = json!([{"key": "only", "operator": "Exists"}]),
        3 => {
            let port = json!([{"containerPort": 80, "hostPort": *draw.pick(&[8080, 9090])}]);
            spec["containers"][0]["ports"] = port;
        }
        4 => spec["topologySpreadConstraints"] = spread(draw, ZONE),
        5 => spec["topologySpreadConstraints"] = spread(draw, HOST),
        6 => spec["affinity"] = json!({"podAffinity": neighbours(draw)}),
        7 => spec["affinity"] = json!({"podAntiAffinity": neighbours(draw)}),
        8 => ask(spec, GPU, draw.between(1, 2)),
        9 | 10 => ask(spec, GPU_MILLI, *draw.pick(&[100, 300, 470, 600, 1000])),
        _ => {}
    }
    if draw.chance(100) && spec["nodeSelector"].is_null() {
        spec["nodeSelector"] = json!({GPU_PRODUCT: *draw.pick(&["T4", "V100"])});
    }
}

/// Makes the only container ask for devices, or for a share of one.
fn ask(spec: &mut Value, resource: &str, amount: i64) {
    let resources = &mut spec["containers"][0]["resources"];
    for field in ["requests", "limits"] {
        resources[field][resource] = json!(amount.to_string());
    }
}

/// Marks a node: a zone, a disk, a taint, or none of them.
pub(super) fn mark(draw: &mut Draw, node: &str) -> RequestItem {
    let body = match draw.below(6) {
        0..=2 => json!({"metadata": {"labels": {ZONE: *draw.pick(&ZONES)}}}),
        3 => json!({"metadata": {"labels": {"disk": *draw.pick(&["ssd", "hdd"])}}}),
        4 => json!({"spec": {"taints": [{"key": "only", "value": "x", "effect": "NoSchedule"}]}}),
        _ => json!({"spec": {"taints": null}}),
    };
    patch(Verb::MergePatch, ("v1", "Node"), "", node, &body)
}

fn near_node(draw: &mut Draw) -> Value {
    let operator = *draw.pick(&["In", "NotIn", "Exists"]);
    let values = if operator == "Exists" { json!([]) } else { json!([*draw.pick(&ZONES)]) };
    let expression = json!({"key": ZONE, "operator": operator, "values": values});
    json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": [{"matchExpressions": [expression]}],
    }}})
}

fn spread(draw: &mut Draw, key: &str) -> Value {
    let app = *draw.pick(&APPS);
    json!([{"maxSkew": draw.between(1, 2), "topologyKey": key,
        "whenUnsatisfiable": *draw.pick(&["DoNotSchedule", "DoNotSchedule", "ScheduleAnyway"]),
        "labelSelector": {"matchLabels": {"app": app}}}])
}

fn neighbours(draw: &mut Draw) -> Value {
    let (app, key) = (*draw.pick(&APPS), *draw.pick(&[ZONE, HOST]));
    json!({"requiredDuringSchedulingIgnoredDuringExecution": [
        {"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": key},
    ]})
}
