//! Whether the node is short of memory, of disk or of process ids, as Kubernetes' kubelet judges it.
//!
//! Guarantee: who was short counts as short until he was not for a whole transition period, so that nothing
//! flaps. What cannot be measured, or has no threshold, is not claimed.
//! Absent: whose doing it is.

mod signals;
mod strain;
mod thresholds;
pub(crate) mod conditions;
pub(crate) mod mind;

pub use thresholds::Thresholds;

/// How the node does. `None`: nobody looks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pressures {
    pub(crate) memory: Option<bool>,
    pub(crate) pids: Option<bool>,
    /// What of the disk is short, in words that do not change while it is.
    pub(crate) disk: Option<String>,
}
