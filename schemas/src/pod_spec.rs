//! What a pod runs, in Kubernetes' own JSON shape: the fields that we act upon.
//!
//! Absent: fields that we do not act upon; the manifest gate names each of them before a spec
//! comes here, so nothing is dropped silently.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    Affinity, DnsConfig, FieldRef, HostAlias, Lifecycle, PodSecurity, Probe, ProbePort, PullSecret,
    Quantity, ReadinessGate, ResourceFieldRef, Resources, SchedulingGate, Security, Toleration,
    TopologySpreadConstraint, Volume, VolumeMount,
};

/// The spec of a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpec {
    /// The containers; at least one in an accepted spec.
    pub containers: Vec<Container>,
    /// Run one after the other before the containers, each to its end; a sidecar among them
    /// ([`Container::is_sidecar`]) only until it has started.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub init_containers: Vec<Container>,
    /// The volumes that containers mount.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Volume>,
    /// `Always` (default), `OnFailure` or `Never`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_policy: Option<String>,
    /// Seconds between the stop signal and the kill; 30 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub termination_grace_period_seconds: Option<i64>,
    /// Seconds from when its node took it up until it is ended; never when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_deadline_seconds: Option<i64>,
    /// Labels that a node must have.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// The one node to run on, past every filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_name: Option<String>,
    /// Node affinity, pod affinity, pod anti-affinity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,
    /// Taints that this pod bears.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
    /// Spread over zones, nodes and the like.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,
    /// What must be taken away before the pod is placed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scheduling_gates: Vec<SchedulingGate>,
    /// Secrets by which the images of its containers are pulled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub image_pull_secrets: Vec<PullSecret>,
    /// Conditions that must be true before the pod is ready.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub readiness_gates: Vec<ReadinessGate>,
    /// Placed first when higher; 0 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// The class that the priority is looked up in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority_class_name: Option<String>,
    /// `PreemptLowerPriority` (default) or `Never`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preemption_policy: Option<String>,
    /// Whether the pod uses the node's own network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_network: Option<bool>,
    /// The pod's host name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// The domain of the pod's host name, within its namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subdomain: Option<String>,
    /// Whether the host name is the whole name, its domain included.
    #[serde(skip_serializing_if = "Option::is_none", rename = "setHostnameAsFQDN")]
    pub set_hostname_as_fqdn: Option<bool>,
    /// Names and addresses for the containers' hosts file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub host_aliases: Vec<HostAlias>,
    /// `ClusterFirst` (default), `ClusterFirstWithHostNet`, `Default` or `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_policy: Option<String>,
    /// Who answers names, beside or instead of whom the policy says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_config: Option<DnsConfig>,
    /// Whether the containers are told of the Services of their namespace; true where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_service_links: Option<bool>,
    /// Whether the containers see each other's processes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_process_namespace: Option<bool>,
    /// Whether they see the node's processes.
    #[serde(skip_serializing_if = "Option::is_none", rename = "hostPID")]
    pub host_pid: Option<bool>,
    /// Whether they share memory with the node's processes.
    #[serde(skip_serializing_if = "Option::is_none", rename = "hostIPC")]
    pub host_ipc: Option<bool>,
    /// As whom all containers run, and with what rights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_context: Option<PodSecurity>,
    /// The account's name; only told to containers that ask for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// The same, in its older spelling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account: Option<String>,
}

/// One container of a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Container {
    /// Unique within the pod.
    pub name: String,
    /// The image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// `Always`, `IfNotPresent` or `Never`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<String>,
    /// Replaces the image's entry point.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Replaces the image's arguments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// The working directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// Environment variables, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    /// Whole ConfigMaps and Secrets as environment.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env_from: Vec<EnvFromSource>,
    /// Ports.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<ContainerPort>,
    /// What it asks for and may use at most.
    pub resources: ResourceRequirements,
    /// Where volumes appear.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volume_mounts: Vec<VolumeMount>,
    /// As whom it runs, and with what rights; over what the pod says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_context: Option<Security>,
    /// Whether its standard input stays open, so that someone may attach to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdin: Option<bool>,
    /// Whether its standard input ends when the first who attached leaves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdin_once: Option<bool>,
    /// Whether it has a terminal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tty: Option<bool>,
    /// Where it finds the file for its last message; `/dev/termination-log` when it names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub termination_message_path: Option<String>,
    /// `File` (default), or `FallbackToLogsOnError`: the end of its output where it failed without a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub termination_message_policy: Option<String>,
    /// Asked until it has started; before that nothing else is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub startup_probe: Option<Probe>,
    /// Asked whether it lives; it is ended when it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liveness_probe: Option<Probe>,
    /// Asked whether it is ready to be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readiness_probe: Option<Probe>,
    /// What is done after its start and before its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<Lifecycle>,
    /// Of an init container only: `Always` makes it a sidecar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_policy: Option<String>,
}

/// Requests and limits by resource name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceRequirements {
    /// What is reserved.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<String, Quantity>,
    /// What may be used at most; stands in for an absent request of the same name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, Quantity>,
}

/// A port of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerPort {
    /// A name within the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The port inside the container.
    pub container_port: i32,
    /// The port on the node; at most one pod a node may hold it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_port: Option<i32>,
    /// The node's address to bind; all when absent.
    #[serde(skip_serializing_if = "Option::is_none", rename = "hostIP")]
    pub host_ip: Option<String>,
    /// `TCP` (default), `UDP` or `SCTP`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
}

/// An environment variable: a value, or where it comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvVar {
    /// The variable's name.
    pub name: String,
    /// Its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Its source, when it has no value of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_from: Option<EnvVarSource>,
}

/// Where a variable's value comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvVarSource {
    /// A key of a ConfigMap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<KeyRef>,
    /// A key of a Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<KeyRef>,
    /// A field of the pod itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field_ref: Option<FieldRef>,
    /// What a container of the pod asks for or may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_field_ref: Option<ResourceFieldRef>,
}

/// A key of a named ConfigMap or Secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KeyRef {
    /// The object's name.
    pub name: String,
    /// The key within it.
    pub key: String,
    /// Whether the container may start without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}

/// A whole ConfigMap or Secret as environment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvFromSource {
    /// Put before each name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// The ConfigMap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<ObjectRef>,
    /// The Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<ObjectRef>,
}

/// A named object of the pod's namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectRef {
    /// The object's name.
    pub name: String,
    /// Whether the pod may start without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}

impl PodSpec {
    /// What the pod reserves on its node, one pod slot included: the sum over its containers and
    /// sidecars, or what an init container needs together with the sidecars before it, whichever is
    /// larger. A limit stands in for an absent request, as Kubernetes defaults it.
    ///
    /// Source: Kubernetes' `PodRequests` in `k8s.io/component-helpers/resource`.
    #[must_use]
    pub fn requests(&self) -> Resources {
        let mut sidecars = Resources::default();
        let mut begin = Resources::default();
        for container in &self.init_containers {
            let own = container.resources.reserved();
            let mut together = sidecars.clone();
            together.add(&own);
            begin.maximize(&together);
            if container.is_sidecar() {
                sidecars = together;
            }
        }
        let mut sum = sidecars;
        for container in &self.containers {
            sum.add(&container.resources.reserved());
        }
        sum.maximize(&begin);
        Resources { pods: 1, ..sum }
    }

    /// All its containers, in the order in which they begin: init containers first.
    pub fn every_container(&self) -> impl Iterator<Item = &Container> {
        self.init_containers.iter().chain(&self.containers)
    }

    /// The same, to change them.
    pub fn every_container_mut(&mut self) -> impl Iterator<Item = &mut Container> {
        self.init_containers.iter_mut().chain(&mut self.containers)
    }

    /// The containers that run for as long as the pod does: sidecars first.
    pub fn lasting_containers(&self) -> impl Iterator<Item = &Container> {
        let sidecars = self.init_containers.iter().filter(|init| init.is_sidecar());
        sidecars.chain(&self.containers)
    }
}

impl Container {
    /// The number of a port that a probe names; `None` when it has no such port.
    #[must_use]
    pub fn port(&self, port: &ProbePort) -> Option<u16> {
        let number = match port {
            ProbePort::Number(number) => *number,
            ProbePort::Name(name) => {
                let named = |port: &&ContainerPort| port.name.as_ref() == Some(name);
                self.ports.iter().find(named)?.container_port
            }
        };
        u16::try_from(number).ok().filter(|number| *number > 0)
    }

    /// Whether anything is asked of it.
    #[must_use]
    pub fn has_probes(&self) -> bool {
        [&self.startup_probe, &self.liveness_probe, &self.readiness_probe]
            .into_iter()
            .any(Option::is_some)
    }
}

impl ResourceRequirements {
    /// What they reserve; a limit stands in for an absent request.
    #[must_use]
    pub fn reserved(&self) -> Resources {
        let mut reserved = Resources::default();
        let absent = self.limits.iter().filter(|(name, _)| !self.requests.contains_key(*name));
        for (name, quantity) in self.requests.iter().chain(absent) {
            match name.as_str() {
                "cpu" => reserved.cpu_milli = quantity.milli(),
                "memory" => reserved.memory_bytes = quantity.units(),
                "ephemeral-storage" => reserved.ephemeral_bytes = quantity.units(),
                _ => {
                    reserved.extended.insert(name.clone(), quantity.units());
                }
            }
        }
        reserved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_reserves_what_it_needs_at_its_hungriest() {
        // (init containers and whether each is a sidecar, containers, cpu of the pod)
        let table: [(&[(&str, bool)], &[&str], i64); 7] = [
            (&[], &["1", "2"], 3_000),
            (&[("2", false)], &["1"], 2_000),
            (&[("2", false), ("3", false)], &["1", "1"], 3_000),
            (&[("1", true)], &["1"], 2_000),
            (&[("1", true), ("3", false)], &["1"], 4_000),
            (&[("3", false), ("1", true)], &["1"], 3_000),
            (&[("1", true), ("1", true), ("2", false)], &["3"], 5_000),
        ];
        for (init, containers, cpu_milli) in table {
            let of = |cpu: &str, is_sidecar: bool| {
                let cpu = Quantity::parse(cpu).expect("a quantity");
                let requests = BTreeMap::from([("cpu".to_owned(), cpu)]);
                Container {
                    resources: ResourceRequirements { requests, ..Default::default() },
                    restart_policy: is_sidecar.then(|| "Always".to_owned()),
                    ..Container::default()
                }
            };
            let spec = PodSpec {
                init_containers: init.iter().map(|(cpu, side)| of(cpu, *side)).collect(),
                containers: containers.iter().map(|cpu| of(cpu, false)).collect(),
                ..PodSpec::default()
            };
            let expected = Resources { cpu_milli, pods: 1, ..Resources::default() };
            assert_eq!(spec.requests(), expected, "{init:?} {containers:?}");
        }
    }

    #[test]
    fn a_port_is_a_number_or_the_name_of_one_of_the_container() {
        let port = ContainerPort {
            name: Some("web".into()),
            container_port: 8080,
            ..ContainerPort::default()
        };
        let container = Container { ports: vec![port], ..Container::default() };
        let number = |port: &str| {
            let port: ProbePort = serde_json::from_str(port).expect("a port");
            container.port(&port)
        };
        let table = [
            ("80", Some(80)),
            (r#""web""#, Some(8080)),
            (r#""other""#, None),
            ("0", None),
            ("70000", None),
            ("-1", None),
        ];
        for (port, expected) in table {
            assert_eq!(number(port), expected, "{port}");
        }
    }
}
