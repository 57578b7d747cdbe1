//! Where a private engine stands among the machine's networks.

use std::process::Command;

/// Where a private engine stands among the machine's networks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Surroundings {
    /// In the machine's own network; its containers have none.
    #[default]
    Alone,
    /// In a network namespace that was made beforehand, as if it were another machine; its containers are
    /// behind a bridge there. It is reached by its socket from everywhere.
    Namespace {
        /// The name of the namespace, as `ip netns` has it.
        name: String,
        /// The bridge's own address with its range, such as `10.20.1.1/24`.
        bridge: String,
    },
    /// In the machine's own network; its containers are on this bridge, which was made beforehand.
    OnBridge(String),
}

impl Surroundings {
    /// The daemon's command, to which its other arguments are added.
    pub(super) fn daemon(&self) -> Command {
        match self {
            Surroundings::Alone => {
                let mut daemon = Command::new("dockerd");
                daemon.arg("--bridge=none");
                daemon
            }
            Surroundings::Namespace { name, bridge } => {
                // Not `ip netns exec`, which mounts `/sys` anew and hides the control groups.
                let mut daemon = Command::new("nsenter");
                daemon.args([&format!("--net=/run/netns/{name}"), "dockerd", "--bip", bridge]);
                daemon
            }
            Surroundings::OnBridge(bridge) => {
                let mut daemon = Command::new("dockerd");
                // The machine's own settings stay as they are.
                daemon.args(["--bridge", bridge, "--ip-forward=false"]);
                daemon
            }
        }
    }
}
