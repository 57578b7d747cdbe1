//! How little may be left before a node counts as short of it.

use std::time::Duration;

use setpoint_schemas::Threshold;

/// By what is measured; `None` is not looked at.
#[derive(Debug, Clone)]
pub struct Thresholds {
    /// `memory.available`.
    pub memory: Option<Threshold>,
    /// `nodefs.available`: bytes of the disk that the agent's state lies on.
    pub disk: Option<Threshold>,
    /// `nodefs.inodesFree`: files that may still be made there.
    pub files: Option<Threshold>,
    /// `pid.available`: processes and threads that may still be started.
    pub pids: Option<Threshold>,
    /// Who was short counts as short for so long after he was seen to be the last time.
    pub transition: Duration,
}

impl Thresholds {
    /// Nothing is looked at.
    #[must_use]
    pub fn none() -> Self {
        Thresholds { memory: None, disk: None, files: None, pids: None, transition: Duration::ZERO }
    }
}
