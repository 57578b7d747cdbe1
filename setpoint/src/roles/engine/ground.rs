//! What the log stands on is looked at while nothing is written: an engine whose folder was deleted
//! or replaced ends, and does not wait for the next write to learn it.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::error;

use super::SharedLog;

/// Between two looks: a few look-ups of a name, and soon enough for a human to see what they did.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks until `closing`; an error ends the engine.
pub(super) async fn keep_looking(log: SharedLog, closing: CancellationToken) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            () = closing.cancelled() => return Ok(()),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        if let Err(lost) = log.look() {
            error!(%lost, "nothing more is acknowledged; the engine ends");
            closing.cancel();
            return Err(lost.into());
        }
    }
}
