//! The sections of the settings. A text that is empty means: not set.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};
use setpoint_schemas::Policy;

use crate::{PressureSettings, Properties, Secret, Token};

/// The port that the API listens on unless told otherwise.
const PORT_DEFAULT: u16 = 6440;
/// Where a client looks for the API unless told otherwise.
const SERVER_DEFAULT: &str = "http://127.0.0.1:6440";

/// The log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// `embedded` (one machine, no broker) or `kafka`.
    pub kind: LogKind,
    /// librdkafka properties, passed through as they are: `bootstrap.servers`, TLS, SASL.
    pub kafka: Properties,
    /// Partitions of a topic that is made new; the topics of total order always have one.
    pub partitions: i32,
    /// Copies of each partition of a topic that is made new (Kafka).
    pub replication: i32,
    /// The schema registry, if there is one.
    pub schema_registry: SchemaRegistrySettings,
}

/// A schema registry that speaks Confluent's REST API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SchemaRegistrySettings {
    /// Its address; empty for Avro's single-object encoding, which needs none.
    pub url: String,
    /// The name to show (HTTP Basic); empty for none.
    pub username: String,
    /// The password to show.
    pub password: Secret,
    /// Certificates to trust beside the system's, a PEM file.
    pub ca: String,
    /// How long one call may take, in milliseconds.
    pub timeout_ms: u64,
}

impl Default for SchemaRegistrySettings {
    fn default() -> Self {
        SchemaRegistrySettings {
            url: String::new(),
            username: String::new(),
            password: Secret::default(),
            ca: String::new(),
            timeout_ms: 10_000,
        }
    }
}

/// Which log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogKind {
    /// On this machine, in `data_dir`.
    Embedded,
    /// Apache Kafka.
    Kafka,
}

impl Default for LogSettings {
    fn default() -> Self {
        LogSettings {
            kind: LogKind::Embedded,
            kafka: Properties::default(),
            partitions: 1,
            replication: 1,
            schema_registry: SchemaRegistrySettings::default(),
        }
    }
}

/// The HTTP API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiSettings {
    /// Address and port to listen on. Off loopback, TLS and tokens are required.
    pub address: SocketAddr,
    /// The certificate chain, a PEM file.
    pub tls_cert: String,
    /// Its private key, a PEM file.
    pub tls_key: String,
    /// Who may call. Empty on loopback: everyone on this machine.
    pub tokens: Vec<Token>,
    /// The key that seals Secrets: 32 bytes in base64. Empty: made at the first start and kept in
    /// `data_dir`; engines of one fleet must share it.
    pub sealing_key: Secret,
}

impl Default for ApiSettings {
    fn default() -> Self {
        ApiSettings {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, PORT_DEFAULT)),
            tls_cert: String::new(),
            tls_key: String::new(),
            tokens: Vec::new(),
            sealing_key: Secret::default(),
        }
    }
}

/// The engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EngineSettings {
    /// The name of this instance among leader and standbys.
    pub name: String,
    /// About this long between two checkpoints, in milliseconds.
    pub checkpoint_interval_ms: u64,
    /// Workers of each process: the one that decides, and others that read the log and count.
    pub workers: u32,
    /// A file with the addresses of the processes that count together, one a line, the deciding one
    /// first. Empty: this one alone.
    pub processes: String,
    /// The number of this process among them, from 0 on.
    pub process: usize,
    /// The settings that decide; every change of them is on the log.
    pub policy: Policy,
}

impl Default for EngineSettings {
    fn default() -> Self {
        EngineSettings {
            name: "engine-1".to_owned(),
            checkpoint_interval_ms: 5_000,
            workers: 1,
            processes: String::new(),
            process: 0,
            policy: Policy::default(),
        }
    }
}

/// What `agent.devices` holds where no device is to be looked for.
pub const NO_DEVICES: &str = "none";

/// The agent of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AgentSettings {
    /// The node's name; empty for the host's name.
    pub name: String,
    /// Addresses of the API, tried in turn.
    pub servers: Vec<String>,
    /// The node's token.
    pub token: Secret,
    /// Certificates to trust beside the system's, a PEM file.
    pub ca: String,
    /// What runs the pods: `docker`, `process` or `simulated`.
    pub runtime: Runtime,
    /// For the docker runtime.
    pub docker: DockerSettings,
    /// For the simulated runtime.
    pub simulated: SimulatedSettings,
    /// Labels of the node.
    pub labels: BTreeMap<String, String>,
    /// What the node has, in place of what is found: `cpu`, `memory`, `pods`, extended resources,
    /// each a Kubernetes quantity.
    pub capacity: BTreeMap<String, String>,
    /// The node's GPUs by index, each `ID`, `ID=MODEL` or `ID=MODEL/MEMORY`, the id as the runtime
    /// knows it: a UUID or an index. Empty: those that the docker runtime finds. `none`: no GPU.
    pub devices: Vec<String>,
    /// What pods may not use: `cpu`, `memory`, each a Kubernetes quantity.
    pub reserved: BTreeMap<String, String>,
    /// Pods that may run at most once, as a StatefulSet's, end by themselves here when the engine has not
    /// heard the node for so long, milliseconds; their replacement elsewhere waits for that. 0: they run
    /// on, and are replaced when the node returns or its loss is confirmed.
    pub fence_ms: u64,
    /// How little may be left of what before the node counts as short of it.
    pub pressure: PressureSettings,
    /// How fast the node acts.
    pub pace: PaceSettings,
    /// Where other nodes reach this one: an address of the machine.
    pub address: IpAddr,
    /// How the node serves Services.
    pub services: ServicesSettings,
}

impl Default for AgentSettings {
    fn default() -> Self {
        AgentSettings {
            name: String::new(),
            servers: vec![SERVER_DEFAULT.to_owned()],
            token: Secret::default(),
            ca: String::new(),
            runtime: Runtime::Docker,
            docker: DockerSettings::default(),
            simulated: SimulatedSettings::default(),
            labels: BTreeMap::new(),
            capacity: BTreeMap::new(),
            devices: Vec::new(),
            reserved: BTreeMap::new(),
            // An engine is taken over within some seconds: pods need not end for that.
            fence_ms: 30_000,
            pressure: PressureSettings::default(),
            pace: PaceSettings::default(),
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            services: ServicesSettings::default(),
        }
    }
}

/// How a node serves Services.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServicesSettings {
    /// Whether it listens for Services and answers their names.
    pub enabled: bool,
    /// The port at `agent.address` by which other nodes reach the pods of this one; 0 for any.
    pub ferry_port: u16,
    /// The address that node ports and published ports listen on.
    pub publish: IpAddr,
    /// Where names are answered, an address and port; empty for nowhere. Containers are pointed there
    /// when the port is 53 and the address is none of the loopback.
    pub names: String,
    /// Who answers all other names, addresses and ports; empty for those of `/etc/resolv.conf`.
    pub upstreams: Vec<SocketAddr>,
}

/// Where names are answered unless told otherwise: beside the addresses that Services are given.
const NAMES_DEFAULT: &str = "127.96.0.10:53";

impl Default for ServicesSettings {
    fn default() -> Self {
        ServicesSettings {
            enabled: true,
            ferry_port: 0,
            publish: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            names: NAMES_DEFAULT.to_owned(),
            upstreams: Vec::new(),
        }
    }
}

/// What runs the pods of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Runtime {
    /// Docker Engine, or Podman by the same API.
    Docker,
    /// Operating-system processes, without isolation.
    Process,
    /// Nothing runs: nodes and pods in memory, for scale and tests.
    Simulated,
}

/// Docker Engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DockerSettings {
    /// Its socket, such as `unix:///var/run/docker.sock` or `tcp://127.0.0.1:2375`.
    pub host: String,
    /// The network that pods join; empty for the engine's own default.
    pub network: String,
    /// Whether the engine is only watched: its containers are shown, nothing is run there.
    pub watch: bool,
}

impl Default for DockerSettings {
    fn default() -> Self {
        let host = "unix:///var/run/docker.sock".to_owned();
        DockerSettings { host, network: String::new(), watch: false }
    }
}

/// Simulated nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SimulatedSettings {
    /// How many nodes one agent process plays.
    pub nodes: u32,
    /// The seed of their faults.
    pub seed: u64,
}

impl Default for SimulatedSettings {
    fn default() -> Self {
        SimulatedSettings { nodes: 1, seed: 0 }
    }
}

/// How fast a node acts: a token bucket for starts, and a bound on what is in flight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PaceSettings {
    /// Starts a second.
    pub starts_per_second: u32,
    /// Starts at once.
    pub starts_burst: u32,
    /// Actions in flight toward the runtime.
    pub in_flight: u32,
}

impl Default for PaceSettings {
    fn default() -> Self {
        PaceSettings { starts_per_second: 20, starts_burst: 50, in_flight: 8 }
    }
}

/// Everything on one machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpSettings {
    /// How many agents run beside the engine, each a node.
    pub agents: u32,
}

impl Default for UpSettings {
    fn default() -> Self {
        UpSettings { agents: 1 }
    }
}

/// The client verbs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientSettings {
    /// The address of the API.
    pub server: String,
    /// The token to show.
    pub token: Secret,
    /// Certificates to trust beside the system's, a PEM file.
    pub ca: String,
    /// The namespace that is meant when none is named.
    pub namespace: String,
    /// How long one call may take, in milliseconds; watches and waits are not bound by it.
    pub timeout_ms: u64,
}

impl Default for ClientSettings {
    fn default() -> Self {
        ClientSettings {
            server: SERVER_DEFAULT.to_owned(),
            token: Secret::default(),
            ca: String::new(),
            namespace: "default".to_owned(),
            timeout_ms: 30_000,
        }
    }
}

/// What the roles print about themselves, on stderr.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TraceSettings {
    /// `text` or `json`.
    pub format: TraceFormat,
    /// Which lines: a level, or `target=level` separated by commas.
    pub filter: String,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TraceFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for TraceSettings {
    fn default() -> Self {
        TraceSettings { format: TraceFormat::Text, filter: "info".to_owned() }
    }
}
