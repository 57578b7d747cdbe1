//! What an agent is told when it starts.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use setpoint_actuators::Pacing;
use setpoint_schemas::{Device, FleetId, NodeName, Resources};

use crate::Thresholds;

/// An engine is taken over within some seconds: pods need not end for that.
const FENCE: Duration = Duration::from_secs(30);

/// What an agent is told when it starts.
#[derive(Debug, Clone)]
pub struct AgentOptions {
    /// Where the API answers, such as `http://127.0.0.1:6440`; tried in this order, and the one
    /// that answered last first.
    pub api_urls: Vec<String>,
    /// The bearer token; `None` on loopback without credentials.
    pub token: Option<String>,
    /// Certificates to trust beside the system's, in PEM.
    pub ca_pem: Option<Vec<u8>>,
    /// A client of HTTP to share with other agents of this process; `None` for one of its own.
    pub http: Option<reqwest::Client>,
    /// The fleet; lists of another one are refused.
    pub fleet: FleetId,
    /// This node.
    pub node: NodeName,
    /// Where the node is reached, as it says of itself.
    pub address: String,
    /// The folder that keeps the guard, the last list and restart counts. One agent a folder.
    pub state: PathBuf,
    /// Labels of the node beside those that it gives itself.
    pub labels: BTreeMap<String, String>,
    /// What of the machine pods may not use.
    pub reserved: Resources,
    /// What the machine has, where the runtime should not be asked (several agents on one
    /// machine); only amounts above 0 replace what the runtime says.
    pub capacity: Resources,
    /// Its devices, by index.
    pub devices: Vec<Device>,
    /// Whether it asks for calls to its containers; simulated ones have nothing to say, and thousands of
    /// nodes in one process would hold a connection more each.
    pub hears_calls: bool,
    /// How it serves Services; `None` for not at all.
    pub services: Option<ServicesOptions>,
    /// How often what is done.
    pub intervals: Intervals,
    /// Pods that may run at most once have ended so long after the sending of the last renewal of the
    /// lease that the engine has taken in. `None`: they run on, and are not replaced before the node is
    /// heard or somebody says that it is gone.
    pub fence: Option<Duration>,
    /// How little may be left of what before the node counts as short of it.
    pub pressure: Thresholds,
    /// How fast the node works.
    pub pacing: Pacing,
}

/// How a node serves Services.
#[derive(Debug, Clone)]
pub struct ServicesOptions {
    /// The port at the node's address where other nodes reach its pods; 0 for any.
    pub ferry_port: u16,
    /// The address that node ports and published ports listen on.
    pub publish: IpAddr,
    /// Where names are answered; `None` for nowhere.
    pub names: Option<SocketAddr>,
    /// The domain that they lie in, such as `cluster.local`.
    pub domain: String,
    /// Who answers all other names, asked in this order.
    pub upstreams: Vec<SocketAddr>,
    /// Where the containers of this node reach the answerer; `None` where they do not.
    pub resolver: Option<IpAddr>,
    /// The domains in which the machine itself looks for names.
    pub searches: Vec<String>,
}

/// How often what is done.
#[derive(Debug, Clone, Copy)]
pub struct Intervals {
    /// The lease is renewed.
    pub lease: Duration,
    /// The runtime is looked at although nothing hinted at a change.
    pub observe: Duration,
    /// All that the node has is told in one record.
    pub snapshot: Duration,
    /// The disks are looked at, and what else the node may be short of.
    pub room: Duration,
    /// What pods with limits keep on the disk is measured.
    pub excess: Duration,
    /// Files of ConfigMaps and Secrets follow their sources.
    pub refresh: Duration,
    /// Usage is measured.
    pub usage: Duration,
    /// The longest wait before a call to the API is tried again.
    pub retry_max: Duration,
}

impl Default for Intervals {
    fn default() -> Self {
        Intervals {
            lease: Duration::from_secs(5),
            observe: Duration::from_secs(1),
            snapshot: Duration::from_secs(60),
            // The kubelet's interval.
            room: Duration::from_secs(10),
            excess: Duration::from_secs(10),
            // The kubelet's.
            refresh: Duration::from_secs(60),
            usage: Duration::from_secs(15),
            retry_max: Duration::from_secs(2),
        }
    }
}

impl AgentOptions {
    /// An agent of this fleet and node with the usual settings.
    #[must_use]
    pub fn new(fleet: FleetId, node: NodeName, api_url: &str, state: PathBuf) -> Self {
        AgentOptions {
            api_urls: vec![api_url.to_owned()],
            token: None,
            ca_pem: None,
            http: None,
            fleet,
            node,
            address: "127.0.0.1".into(),
            state,
            labels: BTreeMap::new(),
            reserved: Resources::default(),
            capacity: Resources::default(),
            devices: Vec::new(),
            hears_calls: true,
            services: None,
            intervals: Intervals::default(),
            fence: Some(FENCE),
            pressure: Thresholds::none(),
            pacing: Pacing::default(),
        }
    }
}
