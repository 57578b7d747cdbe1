//! What the actuator must be told.

use std::path::PathBuf;

use setpoint_schemas::FleetId;

/// A tmpfs on every machine that runs systemd, and on most others.
const SECRETS_DEFAULT: &str = "/dev/shm/setpoint";

/// What the actuator must be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerConfig {
    /// The engine's address: `unix:///var/run/docker.sock` or `tcp://127.0.0.1:2375`.
    pub host: String,
    /// The fleet whose pods it minds.
    pub fleet: FleetId,
    /// The network that pods join.
    pub network: Network,
    /// Where the files of ConfigMaps are written; the engine must see the same folder.
    pub files: PathBuf,
    /// Where the files of Secrets are written: memory, never a disk.
    pub secrets: PathBuf,
    /// Where the node's profiles of seccomp lie, which pods name by `localhostProfile`.
    pub seccomp: PathBuf,
    /// The image of the container that holds the network of a pod of several containers; `None`
    /// for one that is made here and needs no registry.
    pub sandbox_image: Option<String>,
}

/// The network that pods join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network {
    /// The engine's own default, a bridge.
    Default,
    /// None but the loopback, which the containers of a pod share.
    None,
    /// One that was made beforehand.
    Named(String),
}

impl DockerConfig {
    /// The usual: the engine's default network, ConfigMaps below `state`, Secrets in memory.
    #[must_use]
    pub fn new(host: &str, fleet: FleetId, state: PathBuf) -> Self {
        // A machine may have several engines, and one may leave a pod that another goes on with.
        let engine = host.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-");
        let secrets = PathBuf::from(SECRETS_DEFAULT).join(fleet.as_str()).join(engine);
        let files = state.join("volumes");
        let seccomp = state.join("seccomp");
        let (host, network) = (host.to_owned(), Network::Default);
        DockerConfig { host, fleet, network, files, secrets, seccomp, sandbox_image: None }
    }
}

impl Network {
    /// From a setting: empty for the engine's default, `none` for none, otherwise its name.
    #[must_use]
    pub fn of(text: &str) -> Self {
        match text {
            "" => Network::Default,
            "none" => Network::None,
            name => Network::Named(name.to_owned()),
        }
    }

    /// Docker's word for it.
    #[must_use]
    pub(crate) fn mode(&self) -> &str {
        match self {
            Network::Default => "default",
            Network::None => "none",
            Network::Named(name) => name,
        }
    }

    /// Whether a port of a pod can be published on the node.
    #[must_use]
    pub(crate) fn publishes(&self) -> bool {
        *self != Network::None
    }
}
