//! The files of ConfigMaps and Secrets, projected ones too, follow their sources while pods run.
//!
//! Level-triggered: every so often the sources of all pods that should run here are looked up anew,
//! and each volume is made what they say; what has not changed is left alone. Within about a minute,
//! as in Kubernetes. A source that is gone, or an API that is away, leaves the files as they are.
//! Absent: environments, which a program reads once; and files mounted by `subPath`.

use std::sync::Arc;
use std::time::Duration;

use setpoint_actuators::{Actuator, Authority, Desired, DesiredPod};
use setpoint_schemas::Volume;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tracing::debug;

use crate::resolve::{Resolver, Seen};

/// Refreshes for ever.
pub(crate) async fn refresh(
    actuator: Arc<dyn Actuator>,
    resolver: Arc<Resolver>,
    desired: watch::Receiver<Arc<Desired>>,
    every: Duration,
) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = desired.borrow().clone();
        if now.authority < Authority::Full {
            continue;
        }
        let mut seen = Seen::default();
        for pod in now.pods.values().filter(|pod| has_files(pod)) {
            refresh_one(&*actuator, &resolver, pod, &mut seen).await;
        }
    }
}

async fn refresh_one(
    actuator: &dyn Actuator,
    resolver: &Resolver,
    pod: &DesiredPod,
    seen: &mut Seen,
) {
    let refreshed = match resolver.files_of(pod, seen).await {
        Ok(ready) => actuator.refresh(&ready).await,
        Err(error) => Err(error),
    };
    if let Err(error) = refreshed {
        // A pod that cannot start for it says so itself; one that runs keeps what it has.
        debug!(pod = %pod.placement.uid, %error, "its volumes are not refreshed");
    }
}

fn has_files(pod: &DesiredPod) -> bool {
    pod.spec.volumes.iter().any(Volume::has_files)
}
