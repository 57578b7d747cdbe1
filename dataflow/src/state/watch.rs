//! How far an update is watched: what is counted of its pods, and whether it stands still.
//!
//! Absent: what follows from it (`decide/reverting.rs`). The checkpoint keeps it; a rebuilt engine
//! counts anew.

use serde::{Deserialize, Serialize};

/// How far the current revision of a Deployment is watched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Watch {
    /// Engine time since when it is the current one: its pods that are older began for another update.
    pub(crate) since_ms: i64,
    /// Pods of it that failed as they began.
    pub(crate) failures: i64,
    /// Why the last of them did.
    pub(crate) why: String,
    /// Engine time since when all that are wanted of it are available; 0 before that.
    pub(crate) whole_ms: i64,
    /// Whether it is not watched any more: all were available for as long as it is to be.
    pub(crate) over: bool,
    /// Why its update stands still; empty when it does not.
    pub(crate) halted: String,
}
