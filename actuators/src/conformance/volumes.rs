//! Files of ConfigMaps and Secrets change under a running container; folders last as long as they
//! should.

use std::time::Duration;

use setpoint_schemas::ContainerState::{Running, Terminated};
use setpoint_schemas::{ConfigMapSource, EmptyDirSource, HostPathSource, Volume};

use super::Rig;
use super::tools::{container, pod, reaches, start, stop, uid_of};
use crate::{FileToMount, Parts, PodToRun, Stored};

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

/// Whether it was written is told by how the container ends: only who finds the mark ends so.
pub(super) async fn an_empty_volume_lasts_as_long_as_its_pod(rig: &dyn Rig) {
    if rig.marking("main", CODE).is_none() {
        return;
    }
    let empty = || Volume { empty_dir: Some(EmptyDirSource::default()), ..scratch() };
    assert_eq!(marked(rig, "c-emptied", empty()).await, [Some(0), Some(CODE)]);
    // The same pod anew: nothing of the former is there.
    assert_eq!(marked(rig, "c-emptied", empty()).await, [Some(0), Some(CODE)]);
    // One of which nothing is said begins empty too, as Kubernetes has it.
    assert_eq!(marked(rig, "c-unsaid", scratch()).await, [Some(0), Some(CODE)]);
}

pub(super) async fn what_lies_in_an_empty_volume_is_measured(rig: &dyn Rig) {
    let Some(marking) = rig.marking("main", CODE) else { return };
    let actuator = rig.open().await;
    let mut pod = pod("c-measured", vec![marking]);
    pod.spec.volumes = vec![Volume { empty_dir: Some(EmptyDirSource::default()), ..scratch() }];
    start(&*actuator, &pod).await;
    reaches(rig, &*actuator, "c-measured", "main", Terminated).await;
    let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let parts = Parts { volumes: named(&["scratch", "other"]), containers: named(&["main"]) };
    let uid = uid_of("c-measured");
    let found = actuator.stored(&uid, &parts).await.expect("it is measured");
    assert_eq!(found.volumes.keys().collect::<Vec<_>>(), ["scratch"]);
    assert!(found.containers.keys().all(|name| name == "main"), "{found:?}");
    stop(&*actuator, "c-measured").await;
    let left = actuator.stored(&uid, &parts).await.expect("it answers");
    assert_eq!(left, Stored::default(), "nothing is left of it");
}

pub(super) async fn a_path_of_the_machine_outlives_the_pod(rig: &dyn Rig) {
    if rig.marking("main", CODE).is_none() {
        return;
    }
    let name = format!("setpoint-conformance-{}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let host = HostPathSource {
        path: path.to_string_lossy().into_owned(),
        kind: Some("DirectoryOrCreate".to_owned()),
    };
    let of_host = || Volume { host_path: Some(host.clone()), ..scratch() };
    let first = marked(rig, "c-hosted", of_host()).await;
    let second = marked(rig, "c-hosted", of_host()).await;
    let _ = std::fs::remove_dir_all(&path);
    assert_eq!((first, second), ([Some(0), Some(CODE)], [Some(CODE), Some(CODE)]));
}

fn scratch() -> Volume {
    Volume { name: "scratch".to_owned(), ..Volume::default() }
}

/// How the pod's container ends the first time, and when it is restarted; then the pod is stopped.
async fn marked(rig: &dyn Rig, uid: &str, volume: Volume) -> [Option<i32>; 2] {
    let marking = rig.marking("main", CODE).expect("containers write files");
    let actuator = rig.open().await;
    let mut pod = pod(uid, vec![marking]);
    pod.spec.volumes = vec![volume];
    start(&*actuator, &pod).await;
    let first = reaches(rig, &*actuator, uid, "main", Terminated).await;
    // Another life of the agent; and what was made is not made again.
    drop(actuator);
    let actuator = rig.open().await;
    start(&*actuator, &pod).await;
    actuator.restart_container(&uid_of(uid), "main").await.expect("it restarts");
    let again = loop {
        let seen = reaches(rig, &*actuator, uid, "main", Terminated).await;
        if (seen.started_ms, &seen.id) != (first.started_ms, &first.id) {
            break seen;
        }
        rig.pass(LASTS).await;
    };
    stop(&*actuator, uid).await;
    [first.exit_code, again.exit_code]
}
