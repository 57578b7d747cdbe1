//! Files of ConfigMaps and Secrets change under a running container.

use std::time::Duration;

use setpoint_schemas::ContainerState::{Running, Terminated};
use setpoint_schemas::{ConfigMapSource, Volume};

use super::Rig;
use super::tools::{container, pod, reaches, start, stop};
use crate::{FileToMount, PodToRun};

/// What a container ends with that has read what it waits for.
const CODE: i32 = 9;
/// Longer than a container takes to look again.
const LASTS: Duration = Duration::from_millis(500);

pub(super) async fn a_changed_volume_is_seen_by_a_running_container(rig: &dyn Rig) {
    let Some(reader) = rig.reading("main", "new", CODE) else { return };
    let actuator = rig.open().await;
    let mut pod = pod("c-refreshed", vec![reader]);
    let (name, source) = ("conf".to_owned(), Some(ConfigMapSource::default()));
    pod.spec.volumes = vec![Volume { name, config_map: source, ..Volume::default() }];
    put(&mut pod, "old");
    start(&*actuator, &pod).await;
    reaches(rig, &*actuator, "c-refreshed", "main", Running).await;
    actuator.refresh(&pod).await.expect("there is nothing to do");
    rig.pass(LASTS).await;
    assert_eq!(container(&*actuator, "c-refreshed", "main").await.state, Running);
    put(&mut pod, "new");
    // Another life of the agent, which finds the volume where the former one wrote it.
    drop(actuator);
    let actuator = rig.open().await;
    actuator.refresh(&pod).await.expect("it is refreshed");
    let ended = reaches(rig, &*actuator, "c-refreshed", "main", Terminated).await;
    assert_eq!(ended.exit_code, Some(CODE));
    stop(&*actuator, "c-refreshed").await;
    actuator.refresh(&pod).await.expect("a pod that is not there gets none");
}

fn put(pod: &mut PodToRun, text: &str) {
    let file = FileToMount { path: "key".to_owned(), bytes: text.into(), mode: 0o644 };
    pod.volumes.insert("conf".to_owned(), vec![file]);
}
