//! SIGTERM and SIGINT drain: the role ends what it began and leaves.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;

/// Cancels the token at the first signal.
pub(crate) fn cancel_on_signal(closing: CancellationToken) {
    tokio::spawn(async move {
        let (Ok(mut terminate), Ok(mut interrupt)) =
            (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            return;
        };
        let signal = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
            () = closing.cancelled() => return,
        };
        closing.cancel();
        info!("{signal}: draining");
    });
}
