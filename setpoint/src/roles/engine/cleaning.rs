//! The embedded log forgets what its topics say, now and then. Kafka does that by itself.

use std::time::Duration;

use setpoint_ingest_embedded::EmbeddedLog;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::clock::now_ms;

/// Between two cleanings. Retention is counted in hours; a part of one is soon enough.
const CLEAN_EVERY: Duration = Duration::from_secs(600);

/// Cleans until `closing`, off the threads that serve.
pub(super) fn keep_clean(log: EmbeddedLog, closing: CancellationToken) {
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = tokio::time::sleep(CLEAN_EVERY) => {}
                () = closing.cancelled() => return,
            }
            let log = log.clone();
            match tokio::task::spawn_blocking(move || log.clean(now_ms())).await {
                Ok(Ok(cleaned)) => info!(?cleaned, "the log was cleaned"),
                Ok(Err(error)) => warn!(%error, "the log was not cleaned; it is tried again"),
                Err(error) => warn!(%error, "the cleaning of the log panicked"),
            }
        }
    });
}
