//! A node that is short of memory evicts one of its pods, and looks again before it evicts another.
//!
//! Absent: shortages of the disk and of process ids. Nobody can tell which pod has taken how much of these
//! without looking at all that every one of them wrote; they keep new pods away.

use setpoint_actuators::{Actuator, Desired};
use tracing::warn;

pub(crate) use super::ranking::Shortage;
use super::sent::Sent;
use super::{Eviction, ranking};

/// The pod that goes first now, of those that were not sent already; `None` when none of the node's pods uses
/// memory that can be measured.
pub(crate) async fn relieve(
    actuator: &dyn Actuator,
    desired: &Desired,
    shortage: &Shortage,
    sent: &Sent,
) -> Option<Eviction> {
    match actuator.usage().await {
        Ok(usage) => ranking::first(desired, &usage, shortage, sent),
        Err(error) => {
            warn!(%error, "the node is short of memory, and what its pods use is not measured");
            None
        }
    }
}
