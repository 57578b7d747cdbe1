//! Devices: a runtime gives them, or says which container it cannot give them to.

use std::sync::Arc;

use setpoint_schemas::ContainerState::Running;
use setpoint_schemas::TakenDevice;
use tokio_util::sync::CancellationToken;

use super::Rig;
use super::tools::{find, pod, reaches, stop};

pub(super) async fn devices_are_given_or_refused_to_their_container_alone(rig: &dyn Rig) {
    let actuator = rig.open().await;
    let mut pod = pod("c-devices", vec![rig.lasting("train"), rig.lasting("main")]);
    pod.placement.devices = Box::new([TakenDevice {
        container: Arc::from("train"),
        index: 0,
        id: Arc::from("GPU-of-nobody"),
        milli: 500,
    }]);
    // What is refused is refused again, until the device is there.
    for _ in 0..2 {
        match actuator.start(&pod, &CancellationToken::new()).await {
            Ok(()) => drop(reaches(rig, &*actuator, "c-devices", "train", Running).await),
            Err(error) => {
                assert_eq!(error.container(), Some("train"), "{error:?}");
                assert!(error.is_transient() && !error.reason().is_empty(), "{error:?}");
            }
        }
    }
    reaches(rig, &*actuator, "c-devices", "main", Running).await;
    stop(&*actuator, "c-devices").await;
    assert_eq!(find(&*actuator, "c-devices").await, None);
}
