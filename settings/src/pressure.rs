//! How little may be left of a node before it counts as short of something: an amount, `100Mi`, or a part of
//! all, `10%`. A text that is empty means: not looked at.

use serde::{Deserialize, Serialize};
use setpoint_schemas::Threshold;

/// Kubernetes' default for the disk.
const NODEFS: &str = "10%";
/// Kubernetes' default for files.
const INODES: &str = "5%";

/// What a node counts as short of. The defaults are the kubelet's, but for process ids, for which it has
/// none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PressureSettings {
    /// `memory.available`: below it pods that ask for nothing are kept away, and pods are evicted.
    pub memory_available: String,
    /// `nodefs.available`, of the disk that the agent's state lies on: below it pods are kept away. `None` where
    /// nobody said anything ([`PressureSettings::disk`]).
    pub nodefs_available: Option<String>,
    /// `nodefs.inodesFree`, likewise ([`PressureSettings::files`]).
    pub nodefs_inodes_free: Option<String>,
    /// `pid.available`: processes and threads that may still be started.
    pub pid_available: String,
    /// A node that was short counts as short for so long after it was the last time, milliseconds.
    pub transition_ms: u64,
}

impl Default for PressureSettings {
    fn default() -> Self {
        PressureSettings {
            memory_available: "100Mi".to_owned(),
            nodefs_available: None,
            nodefs_inodes_free: None,
            pid_available: "1%".to_owned(),
            transition_ms: 300_000,
        }
    }
}

impl PressureSettings {
    /// The same on a workstation, whose disk is often fuller than a server's may be: what nobody has set
    /// for the disk is not looked at. kind does the same.
    pub fn of_workstation(&mut self) {
        for said in [&mut self.nodefs_available, &mut self.nodefs_inodes_free] {
            said.get_or_insert_with(String::new);
        }
    }

    /// How little of the disk may be left, as it is written; Kubernetes' default where nobody said anything.
    #[must_use]
    pub fn disk(&self) -> &str {
        self.nodefs_available.as_deref().unwrap_or(NODEFS)
    }

    /// How few of its files may be left, likewise.
    #[must_use]
    pub fn files(&self) -> &str {
        self.nodefs_inodes_free.as_deref().unwrap_or(INODES)
    }

    /// Each threshold with the name of its setting.
    pub(crate) fn all(&self) -> [(&'static str, &str); 4] {
        [
            ("agent.pressure.memory_available", &self.memory_available),
            ("agent.pressure.nodefs_available", self.disk()),
            ("agent.pressure.nodefs_inodes_free", self.files()),
            ("agent.pressure.pid_available", &self.pid_available),
        ]
    }

    /// A threshold as it is written; `None` for one that is not looked at.
    #[must_use]
    pub fn threshold(text: &str) -> Option<Threshold> {
        // What is no threshold was refused when the settings were read.
        text.parse().ok()
    }
}
