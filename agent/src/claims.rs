//! Folders of claims that are gone: removed, and said so.
//!
//! Level-triggered: the list of placements names the volumes whose folders are to go, until the leader
//! has heard that nothing is left of them. An agent that is killed in the middle goes on with what the
//! next list names.
//! Guarantee: nothing is removed by a list of a former life, nor while a pod still runs here that
//! should not: it may be one that used the folder, before its node was lost.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use setpoint_actuators::{Actuator, Authority, Desired};
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::AgentOptions;
use crate::client::Api;
use crate::resolve::claims::folder;

/// What could not be removed is tried again after this.
const RETRY: Duration = Duration::from_secs(10);

/// Removes what lists name, for ever.
pub(crate) async fn remove(
    api: Arc<Api>,
    actuator: Arc<dyn Actuator>,
    options: Arc<AgentOptions>,
    mut desired: watch::Receiver<Arc<Desired>>,
) {
    loop {
        let now = desired.borrow_and_update().clone();
        let is_left = now.authority == Authority::Full
            && !now.volumes_leaving.is_empty()
            && !remove_all(&api, &*actuator, &options, &now).await;
        let again = async {
            match is_left {
                true => sleep(RETRY).await,
                false => std::future::pending().await,
            }
        };
        tokio::select! {
            () = again => {}
            changed = desired.changed() => if changed.is_err() {
                return;
            },
        }
    }
}

/// Whether nothing is left to do.
async fn remove_all(
    api: &Api,
    actuator: &dyn Actuator,
    options: &AgentOptions,
    desired: &Desired,
) -> bool {
    let Ok(observed) = actuator.observe().await else { return false };
    if observed.iter().any(|pod| !desired.pods.contains_key(&pod.uid)) {
        return false;
    }
    let mut is_done = true;
    for volume in &desired.volumes_leaving {
        is_done &= remove_one(api, options, volume).await;
    }
    is_done
}

async fn remove_one(api: &Api, options: &AgentOptions, volume: &str) -> bool {
    let Some(folder) = folder(&options.state, volume) else {
        warn!(volume, "a volume that is to be removed has no name of one");
        return true;
    };
    // A folder may hold much: nothing else waits for it.
    let removed = tokio::task::spawn_blocking(move || match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    });
    match removed.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            warn!(volume, %error, "failed to remove the folder of a claim");
            return false;
        }
        Err(_) => return false,
    }
    let path = format!("/api/v1/persistentvolumes/{volume}");
    match api.send(Method::DELETE, &path, &json!({})).await {
        Ok(()) => info!(volume, "the folder of a claim is removed"),
        Err(error) if error.is_not_found() => {}
        Err(error) => {
            api.tell("the removal of a claim's folder is not told", &error);
            return false;
        }
    }
    true
}
