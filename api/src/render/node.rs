//! A node: what it says of itself, and what the Node resource asks of it.

use serde_json::{Value, json};
use setpoint_schemas::{Condition, ConditionStatus, NodeRecord};

use super::amounts::quantities;
use super::{resource, rfc3339};
use crate::model::{DeviceServed, NodeServed, NodeView};

/// What is said of a node that is not heard.
const SILENT: &str = "the node does not renew its lease";

/// The Node object. Beside Kubernetes' own fields, `status.requested` says what its pods reserve, and
/// `status.devices` what is left of each of its devices.
pub(crate) fn render(node: &NodeView) -> Value {
    let mut object = match &node.resource {
        Some(accepted) => resource::body_of(accepted),
        None => json!({"apiVersion": "v1", "kind": "Node", "metadata": {}}),
    };
    if !object["spec"].is_object() {
        object["spec"] = json!({});
    }
    let metadata = &mut object["metadata"];
    metadata["name"] = json!(node.name);
    metadata["resourceVersion"] = json!(node.version.to_string());
    metadata["labels"] = json!(node.labels());
    if metadata["uid"].is_null() {
        metadata["uid"] = json!(node.name);
    }
    if let Some(served) = &node.served {
        if metadata["creationTimestamp"].is_null() {
            metadata["creationTimestamp"] = rfc3339(born(&served.record));
        }
        object["status"] = status(served, lost_ms(node));
    } else {
        object["status"] = json!({"conditions": [unknown("NodeNeverReported", SILENT, 0)]});
    }
    object
}

fn status(node: &NodeServed, lost_ms: Option<i64>) -> Value {
    let record = &node.record;
    let runtime = format!("{}://{}", record.runtime, record.runtime_version);
    let mut addresses = vec![json!({"type": "Hostname", "address": record.node})];
    if !record.address.is_empty() {
        addresses.insert(0, json!({"type": "InternalIP", "address": record.address}));
    }
    let mut status = json!({
        "capacity": quantities(&record.capacity),
        "allocatable": quantities(&record.allocatable),
        "requested": quantities(&node.requested),
        "conditions": conditions(node, lost_ms),
        "addresses": addresses,
        "nodeInfo": {
            "machineID": record.node, "systemUUID": record.node, "bootID": record.session,
            "kernelVersion": label(record, "setpoint.dev/kernel"),
            "osImage": label(record, "setpoint.dev/os-image"),
            "containerRuntimeVersion": runtime,
            "kubeletVersion": record.agent_version, "kubeProxyVersion": "",
            "operatingSystem": label(record, "kubernetes.io/os"),
            "architecture": label(record, "kubernetes.io/arch"),
        },
    });
    if !node.devices.is_empty() {
        status["devices"] = node.devices.iter().enumerate().map(device).collect();
    }
    status
}

/// A device and what is left of it, in thousandths.
fn device((index, device): (usize, &DeviceServed)) -> Value {
    let DeviceServed { id, model, milli, left } = device;
    json!({"name": id, "index": index, "model": model, "milli": milli, "milliFree": left})
}

fn label<'a>(record: &'a NodeRecord, name: &str) -> &'a str {
    record.labels.get(name).map_or("", String::as_str)
}

/// The conditions as said, heard with the node's last word of itself; of a lost node, and of a silent
/// one under a hold, nobody knows any of them.
fn conditions(node: &NodeServed, lost_ms: Option<i64>) -> Value {
    let record = &node.record;
    let silence = match (&node.doubt, node.lost) {
        (_, true) => Some(("NodeStatusUnknown", SILENT)),
        (Some(doubt), false) => Some(("ReplacementsHeld", doubt.as_str())),
        (None, false) => None,
    };
    if let Some((reason, message)) = silence {
        let since_ms = lost_ms.filter(|_| node.lost).unwrap_or(record.time_ms);
        let of = |c: &Condition| unknown_of(&c.kind, (reason, message), (record.time_ms, since_ms));
        return record.conditions.iter().map(of).collect();
    }
    let word = |condition: &Condition| match condition.status {
        ConditionStatus::True => "True",
        ConditionStatus::False => "False",
        ConditionStatus::Unknown => "Unknown",
    };
    let said = |c: &Condition| {
        json!({
            "type": c.kind, "status": word(c), "reason": c.reason, "message": c.message,
            "lastHeartbeatTime": rfc3339(record.time_ms),
            "lastTransitionTime": rfc3339(c.transition_ms),
        })
    };
    record.conditions.iter().map(said).collect()
}

fn unknown(reason: &str, message: &str, since_ms: i64) -> Value {
    unknown_of("Ready", (reason, message), (since_ms, since_ms))
}

/// When the leader took a node for lost, as its resource says it; nothing of one that was lost before that
/// was written down.
fn lost_ms(node: &NodeView) -> Option<i64> {
    let status: Value = serde_json::from_str(&node.resource.as_ref()?.status).ok()?;
    status["lostMs"].as_i64()
}

/// A condition of which nobody knows any more; when its node spoke of it last, and since when it is so.
fn unknown_of(
    kind: &str,
    (reason, message): (&str, &str),
    (heard_ms, since_ms): (i64, i64),
) -> Value {
    json!({
        "type": kind, "status": "Unknown", "reason": reason, "message": message,
        "lastHeartbeatTime": rfc3339(heard_ms), "lastTransitionTime": rfc3339(since_ms),
    })
}

/// The earliest time that the node speaks of.
fn born(record: &NodeRecord) -> i64 {
    let transitions = record.conditions.iter().map(|c| c.transition_ms).filter(|ms| *ms > 0);
    transitions.min().unwrap_or(record.time_ms)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use setpoint_schemas::{Resource, Resources, samples};

    use super::*;

    #[test]
    fn a_lost_node_says_when_it_was_heard_and_since_when_it_is_lost() {
        let record = Arc::new(samples::node());
        let (heard, heard_ms) = (rfc3339(record.time_ms), record.time_ms);
        let served = NodeServed {
            record,
            lost: true,
            doubt: None,
            requested: Resources::default(),
            devices: Vec::new(),
            last_epoch: 7,
            lease: None,
        };
        let since = |status: &str| {
            let resource = Resource {
                api_version: "v1".to_owned(),
                kind: "Node".to_owned(),
                namespace: String::new(),
                status: status.into(),
                ..samples::desired()
            };
            let node = NodeView {
                name: "web".into(),
                served: Some(Arc::new(served.clone())),
                resource: Some(Arc::new(resource)),
                version: 7,
            };
            let ready = render(&node)["status"]["conditions"][0].clone();
            assert_eq!(
                (&ready["status"], &ready["lastHeartbeatTime"]),
                (&json!("Unknown"), &heard)
            );
            ready["lastTransitionTime"].clone()
        };
        let lost_ms = heard_ms + 60_000;
        assert_eq!(since(&format!(r#"{{"lost":true,"lostMs":{lost_ms}}}"#)), rfc3339(lost_ms));
        assert_eq!(since(r#"{"lost":true}"#), heard, "of earlier versions");
    }
}
