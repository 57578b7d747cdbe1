//! A node's row: what is requested of it and what it may give, `560m (28%)` of `2`.

use jiff::Timestamp;
use serde_json::Value;
use setpoint_schemas::{Quantity, Resources};

use crate::output::age::age_of;
use crate::output::amount::{bytes, cpu, share};
use crate::output::field::{condition, is_true, list, name, number, or_none, text};

pub(crate) const HEADERS: &[&str] = &[
    "NAME",
    "STATUS",
    "CPU REQUESTED",
    "CPU ALLOCATABLE",
    "MEMORY REQUESTED",
    "MEMORY ALLOCATABLE",
    "PODS",
    "AGE",
];
pub(crate) const HEADERS_WIDE: &[&str] = &["GPUS FREE", "RUNTIME", "ADDRESS", "AGENT"];

pub(crate) fn node(node: &Value, now: Timestamp) -> Vec<String> {
    let (used, may) = (amounts(node, "requested"), amounts(node, "allocatable"));
    vec![
        name(node).to_owned(),
        node_status(node),
        share(&cpu(used.cpu_milli), used.cpu_milli, may.cpu_milli),
        cpu(may.cpu_milli),
        share(&bytes(used.memory_bytes), used.memory_bytes, may.memory_bytes),
        bytes(may.memory_bytes),
        format!("{}/{}", used.pods, may.pods),
        age_of(node, now),
    ]
}

pub(crate) fn node_wide(node: &Value, _: Timestamp) -> Vec<String> {
    let texts =
        ["/nodeInfo/containerRuntimeVersion", "/addresses/0/address", "/nodeInfo/kubeletVersion"];
    let texts = texts.map(|pointer| or_none(text(node, &format!("/status{pointer}"))));
    std::iter::once(gpus_free(node)).chain(texts).collect()
}

/// How many devices are free of how many, shares counted: `1.7/2`.
fn gpus_free(node: &Value) -> String {
    let devices = list(node, "/status/devices");
    let sum = |field: &str| devices.iter().map(|device| number(device, field)).sum::<i64>();
    let whole = |milli: i64| match milli % 1000 {
        0 => (milli / 1000).to_string(),
        rest => format!("{}.{rest:03}", milli / 1000).trim_end_matches('0').to_owned(),
    };
    match devices.len() {
        0 => or_none(""),
        _ => format!("{}/{}", whole(sum("/milliFree")), whole(sum("/milli"))),
    }
}

/// Whether a node is ready, and whether it takes pods.
fn node_status(object: &Value) -> String {
    let ready = match condition(object, "Ready").map(|c| text(c, "/status")) {
        Some("True") => "Ready",
        Some("False") => "NotReady",
        _ => "Unknown",
    };
    match is_true(object, "/spec/unschedulable") {
        true => format!("{ready},SchedulingDisabled"),
        false => ready.to_owned(),
    }
}

/// The amounts of a part of the status; nothing where it does not say.
fn amounts(node: &Value, part: &str) -> Resources {
    let quantity = |name: &str| {
        let value = node.pointer(&format!("/status/{part}/{name}"))?;
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
