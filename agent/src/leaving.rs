//! What an agent leaves behind when another one has its node.
//!
//! Guarantee: on a runtime of its own it stops its pods, because the other agent runs them elsewhere
//! and no pod may run twice. On a shared runtime, or one that cannot be told apart, it touches
//! nothing: the pods are the other agent's there.

use std::time::Duration;

use setpoint_actuators::{Actuator, Authority, Desired, Dispatcher};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::error::PodsLeft;
use crate::standing::Holder;

/// A runtime that does not say what it is within this does not stop pods either.
const DESCRIBED_WITHIN: Duration = Duration::from_secs(10);
/// Longer than nearly every grace period; beyond this a human must look.
const STOPPED_WITHIN: Duration = Duration::from_secs(300);
/// Between two looks at what still runs.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Leaves the node to its new holder, and says what became of the pods here. A signal to end cuts
/// the wait for them short.
pub(crate) async fn leave(
    actuator: &dyn Actuator,
    dispatcher: Dispatcher,
    holder: &Holder,
    shutdown: &CancellationToken,
) -> PodsLeft {
    let ours = match timeout(DESCRIBED_WITHIN, actuator.describe()).await {
        Ok(Ok(info)) => info.id,
        Ok(Err(_)) | Err(_) => String::new(),
    };
    if ours.is_empty() || holder.runtime_id.is_empty() || ours == holder.runtime_id {
        return PodsLeft::Running;
    }
    info!(holder = %holder.session, "another agent runs this node's pods elsewhere: stopping them here");
    stop_all(dispatcher, shutdown).await
}

async fn stop_all(mut dispatcher: Dispatcher, shutdown: &CancellationToken) -> PodsLeft {
    let nothing = Desired::of(Authority::Full, &[]);
    let until = Instant::now() + STOPPED_WITHIN;
    let mut remaining = 0;
    while Instant::now() < until && !shutdown.is_cancelled() {
        match dispatcher.turn(&nothing).await {
            Ok(turn) if turn.observed.is_empty() && dispatcher.in_flight() == 0 => {
                return PodsLeft::Stopped;
            }
            Ok(turn) => remaining = turn.observed.len(),
            Err(error) => warn!(%error, "the runtime does not answer"),
        }
        tokio::select! {
            () = dispatcher.ended(&nothing) => {}
            () = sleep(LOOK_EVERY) => {}
            () = shutdown.cancelled() => {}
        }
    }
    PodsLeft::Remaining(remaining)
}
