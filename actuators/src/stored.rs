//! How much of a node's disks the parts of a pod use.
//!
//! Absent: limits, and what follows from one that is exceeded; whoever asks knows them.

use std::collections::BTreeMap;

/// Which parts of a pod are asked about; measuring costs, so that only these are looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parts {
    /// Volumes by name: folders that begin empty and lie on the disk.
    pub volumes: Vec<String>,
    /// Containers by name: what they wrote beside their volumes, their output included.
    pub containers: Vec<String>,
}

/// What they use, in bytes. A part that cannot be measured is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stored {
    /// By volume.
    pub volumes: BTreeMap<String, i64>,
    /// By container.
    pub containers: BTreeMap<String, i64>,
}

impl Stored {
    /// All of them together.
    #[must_use]
    pub fn total(&self) -> i64 {
        let all = self.volumes.values().chain(self.containers.values());
        all.fold(0, |sum, bytes| sum.saturating_add(*bytes))
    }
}
