//! One sample of each record, for tests and documentation: every field set, so that a field that
//! is forgotten somewhere is missed.
//!
//! Guarantee: the same values always; the golden files in `schemas/golden` are these, encoded.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{
    Action, Alert, AlertState, Alternative, Cause, Condition, ConditionStatus, ContainerEnd,
    ContainerObserved, ContainerState, CutEntry, DEVICE_MILLI, DeadLetter, Decision, Device,
    EpochRecord, InvalidId, Lease, NodeRecord, NodeSnapshot, Pattern, Placement, PodObserved,
    PodPhase, RefusedEntry, Request, RequestItem, Resource, Resources, TakenDevice, UsageSample,
    Verb,
};

/// Saturday, 21 November 2026, 09:30 UTC.
const TIME_MS: i64 = 1_795_253_400_000;
const POD: &str = "web-7d9f-0-1";
const NODE: &str = "node-1";
const SESSION: &str = "boot-3f2a";

/// A request that applies a Deployment and deletes a ConfigMap.
#[must_use]
pub fn request() -> Request {
    let item = |verb, api_version: &str, kind: &str, name: &str, body: &str, expected_version| {
        RequestItem {
            verb,
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: "default".to_owned(),
            name: name.to_owned(),
            subresource: String::new(),
            body: body.to_owned(),
            expected_version,
        }
    };
    let deployment = r#"{"apiVersion":"apps/v1","kind":"Deployment","spec":{"replicas":3}}"#;
    Request {
        id: id("req-1"),
        time_ms: TIME_MS,
        actor: "admin".to_owned(),
        field_manager: "setpoint".to_owned(),
        force: true,
        items: vec![
            item(Verb::Apply, "apps/v1", "Deployment", "web", deployment, None),
            item(Verb::Delete, "v1", "ConfigMap", "old", "", Some(41)),
        ],
    }
}

/// A ready node.
#[must_use]
pub fn node() -> NodeRecord {
    let amounts = |cpu_milli, memory_bytes| Resources {
        cpu_milli,
        memory_bytes,
        ephemeral_bytes: 20 << 30,
        pods: 110,
        extended: BTreeMap::from([("example.com/gpu".to_owned(), 2)]),
    };
    NodeRecord {
        node: id(NODE),
        session: id(SESSION),
        started_ms: TIME_MS,
        time_ms: TIME_MS,
        runtime: "docker".to_owned(),
        runtime_version: "20.10.24".to_owned(),
        agent_version: "0.1.0".to_owned(),
        address: "192.0.2.7".to_owned(),
        capacity: amounts(4000, 8 << 30),
        allocatable: amounts(3800, 7 << 30),
        labels: map("kubernetes.io/hostname", NODE),
        conditions: vec![Condition {
            kind: "Ready".to_owned(),
            status: ConditionStatus::True,
            reason: "AgentReady".to_owned(),
            message: "the runtime answers".to_owned(),
            transition_ms: TIME_MS - 1000,
        }],
        devices: vec![Device {
            id: "GPU-5f0c".to_owned(),
            model: "NVIDIA-A100-SXM4-80GB".to_owned(),
            milli: DEVICE_MILLI,
            memory_bytes: 80 << 30,
        }],
    }
}

/// A renewal.
#[must_use]
pub fn lease() -> Lease {
    Lease { node: id(NODE), session: id(SESSION), sequence: 12, time_ms: TIME_MS }
}

/// A running pod that was restarted once.
#[must_use]
pub fn pod_observed() -> PodObserved {
    PodObserved {
        uid: id(POD),
        node: id(NODE),
        session: id(SESSION),
        sequence: 34,
        time_ms: TIME_MS,
        namespace: id("default"),
        name: id("web-0"),
        generation: 1,
        phase: PodPhase::Running,
        ready: true,
        reason: "Restarted".to_owned(),
        message: "its container ended with code 137".to_owned(),
        address: "10.0.0.5".to_owned(),
        started_ms: TIME_MS - 60_000,
        containers: vec![ContainerObserved {
            name: "web".to_owned(),
            id: "0123abcd".to_owned(),
            image: "busybox:local".to_owned(),
            state: ContainerState::Running,
            ready: true,
            restarts: 1,
            exit_code: Some(137),
            reason: "OOMKilled".to_owned(),
            message: "out of memory".to_owned(),
            started_ms: TIME_MS - 5000,
            finished_ms: TIME_MS - 6000,
            started: true,
            last: Some(ContainerEnd {
                id: "0123abcd".to_owned(),
                exit_code: 137,
                reason: "OOMKilled".to_owned(),
                message: "out of memory".to_owned(),
                started_ms: TIME_MS - 60_000,
                finished_ms: TIME_MS - 6000,
            }),
        }],
    }
}

/// A node with two pods.
#[must_use]
pub fn node_snapshot() -> NodeSnapshot {
    NodeSnapshot {
        node: id(NODE),
        session: id(SESSION),
        sequence: 35,
        time_ms: TIME_MS,
        uids: vec![id(POD), id("web-7d9f-1-1")],
        epoch: 42,
    }
}

/// An accepted Deployment.
#[must_use]
pub fn desired() -> Resource {
    Resource {
        api_version: "apps/v1".to_owned(),
        kind: "Deployment".to_owned(),
        namespace: "default".to_owned(),
        name: "web".to_owned(),
        uid: "9c1e".to_owned(),
        generation: 2,
        version: 42,
        created_ms: TIME_MS,
        body: Arc::from(r#"{"apiVersion":"apps/v1","kind":"Deployment"}"#),
        status: Arc::from(r#"{"readyReplicas":3}"#),
        managers: Arc::from(r#"{"setpoint":["/spec/replicas"]}"#),
        history: Arc::from(r#"[{"number":1,"hash":"7d9f","template":""}]"#),
        deleted_ms: None,
    }
}

/// A placement of the pod on the node.
#[must_use]
pub fn placement() -> Placement {
    Placement {
        uid: id(POD),
        node: id(NODE),
        name: id("web-0"),
        pattern: Arc::new(pattern()),
        generation: 1,
        term: 3,
        epoch: 42,
        placed_ms: TIME_MS,
        devices: Box::new([TakenDevice {
            container: Arc::from("web"),
            index: 0,
            id: Arc::from("GPU-5f0c"),
            milli: 500,
        }]),
        at_most_one: false,
    }
}

/// What that pod has in common with others.
#[must_use]
pub fn pattern() -> Pattern {
    Pattern {
        namespace: id("default"),
        workload: Arc::from("apps/Deployment/default/web"),
        revision: Arc::from("7d9f"),
        labels: Arc::new(map("app", "web")),
        annotations: map("note", "kept"),
        spec: r#"{"containers":[{"name":"web"}]}"#.into(),
    }
}

/// The first placement of a bare pod with this uid, which is its name too, and this spec in JSON.
#[must_use]
pub fn placement_of(uid: &str, spec: &str) -> Placement {
    let pattern = Pattern {
        namespace: id("default"),
        workload: Arc::from(format!("core/Pod/default/{uid}")),
        revision: Arc::from("r1"),
        labels: Arc::default(),
        annotations: BTreeMap::new(),
        spec: spec.into(),
    };
    Placement {
        uid: id(uid),
        node: id(NODE),
        name: id(uid),
        pattern: Arc::new(pattern),
        generation: 1,
        term: 1,
        epoch: 1,
        placed_ms: 1,
        devices: Box::default(),
        at_most_one: false,
    }
}

/// An epoch that read two partitions.
#[must_use]
pub fn epoch() -> EpochRecord {
    let entry =
        |topic: &str, partition, next| CutEntry { topic: topic.to_owned(), partition, next };
    EpochRecord {
        number: 42,
        term: 3,
        time_ms: TIME_MS,
        cold: true,
        complete: true,
        renew_leases: true,
        cut: vec![entry("setpoint.requests", 0, 8), entry("setpoint.pods", 2, 1234)],
        decisions: 2,
        decisions_hash: -7_046_029_254_386_353_131,
        settings_hash: 1_234_567_890_123,
        settings: r#"{"lease_grace_ms":15000}"#.to_owned(),
        rules: "1".to_owned(),
        refused: vec![RefusedEntry {
            topic: "setpoint.pods".to_owned(),
            partition: 2,
            offset: 1233,
        }],
        rebuilt: true,
        behind: true,
    }
}

/// A placement's decision.
#[must_use]
pub fn decision() -> Decision {
    Decision {
        epoch: 42,
        term: 3,
        sequence: 1,
        time_ms: TIME_MS,
        action: Action::Place,
        pod: POD.to_owned(),
        resource: "apps/Deployment/default/web".to_owned(),
        node: NODE.to_owned(),
        request: "req-1".to_owned(),
        rule: "replicas".to_owned(),
        reason: "web wants 3 pods and has 2".to_owned(),
        causes: vec![Cause {
            topic: "setpoint.requests".to_owned(),
            partition: 0,
            offset: 7,
            text: "apply Deployment web".to_owned(),
        }],
        alternatives: vec![
            Alternative {
                node: "node-2".to_owned(),
                verdict: "Insufficient cpu".to_owned(),
                score: None,
            },
            Alternative { node: NODE.to_owned(), verdict: "spread=80".to_owned(), score: Some(80) },
        ],
    }
}

/// A usage sample.
#[must_use]
pub fn usage_sample() -> UsageSample {
    UsageSample {
        uid: id(POD),
        container: "web".to_owned(),
        node: id(NODE),
        time_ms: TIME_MS,
        cpu_nanos: 1_500_000_000,
        memory_bytes: 64 << 20,
    }
}

/// A resolved alert.
#[must_use]
pub fn alert() -> Alert {
    Alert {
        fingerprint: "f00d".to_owned(),
        state: AlertState::Resolved,
        labels: map("alertname", "PodRestarts"),
        annotations: map("summary", "web restarts"),
        starts_ms: TIME_MS - 60_000,
        ends_ms: TIME_MS,
    }
}

/// A dead letter of three random bytes.
#[must_use]
pub fn dead_letter() -> DeadLetter {
    DeadLetter {
        topic: "setpoint.pods".to_owned(),
        partition: 2,
        offset: 1233,
        time_ms: TIME_MS,
        reason: "it has 3 bytes, fewer than an avro header".to_owned(),
        key: POD.as_bytes().to_vec(),
        value: vec![0xC3, 0x01, 0xFF],
    }
}

fn id<T: std::str::FromStr<Err = InvalidId>>(text: &str) -> T {
    text.parse().expect("the samples' ids follow their grammar")
}

fn map(key: &str, value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(key.to_owned(), value.to_owned())])
}
