//! Containers as pods. Pure.

use std::collections::BTreeMap;

use setpoint_schemas::{
    ContainerObserved, ContainerState, FleetId, Namespace, PodPhase, PodUid, ResourceName,
};

use crate::Facts;

/// Our labels; see the contract of actuators.
const FLEET: &str = "setpoint.dev/fleet";
const POD_UID: &str = "setpoint.dev/pod-uid";
const GENERATION: &str = "setpoint.dev/generation";
const NAMESPACE: &str = "setpoint.dev/namespace";
const NAME: &str = "setpoint.dev/name";
const CONTAINER: &str = "setpoint.dev/container";
const INDEX: &str = "setpoint.dev/container-index";
const SANDBOX: &str = "setpoint.dev/sandbox";
/// Compose's labels, by which a foreign container says what it belongs to.
const COMPOSE_PROJECT: &str = "com.docker.compose.project";
const COMPOSE_SERVICE: &str = "com.docker.compose.service";
/// The namespace of containers that belong to no project.
const NAMESPACE_FOREIGN: &str = "docker";
/// Half of an engine's id is unique enough and leaves a uid readable.
const ID_CHARS: usize = 32;
/// A label of Kubernetes has at most this many characters.
const LABEL_CHARS_MAX: usize = 63;

/// Which containers are watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Those of this fleet, as the pods that their labels name.
    Fleet(FleetId),
    /// Those that no fleet minds, each as a pod of its own.
    Unmanaged,
}

/// A pod as the engine shows it, without who observed it and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pod {
    pub(crate) namespace: Namespace,
    pub(crate) name: ResourceName,
    pub(crate) generation: i64,
    pub(crate) phase: PodPhase,
    pub(crate) address: String,
    pub(crate) containers: Vec<ContainerObserved>,
}

/// The pod that a container is of, when it is one that is watched.
pub(crate) fn uid_of(scope: &Scope, facts: &Facts) -> Option<PodUid> {
    let fleet = facts.labels.get(FLEET);
    match scope {
        Scope::Fleet(ours) if fleet.is_some_and(|fleet| fleet == ours.as_str()) => {
            PodUid::parse(facts.labels.get(POD_UID)?).ok()
        }
        Scope::Unmanaged if fleet.is_none() => {
            let id: String = facts.id.chars().take(ID_CHARS).collect();
            PodUid::parse(&format!("docker-{id}")).ok()
        }
        _ => None,
    }
}

/// The pod of these containers; `None` when their labels do not name one.
pub(crate) fn pod_of(scope: &Scope, mut containers: Vec<&Facts>) -> Option<Pod> {
    containers.sort_by_key(|facts| (number(&facts.labels, INDEX), facts.id.clone()));
    let first = containers.first()?;
    let (namespace, name) = match scope {
        Scope::Fleet(_) => ours(first)?,
        Scope::Unmanaged => foreign(first)?,
    };
    let generation = containers.iter().map(|facts| number(&facts.labels, GENERATION)).max()?;
    let address = containers.iter().map(|facts| &facts.address).find(|address| !address.is_empty());
    let address = address.cloned().unwrap_or_default();
    containers.retain(|facts| !facts.labels.contains_key(SANDBOX));
    let phase = phase(&containers);
    let containers = containers.into_iter().map(|facts| observed(scope, facts)).collect();
    Some(Pod { namespace, name, generation, phase, address, containers })
}

fn ours(facts: &Facts) -> Option<(Namespace, ResourceName)> {
    let namespace = Namespace::parse(facts.labels.get(NAMESPACE)?).ok()?;
    Some((namespace, ResourceName::parse(facts.labels.get(NAME)?).ok()?))
}

fn foreign(facts: &Facts) -> Option<(Namespace, ResourceName)> {
    let project = facts.labels.get(COMPOSE_PROJECT).map(|project| label_of(project));
    let namespace = project.and_then(|project| Namespace::parse(&project).ok());
    let namespace = namespace.or_else(|| Namespace::parse(NAMESPACE_FOREIGN).ok())?;
    let id: String = facts.id.chars().take(ID_CHARS).collect();
    let name = ResourceName::parse(&facts.name).or_else(|_| ResourceName::parse(&id)).ok()?;
    Some((namespace, name))
}

/// Whether the engine or the agent will start an ended container again is not known here: a pod
/// whose containers have all ended has ended.
fn phase(containers: &[&Facts]) -> PodPhase {
    use ContainerState::{Running, Terminated};
    let runs = |facts: &&Facts| facts.state == Running || facts.restarting;
    let ended_well = |facts: &&Facts| facts.exit_code == Some(0);
    if containers.iter().any(runs) {
        PodPhase::Running
    } else if containers.is_empty() || containers.iter().any(|facts| facts.state != Terminated) {
        PodPhase::Pending
    } else if containers.iter().all(ended_well) {
        PodPhase::Succeeded
    } else {
        PodPhase::Failed
    }
}

fn observed(scope: &Scope, facts: &Facts) -> ContainerObserved {
    let label = if *scope == Scope::Unmanaged { COMPOSE_SERVICE } else { CONTAINER };
    ContainerObserved {
        name: facts.labels.get(label).unwrap_or(&facts.name).clone(),
        id: facts.id.clone(),
        image: facts.image.clone(),
        state: facts.state,
        ready: is_ready(facts),
        restarts: facts.restarts,
        exit_code: facts.exit_code,
        reason: reason(facts).to_owned(),
        message: facts.error.clone(),
        started_ms: facts.started_ms,
        finished_ms: facts.finished_ms,
        started: true,
        last: None,
    }
}

fn is_ready(facts: &Facts) -> bool {
    facts.state == ContainerState::Running && !facts.paused && facts.healthy.unwrap_or(true)
}

/// Kubernetes' words.
fn reason(facts: &Facts) -> &'static str {
    match facts.state {
        ContainerState::Running if facts.paused => "Paused",
        ContainerState::Running if facts.healthy == Some(false) => "Unhealthy",
        ContainerState::Running => "",
        ContainerState::Waiting if facts.restarting => "CrashLoopBackOff",
        ContainerState::Waiting if facts.error.is_empty() => "ContainerCreating",
        ContainerState::Waiting => "RunContainerError",
        ContainerState::Terminated if facts.oom_killed => "OOMKilled",
        ContainerState::Terminated if facts.exit_code == Some(0) => "Completed",
        ContainerState::Terminated => "Error",
    }
}

fn number(labels: &BTreeMap<String, String>, key: &str) -> i64 {
    labels.get(key).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// A Compose project's name as a label: it may have underscores, a namespace may not.
fn label_of(project: &str) -> String {
    let fitting = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let text: String = project.chars().take(LABEL_CHARS_MAX).map(fitting).collect();
    text.trim_matches('-').to_owned()
}
