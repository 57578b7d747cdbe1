//! Pods that keep more on the disk than they may are found, and evicted.
//!
//! Guarantee: only pods with a limit are measured, and measuring takes a tenth of the time at most, however
//! slow the disk is. Nothing is evicted by what could not be measured.

use std::sync::Arc;
use std::time::Duration;

use setpoint_actuators::{Actuator, Desired};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};
use tracing::warn;

use super::Eviction;
use super::limits::Limits;

/// After a look we rest nine times as long as it took.
const REST_FACTOR: u32 = 9;

/// Looks for ever.
pub(crate) async fn mind(
    actuator: Arc<dyn Actuator>,
    desired: watch::Receiver<Arc<Desired>>,
    every: Duration,
    evict: mpsc::Sender<Eviction>,
) {
    loop {
        let begun = Instant::now();
        let now = desired.borrow().clone();
        for eviction in look(&*actuator, &now).await {
            if evict.send(eviction).await.is_err() {
                return;
            }
        }
        sleep(begun.elapsed().saturating_mul(REST_FACTOR).max(every)).await;
    }
}

async fn look(actuator: &dyn Actuator, desired: &Desired) -> Vec<Eviction> {
    let mut found = Vec::new();
    for (uid, pod) in desired.pods.iter().filter(|(_, pod)| !pod.ended) {
        let Some(limits) = Limits::of(&pod.spec) else { continue };
        match actuator.stored(uid, &limits.parts()).await {
            Ok(stored) => {
                let generation = pod.placement.generation;
                let eviction = |why| Eviction { uid: uid.clone(), generation, why };
                found.extend(limits.exceeded(&stored).map(eviction));
            }
            Err(error) => warn!(pod = %uid, %error, "what the pod stores is not measured"),
        }
    }
    found
}
