//! Pods and nodes, stage by stage: given the status before and what happens, the status that comes next
//! is the one that KWOK has from Kubernetes, or differs where and why the table says. Volumes' stages
//! stand in `tests/tests/engine/stages.rs`.
//!
//! What happens is an observation as the agent writes it; `actuators/src/status/tests.rs` holds that it
//! does.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use setpoint_api::Change;
use setpoint_schemas::{
    Condition, ConditionStatus, ContainerObserved, ContainerState, NodeName, NodeRecord, Pattern,
    Placement, PodObserved, PodPhase, PodUid, ResourceName,
};
use setpoint_test_support::data;

use super::common::{Server, T0, observed, placement, record, served, server};

/// A stage: its file, what happens, and where we differ: the place, what we have there, and why.
struct Stage {
    file: &'static str,
    happens: Event,
    differs: &'static [(&'static str, &'static str, &'static str)],
}

enum Event {
    /// The node has made the pod; its init containers come first.
    PodMade,
    /// The init container runs.
    InitRuns,
    /// The container runs and is ready.
    Runs,
    /// The pod was told to go, and its node has nothing left of it.
    Gone,
    /// The node's runtime does not answer.
    NodeFails,
    /// What the engine's tests play.
    Elsewhere,
}

const ONE_ADDRESS: &str = "a node and a pod have one address each";
const OWN_WORDS: &str = "KWOK's own word for a fault that it plays; ours is the agent's";
const OWN_AGENT: &str = "there is no kubelet: the agent speaks of itself";
const NOT_MEASURED: &str = "the agent does not measure it, and claims nothing";
const DECISIONS: &str = "events are decisions of the engine; what a node does stands in the status";
const INIT_READY: &str = "the kubelet calls an init container ready when it is done, and so do we";

const STAGES: &[Stage] = &[
    Stage {
        file: "pod/general/pod-create-with-init",
        happens: Event::PodMade,
        differs: &[("/event/Created", "absent", DECISIONS)],
    },
    Stage {
        file: "pod/general/pod-init-container-running",
        happens: Event::InitRuns,
        differs: &[("/initContainerStatuses/init-container/ready", "false", INIT_READY)],
    },
    Stage {
        file: "pod/fast/pod-pending",
        happens: Event::Runs,
        differs: &[("/hostIPs/1", "absent", ONE_ADDRESS), ("/podIPs/1", "absent", ONE_ADDRESS)],
    },
    Stage { file: "pod/general/pod-delete", happens: Event::Gone, differs: &[] },
    Stage { file: "pod/fast/pod-terminating", happens: Event::Gone, differs: &[] },
    Stage {
        file: "node/chaos/node-not-ready",
        happens: Event::NodeFails,
        differs: &[
            ("/conditions/Ready/message", "the runtime does not answer", OWN_WORDS),
            ("/conditions/Ready/reason", "RuntimeNotReady", OWN_WORDS),
            (
                "/conditions/MemoryPressure/message",
                "the node has sufficient memory available",
                OWN_AGENT,
            ),
            ("/conditions/MemoryPressure/reason", "AgentHasSufficientMemory", OWN_AGENT),
            ("/conditions/DiskPressure/message", "there is room on the disk", OWN_AGENT),
            ("/conditions/DiskPressure/reason", "AgentHasNoDiskPressure", OWN_AGENT),
            ("/conditions/PIDPressure/message", "the node has sufficient PID available", OWN_AGENT),
            ("/conditions/PIDPressure/reason", "AgentHasSufficientPID", OWN_AGENT),
            ("/conditions/NetworkUnavailable", "absent", NOT_MEASURED),
        ],
    },
    Stage { file: "volume/fast/pv-bind", happens: Event::Elsewhere, differs: &[] },
    Stage { file: "volume/fast/pvc-delete", happens: Event::Elsewhere, differs: &[] },
];

#[tokio::test]
async fn after_each_stage_the_status_is_the_one_that_kubernetes_writes() {
    let Some(folder) = data("k8s/kwok-stages") else { return };
    let named: BTreeSet<String> = STAGES.iter().map(|stage| stage.file.to_owned()).collect();
    assert_eq!(stages_in(&folder, ""), named, "every stage of the folder stands in the table");
    for stage in STAGES {
        let read = |end: &str| {
            let text = fs::read_to_string(folder.join(format!("{}.{end}.yaml", stage.file)));
            serde_saphyr::from_str::<Value>(&text.unwrap()).unwrap()
        };
        let (input, output) = (read("input"), read("output"));
        let Some(after) = play(&stage.happens, &input).await else { continue };
        let mut found = Vec::new();
        for next in output["stages"][0]["next"].as_array().unwrap() {
            match next["kind"].as_str().unwrap() {
                "delete" => assert_eq!(after, Value::Null, "{}", stage.file),
                "event" => found.push(absent(&format!("/event/{}", text(&next["reason"])))),
                _ => differences("", &next["data"]["status"], &after, &mut found),
            }
        }
        let expected: Vec<(String, String)> =
            stage.differs.iter().map(|(at, ours, _)| (at.to_string(), ours.to_string())).collect();
        assert_eq!(found, expected, "{}: {after:#}", stage.file);
    }
}

/// The status after what happens, in the order of the story; nothing of what is gone, and `None` for
/// what is played elsewhere.
async fn play(event: &Event, input: &Value) -> Option<Value> {
    let server = server().await;
    let node = NodeName::parse("node").unwrap();
    if matches!(event, Event::NodeFails) {
        return Some(failed_node(&server, &input["metadata"]["name"]).await);
    }
    let (name, spec) = (text(&input["metadata"]["name"]), &input["spec"]);
    let placed = placed(&name, spec);
    let uid = placed.uid.clone();
    server.leader.commit(|epoch| {
        let node_record = served(record("node"), false, epoch);
        vec![Change::Node(node, Some(node_record)), Change::Placement(uid.clone(), Some(placed))]
    });
    let path = format!("/api/v1/namespaces/default/pods/{name}");
    let containers = match event {
        Event::PodMade => waiting(spec),
        Event::InitRuns => {
            server.leader.commit(|_| vec![seen(&name, 1, PodPhase::Pending, waiting(spec))]);
            let mut containers = waiting(spec);
            containers[0] = running(&containers[0]);
            // Until it is done nobody calls it ready.
            containers[0].ready = false;
            containers
        }
        Event::Runs => waiting(spec).iter().map(running).collect(),
        Event::Gone => {
            let runs = waiting(spec).iter().map(running).collect();
            server.leader.commit(|_| vec![seen(&name, 1, PodPhase::Running, runs)]);
            server.leader.commit(|_| vec![Change::Placement(uid.clone(), None)]);
            let (_, pod) = server.get(&path).await;
            assert!(pod["metadata"]["deletionTimestamp"].is_string(), "{pod}");
            server.leader.commit(|_| vec![Change::PodGone(uid)]);
            assert_eq!(server.get(&path).await.0, 404);
            return Some(Value::Null);
        }
        Event::NodeFails | Event::Elsewhere => return None,
    };
    let phase = if matches!(event, Event::Runs) { PodPhase::Running } else { PodPhase::Pending };
    server.leader.commit(|_| vec![seen(&name, 2, phase, containers)]);
    Some(server.get(&path).await.1["status"].clone())
}

async fn failed_node(server: &Server, name: &Value) -> Value {
    let condition = |kind: &str, reason: &str, message: &str| Condition {
        kind: kind.to_owned(),
        status: ConditionStatus::False,
        reason: reason.to_owned(),
        message: message.to_owned(),
        transition_ms: T0 + 1_000,
    };
    let conditions = vec![
        condition("Ready", "RuntimeNotReady", "the runtime does not answer"),
        condition("DiskPressure", "AgentHasNoDiskPressure", "there is room on the disk"),
        condition(
            "MemoryPressure",
            "AgentHasSufficientMemory",
            "the node has sufficient memory available",
        ),
        condition("PIDPressure", "AgentHasSufficientPID", "the node has sufficient PID available"),
    ];
    let name = text(name);
    let node = NodeName::parse(&name).unwrap();
    for record in [record(&name), NodeRecord { conditions, ..record(&name) }] {
        let node = node.clone();
        server.leader.commit(|epoch| vec![Change::Node(node, Some(served(record, false, epoch)))]);
    }
    server.get(&format!("/api/v1/nodes/{name}")).await.1["status"].clone()
}

/// A bare pod of this spec on the node.
fn placed(name: &str, spec: &Value) -> Arc<Placement> {
    let like = placement(name, "node", 2);
    let workload = format!("core/Pod/default/{name}").into();
    let spec = json!({"containers": spec["containers"], "initContainers": spec["initContainers"]});
    let pattern = Pattern { workload, spec: spec.to_string().into(), ..(*like.pattern).clone() };
    Arc::new(Placement { pattern: Arc::new(pattern), ..(*like).clone() })
}

/// An observation of a pod that has its address.
fn seen(name: &str, sequence: i64, phase: PodPhase, containers: Vec<ContainerObserved>) -> Change {
    let ready = phase == PodPhase::Running;
    let pod = PodObserved {
        uid: PodUid::parse(name).unwrap(),
        name: ResourceName::parse(name).unwrap(),
        sequence,
        phase,
        containers,
        ..observed(name, "node", ready)
    };
    Change::Pod(pod.into())
}

/// The containers of a pod before any of them has begun, as the agent says it.
fn waiting(spec: &Value) -> Vec<ContainerObserved> {
    let list = |name: &str| spec[name].as_array().cloned().unwrap_or_default();
    let inits = list("initContainers");
    let reason = if inits.is_empty() { "ContainerCreating" } else { "PodInitializing" };
    let one = |container: &Value| ContainerObserved {
        name: text(&container["name"]),
        id: String::new(),
        image: text(&container["image"]),
        state: ContainerState::Waiting,
        ready: false,
        restarts: 0,
        exit_code: None,
        reason: reason.to_owned(),
        message: String::new(),
        started_ms: 0,
        finished_ms: 0,
        started: true,
        last: None,
    };
    inits.iter().chain(&list("containers")).map(one).collect()
}

fn running(container: &ContainerObserved) -> ContainerObserved {
    ContainerObserved {
        id: "docker://1".to_owned(),
        state: ContainerState::Running,
        ready: true,
        reason: String::new(),
        started_ms: T0,
        ..container.clone()
    }
}

/// Where what is expected does not stand in what is there, with what stands there instead.
fn differences(at: &str, expected: &Value, there: &Value, found: &mut Vec<(String, String)>) {
    match expected {
        Value::Object(fields) => {
            for (field, expected) in fields {
                differences(&format!("{at}/{field}"), expected, &there[field], found);
            }
        }
        Value::Array(items) => {
            for (index, expected) in items.iter().enumerate() {
                let name = ["type", "name"].iter().find(|key| expected[**key].is_string());
                let same = |one: &&Value| name.is_none_or(|key| one[*key] == expected[*key]);
                let mut those = there.as_array().into_iter().flatten().filter(same);
                let one = if name.is_some() { those.next() } else { those.nth(index) };
                let own = name.map_or(index.to_string(), |key| text(&expected[*key]));
                match one {
                    Some(one) => differences(&format!("{at}/{own}"), expected, one, found),
                    None => found.push(absent(&format!("{at}/{own}"))),
                }
            }
        }
        Value::String(name) if name.starts_with('<') => {
            if text(there).is_empty() {
                found.push(absent(at));
            }
        }
        expected if kubelets(expected) == *there => {}
        _ => found.push((at.to_owned(), there.as_str().map_or(there.to_string(), str::to_owned))),
    }
}

/// KWOK sets the names in a list apart from its brackets; the kubelet does not.
fn kubelets(expected: &Value) -> Value {
    match expected.as_str() {
        Some(text) => json!(text.replace("[ ", "[").replace(" ]", "]")),
        None => expected.clone(),
    }
}

fn absent(at: &str) -> (String, String) {
    (at.to_owned(), "absent".to_owned())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The stages below a folder, by the path of their files.
fn stages_in(folder: &Path, below: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() {
            found.extend(stages_in(&entry.path(), &format!("{below}{name}/")));
        } else if let Some(stage) = name.strip_suffix(".input.yaml") {
            found.insert(format!("{below}{stage}"));
        }
    }
    found
}
