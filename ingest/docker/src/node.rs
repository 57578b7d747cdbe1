//! What an engine says of itself, as a node. Pure.

use std::collections::BTreeMap;

use bollard::models::SystemInfo;
use setpoint_schemas::{Condition, ConditionStatus, NodeRecord, Resources, WATCHED_LABEL};

use crate::{Scope, Watcher};

/// The runtime's name in a node's record.
const RUNTIME: &str = "docker";
/// The kubelet's default.
const PODS_MAX: i64 = 110;

/// The engine as a node that is ready. One that is not ours has nothing to give: no pod fits.
#[must_use]
pub fn node_of(watcher: &Watcher, info: &SystemInfo, now_ms: i64) -> NodeRecord {
    let capacity = Resources {
        cpu_milli: info.ncpu.unwrap_or(0).saturating_mul(1_000),
        memory_bytes: info.mem_total.unwrap_or(0),
        pods: PODS_MAX,
        ..Resources::default()
    };
    NodeRecord {
        runtime_version: info.server_version.clone().unwrap_or_default(),
        allocatable: match watcher.scope {
            Scope::Fleet(_) => capacity.clone(),
            Scope::Unmanaged => Resources::default(),
        },
        capacity,
        labels: labels(watcher, info),
        ..record(watcher, ready(ConditionStatus::True, "RuntimeReady", "", now_ms), now_ms)
    }
}

/// The engine as a node whose runtime does not answer, and why.
#[must_use]
pub fn node_unreachable(
    watcher: &Watcher,
    last: Option<&NodeRecord>,
    why: &str,
    now_ms: i64,
) -> NodeRecord {
    let condition = ready(ConditionStatus::False, "RuntimeUnavailable", why, now_ms);
    match last {
        Some(last) => NodeRecord { conditions: vec![condition], time_ms: now_ms, ..last.clone() },
        None => record(watcher, condition, now_ms),
    }
}

fn record(watcher: &Watcher, condition: Condition, now_ms: i64) -> NodeRecord {
    NodeRecord {
        node: watcher.node.clone(),
        session: watcher.session.clone(),
        started_ms: 0,
        time_ms: now_ms,
        runtime: RUNTIME.to_owned(),
        runtime_version: String::new(),
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        address: String::new(),
        capacity: Resources::default(),
        allocatable: Resources::default(),
        labels: labels(watcher, &SystemInfo::default()),
        conditions: vec![condition],
        devices: Vec::new(),
    }
}

fn ready(status: ConditionStatus, reason: &str, message: &str, now_ms: i64) -> Condition {
    Condition {
        kind: "Ready".to_owned(),
        status,
        reason: reason.to_owned(),
        message: message.to_owned(),
        transition_ms: now_ms,
    }
}

/// Kubernetes' labels of every node, and the engine's own, written `key=value`.
fn labels(watcher: &Watcher, info: &SystemInfo) -> BTreeMap<String, String> {
    let own = info.labels.iter().flatten().filter_map(|label| label.split_once('='));
    let mut labels: BTreeMap<String, String> =
        own.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    labels.insert("kubernetes.io/hostname".to_owned(), watcher.node.to_string());
    if watcher.scope == Scope::Unmanaged {
        labels.insert(WATCHED_LABEL.to_owned(), "true".to_owned());
    }
    let machine = [("kubernetes.io/os", &info.os_type), ("kubernetes.io/arch", &info.architecture)];
    for (key, value) in machine {
        if let Some(value) = value {
            labels.insert(key.to_owned(), arch_of(value).to_owned());
        }
    }
    labels
}

/// Kubernetes has Go's names of machines, the engine has the kernel's.
fn arch_of(text: &str) -> &str {
    match text {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use setpoint_schemas::{NodeName, SessionId};

    use super::*;
    use crate::Scope;

    #[test]
    fn an_engine_is_a_node_and_keeps_its_figures_when_it_falls_silent() {
        let watcher = Watcher {
            node: NodeName::parse("n1").expect("a node"),
            session: SessionId::parse("s").expect("a session"),
            scope: Scope::Unmanaged,
        };
        let info = serde_json::from_str(
            r#"{"NCPU": 2, "MemTotal": 1024, "ServerVersion": "20.10", "OSType": "linux",
                "Architecture": "x86_64", "Labels": ["zone=a", "broken"]}"#,
        );
        let node = node_of(&watcher, &info.expect("an answer of the engine"), 5);
        assert!(node.is_ready());
        assert_eq!((node.capacity.cpu_milli, node.capacity.memory_bytes), (2_000, 1_024));
        let labels: Vec<String> = node.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let expected = [
            "kubernetes.io/arch=amd64",
            "kubernetes.io/hostname=n1",
            "kubernetes.io/os=linux",
            "setpoint.dev/watched=true",
            "zone=a",
        ];
        assert_eq!(labels, expected);
        assert_eq!(node.allocatable, Resources::default(), "no pod fits on what is not ours");
        let silent = node_unreachable(&watcher, Some(&node), "no such file", 9);
        assert!(!silent.is_ready());
        assert_eq!((silent.capacity, silent.time_ms), (node.capacity, 9));
    }
}
