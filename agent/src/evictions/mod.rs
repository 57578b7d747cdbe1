//! Which pods the node ends because of what they use, and the words that say why.
//!
//! A pod that is named here ends for good, as `Failed` with Kubernetes' reason and words; what follows is
//! the engine's, as with any pod that failed.
//! Absent: budgets and priorities of the fleet. A node that runs out of something cannot wait for them.

mod limits;
mod ranking;
pub(crate) mod sent;
pub(crate) mod excess;
pub(crate) mod shortage;

use setpoint_schemas::PodUid;

/// A node that ends so many pods at once has told of them before it measures again.
pub(crate) const EVICTIONS_QUEUED_MAX: usize = 16;

/// A pod that the node ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Eviction {
    pub(crate) uid: PodUid,
    /// The generation that was measured.
    pub(crate) generation: i64,
    /// Why, in Kubernetes' words.
    pub(crate) why: String,
}
