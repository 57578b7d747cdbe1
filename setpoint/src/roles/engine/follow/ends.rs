//! The two ends of a log: what is no longer there at its beginning, and what is still open behind
//! what can be read.

use std::time::Duration;

use setpoint_ingest::LogError;

/// An engine that starts waits so long for the end of what a leader is just appending. A dead
/// leader's append ends only when it is fenced, and who waits for that never fences.
pub(crate) const OPEN_PATIENCE: Duration = Duration::from_secs(3);

/// What is behind this state is no longer whole on the log.
#[derive(Debug, thiserror::Error)]
#[error("the log no longer holds all that epoch {epoch} was decided from")]
pub(crate) struct Trimmed {
    pub(crate) epoch: i64,
}

/// Whether an error means that the engine must be rebuilt from the compacted topics.
pub(crate) fn is_trimmed(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<Trimmed>().is_some()
            || matches!(cause.downcast_ref(), Some(LogError::Forgotten { .. }))
    })
}
