//! A container of a pod as the engine's create call wants it. Pure.
//!
//! Kubernetes' `command` is Docker's entry point, its `args` Docker's command.
//! Source of the arithmetic: the kubelet's `MilliCPUToShares`.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, DeviceRequest, HealthConfig, HostConfig, PortBinding, PortMap,
    RestartPolicy, RestartPolicyNameEnum,
};
use setpoint_actuators::{ActuatorError, PodToRun, annotations, labels};
use setpoint_schemas::{Container, IMAGE_CHECK, IMAGE_CHECK_OFF, PodSpec, ResourceRequirements};

use crate::names::{INDEX, pod_labels};
use crate::{DockerConfig, Network, mounts, naming, rights};

/// One core's worth of cgroup shares.
const SHARES_PER_CORE: i64 = 1_024;
/// The kernel's least.
const SHARES_MIN: i64 = 2;
/// Docker's least: a hundredth of a core.
const NANO_CPUS_MIN: i64 = 10_000_000;
const NANO_PER_MILLI: i64 = 1_000_000;

/// The variable by which NVIDIA's container runtime knows the devices of a container.
const VISIBLE_DEVICES: &str = "NVIDIA_VISIBLE_DEVICES";

/// Where a container gets its network from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NetworkOf<'a> {
    /// It has its own: the only container of its pod, or the one that holds the network.
    Own,
    /// The node's.
    Node,
    /// That of the container with this id.
    Container(&'a str),
}

/// The body of the create call for the container at this place of all that the pod has, init
/// containers first.
///
/// # Errors
/// Permanent when there is none, and when a mount names no volume of the pod.
pub(crate) fn body_of(
    config: &DockerConfig,
    pod: &PodToRun,
    index: usize,
    network: NetworkOf<'_>,
    cpus: i64,
) -> Result<ContainerCreateBody, ActuatorError> {
    let container = pod.spec.every_container().nth(index).ok_or_else(|| {
        ActuatorError::permanent("NotFound", format!("the pod has no container {index}"))
    })?;
    let mut labels = pod_labels(&config.fleet, pod);
    labels.insert(labels::CONTAINER.to_owned(), container.name.clone());
    labels.insert(INDEX.to_owned(), index.to_string());
    let mut variables = pod.env.get(&container.name).cloned().unwrap_or_default();
    // What the pod says itself does not let it see other devices.
    variables.extend(pod.device_variables(&container.name, VISIBLE_DEVICES));
    let mut body = with_network(config, pod, network);
    let host = body.host_config.get_or_insert_default();
    host.mounts = Some(mounts::mounts(config, pod, container)?);
    rights::apply(host, pod, container);
    host.pid_mode = processes(&pod.spec, network);
    limit(host, &container.resources, cpus);
    host.device_requests = some(devices(pod, container));
    Ok(ContainerCreateBody {
        image: container.image.clone(),
        entrypoint: some(container.command.clone()),
        cmd: some(container.args.clone()),
        working_dir: container.working_dir.clone(),
        env: some(variables.iter().map(|(name, value)| format!("{name}={value}")).collect()),
        stop_timeout: i64::try_from(pod.grace().as_secs()).ok(),
        labels: Some(labels),
        open_stdin: container.stdin,
        stdin_once: container.stdin_once,
        tty: container.tty,
        healthcheck: own_check(pod, container),
        ..body
    })
}

/// Whose processes a container sees besides its own.
fn processes(spec: &PodSpec, network: NetworkOf<'_>) -> Option<String> {
    match network {
        _ if spec.host_pid == Some(true) => Some("host".to_owned()),
        NetworkOf::Container(id) if spec.share_process_namespace == Some(true) => {
            Some(format!("container:{id}"))
        }
        _ => None,
    }
}

/// Where the pod says itself how it is asked, or that it is not, the engine does not ask as well.
fn own_check(pod: &PodToRun, container: &Container) -> Option<HealthConfig> {
    let annotations = &pod.placement.pattern.annotations;
    let is_off = annotations.get(IMAGE_CHECK).is_some_and(|value| value == IMAGE_CHECK_OFF);
    let off = || HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() };
    (is_off || container.has_probes()).then(off)
}

/// What holds the pod's network: host name, ports, network mode.
pub(crate) fn with_network(
    config: &DockerConfig,
    pod: &PodToRun,
    network: NetworkOf<'_>,
) -> ContainerCreateBody {
    let never = RestartPolicy { name: Some(RestartPolicyNameEnum::NO), maximum_retry_count: None };
    let mut host = HostConfig { restart_policy: Some(never), ..HostConfig::default() };
    let mut body = ContainerCreateBody::default();
    match network {
        NetworkOf::Node => {
            host.network_mode = Some("host".to_owned());
            naming::find(&pod.spec, &mut host);
        }
        NetworkOf::Container(id) => host.network_mode = Some(format!("container:{id}")),
        NetworkOf::Own => {
            let alone = is_alone(pod);
            let mode = if alone { Network::None.mode() } else { config.network.mode() };
            host.network_mode = Some(mode.to_owned());
            naming::call(pod, &mut body);
            naming::find(&pod.spec, &mut host);
            rights::of_network(&mut host, &pod.spec);
            if config.network.publishes() && !alone {
                let (exposed, bindings) = ports(&pod.spec);
                body.exposed_ports = some(exposed);
                host.port_bindings = Some(bindings);
            }
        }
    }
    body.host_config = Some(host);
    body
}

/// Whether the pod asks for no network but its loopback.
fn is_alone(pod: &PodToRun) -> bool {
    pod.placement.pattern.annotations.get(annotations::NETWORK).is_some_and(|text| text == "none")
}

/// An empty list leaves what the image says. As in Kubernetes, a command without arguments does not
/// take the image's own arguments: the engine sees to that.
fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    Some(list).filter(|list| !list.is_empty())
}

/// The ports of all containers that last, to be reached on the node.
fn ports(spec: &PodSpec) -> (Vec<String>, PortMap) {
    let mut exposed = Vec::new();
    let mut bindings: PortMap = HashMap::new();
    for port in spec.lasting_containers().flat_map(|container| &container.ports) {
        let protocol = port.protocol.as_deref().unwrap_or("TCP").to_ascii_lowercase();
        let inside = format!("{}/{protocol}", port.container_port);
        if let Some(host_port) = port.host_port.filter(|port| *port > 0) {
            let binding = PortBinding {
                host_ip: port.host_ip.clone(),
                host_port: Some(host_port.to_string()),
            };
            bindings.entry(inside.clone()).or_default().get_or_insert_default().push(binding);
        }
        exposed.push(inside);
    }
    exposed.sort();
    exposed.dedup();
    (exposed, bindings)
}

/// Limits bound memory and processor time, requests weigh the latter. A limit above what the node
/// has bounds nothing; the engine would refuse it.
fn limit(host: &mut HostConfig, resources: &ResourceRequirements, cpus: i64) {
    let limits = &resources.limits;
    if let Some(memory) = limits.get("memory").map(setpoint_schemas::Quantity::units) {
        host.memory = Some(memory);
        // The same figure: no swap beside the memory.
        host.memory_swap = Some(memory);
    }
    let limit = limits.get("cpu").map(setpoint_schemas::Quantity::milli);
    host.nano_cpus = limit
        .filter(|milli| *milli < cpus.saturating_mul(1_000))
        .map(|milli| milli.saturating_mul(NANO_PER_MILLI).max(NANO_CPUS_MIN));
    let request = resources.requests.get("cpu").map(setpoint_schemas::Quantity::milli);
    host.cpu_shares = request
        .or(limit)
        .map(|milli| (milli.saturating_mul(SHARES_PER_CORE) / 1_000).max(SHARES_MIN));
}

/// The container's devices, by name. The engine refuses to start it where no driver answers.
fn devices(pod: &PodToRun, container: &Container) -> Vec<DeviceRequest> {
    let ids = pod.devices(&container.name);
    if ids.is_empty() {
        return Vec::new();
    }
    vec![DeviceRequest {
        driver: Some("nvidia".to_owned()),
        device_ids: Some(ids),
        capabilities: Some(vec![vec!["gpu".to_owned()]]),
        ..DeviceRequest::default()
    }]
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
