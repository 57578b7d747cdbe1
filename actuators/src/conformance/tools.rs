//! What the cases share: pods made from containers, and waiting with a bound.
use std::time::Duration;

use setpoint_schemas::{
    Container, ContainerObserved, ContainerState, Placement, PodSpec, PodUid, samples,
};
use tokio_util::sync::CancellationToken;

use super::Rig;
use crate::{Actuator, Observed, PodToRun};

/// How often a case looks again.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// A real engine under load may take seconds to start a container; after 30 s it is broken.
const LOOKS_MAX: u32 = 600;
/// The grace of pods that end when asked.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// A pod of generation 1 and term 1.
pub(super) fn pod(uid: &str, containers: Vec<Container>) -> PodToRun {
    pod_at(uid, 1, 1, containers)
}

/// A pod of this generation and term.
pub(super) fn pod_at(
    uid: &str,
    generation: i64,
    term: i64,
    containers: Vec<Container>,
) -> PodToRun {
    let spec =
        PodSpec { containers, termination_grace_period_seconds: Some(1), ..PodSpec::default() };
    let env = spec.containers.iter().map(|c| (c.name.clone(), Vec::new())).collect();
    PodToRun { env, ..PodToRun::bare(placement(uid, generation, term, &spec), spec) }
}

fn placement(uid: &str, generation: i64, term: i64, spec: &PodSpec) -> Placement {
    let spec = serde_json::to_string(spec).expect("a spec is JSON");
    Placement { generation, term, ..samples::placement_of(uid, &spec) }
}

/// A uid of the suite.
pub(super) fn uid_of(uid: &str) -> PodUid {
    PodUid::parse(uid).expect("a valid uid")
}

/// Starts and panics when that fails.
pub(super) async fn start(actuator: &dyn Actuator, pod: &PodToRun) {
    actuator.start(pod, &CancellationToken::new()).await.expect("the pod starts");
}

/// Stops and panics when that fails.
pub(super) async fn stop(actuator: &dyn Actuator, uid: &str) {
    actuator.stop(&uid_of(uid), GRACE, &CancellationToken::new()).await.expect("the pod stops");
}

/// The pod now, if the runtime tells of it.
pub(super) async fn find(actuator: &dyn Actuator, uid: &str) -> Option<Observed> {
    let pods = actuator.observe().await.expect("the runtime answers");
    let mut found = pods.into_iter().filter(|pod| pod.uid == *uid);
    let pod = found.next();
    assert!(found.next().is_none(), "pod {uid} is told of twice");
    pod
}

/// One container of a pod now.
pub(super) async fn container(actuator: &dyn Actuator, uid: &str, name: &str) -> ContainerObserved {
    let pod = find(actuator, uid).await.expect("the pod is told of");
    named(&pod, name).cloned().unwrap_or_else(|| panic!("{uid} has no container {name}: {pod:?}"))
}

/// A container of an observed pod.
pub(super) fn named<'a>(pod: &'a Observed, name: &str) -> Option<&'a ContainerObserved> {
    pod.containers.iter().find(|c| c.name == name)
}

/// Waits until the container is in this state, and returns it.
pub(super) async fn reaches(
    rig: &dyn Rig,
    actuator: &dyn Actuator,
    uid: &str,
    name: &str,
    state: ContainerState,
) -> ContainerObserved {
    let mut seen = None;
    for _ in 0..LOOKS_MAX {
        seen = find(actuator, uid).await.and_then(|pod| named(&pod, name).cloned());
        match seen {
            Some(container) if container.state == state => return container,
            _ => rig.pass(LOOK_EVERY).await,
        }
    }
    panic!("container {name} of {uid} never becomes {state:?}; last seen {seen:?}");
}
