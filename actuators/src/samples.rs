//! Pods for the tests of this crate, from a few words.

use setpoint_schemas::{
    ContainerObserved, ContainerState, Namespace, Placement, PodUid, ResourceName, samples,
};

use crate::Observed;

pub(crate) fn uid(text: &str) -> PodUid {
    PodUid::parse(text).expect("a valid uid")
}

/// A placement of containers by name.
pub(crate) fn placement(
    name: &str,
    generation: i64,
    policy: &str,
    containers: &[&str],
) -> Placement {
    let container = |name: &&str| serde_json::json!({"name": name, "command": ["x"]});
    let spec = serde_json::json!({
        "restartPolicy": policy,
        "containers": containers.iter().map(container).collect::<Vec<_>>(),
        "terminationGracePeriodSeconds": 7,
    });
    Placement { generation, ..samples::placement_of(name, &spec.to_string()) }
}

/// A pod that runs, of containers.
pub(crate) fn observed(
    name: &str,
    generation: i64,
    containers: Vec<ContainerObserved>,
) -> Observed {
    Observed {
        uid: uid(name),
        generation,
        term: 1,
        namespace: Namespace::parse("default").expect("a valid name"),
        name: ResourceName::parse(name).expect("a valid name"),
        started_ms: containers.iter().map(|c| c.started_ms).min().unwrap_or(0),
        containers,
        address: String::new(),
    }
}

/// `waiting`, `running`, or an exit code, which ended at 1000 ms.
pub(crate) fn container(name: &str, state: &str) -> ContainerObserved {
    let exit_code = state.parse().ok();
    let state = match (state, exit_code) {
        (_, Some(_)) => ContainerState::Terminated,
        ("running", _) => ContainerState::Running,
        _ => ContainerState::Waiting,
    };
    ContainerObserved {
        name: name.into(),
        id: String::new(),
        image: String::new(),
        state,
        ready: state == ContainerState::Running,
        restarts: 0,
        exit_code,
        reason: String::new(),
        message: String::new(),
        started_ms: if state == ContainerState::Waiting { 0 } else { 500 },
        finished_ms: if state == ContainerState::Terminated { 1_000 } else { 0 },
        started: true,
        last: None,
    }
}
