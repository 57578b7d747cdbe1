//! Ours is found again; what is not ours is left alone.

use setpoint_schemas::ContainerState::{Running, Terminated};

use super::Rig;
use super::tools::{container, find, pod, reaches, start, stop, uid_of};

pub(super) async fn a_new_instance_finds_its_pods(rig: &dyn Rig) {
    let actuator = rig.open().await;
    start(&*actuator, &pod("c-found", vec![rig.lasting("main")])).await;
    let before = reaches(rig, &*actuator, "c-found", "main", Running).await;
    drop(actuator);
    let actuator = rig.open().await;
    let after = container(&*actuator, "c-found", "main").await;
    assert_eq!((before.id, before.started_ms), (after.id, after.started_ms));
    assert_eq!(after.state, Running);
    stop(&*actuator, "c-found").await;
    assert_eq!(find(&*actuator, "c-found").await, None);
}

pub(super) async fn a_new_instance_learns_how_a_container_ended(rig: &dyn Rig) {
    let actuator = rig.open().await;
    start(&*actuator, &pod("c-learned", vec![rig.lasting("main"), rig.ending("job", 5)])).await;
    reaches(rig, &*actuator, "c-learned", "main", Running).await;
    drop(actuator);
    rig.kill(&uid_of("c-learned"), "main").await;
    let actuator = rig.open().await;
    let main = reaches(rig, &*actuator, "c-learned", "main", Terminated).await;
    let job = reaches(rig, &*actuator, "c-learned", "job", Terminated).await;
    assert_eq!((main.exit_code, job.exit_code), (Some(137), Some(5)));
    actuator.restart_container(&uid_of("c-learned"), "main").await.expect("it restarts");
    reaches(rig, &*actuator, "c-learned", "main", Running).await;
    stop(&*actuator, "c-learned").await;
}

pub(super) async fn an_orphan_is_found_and_can_be_stopped(rig: &dyn Rig) {
    let actuator = rig.open().await;
    start(&*actuator, &pod("c-orphan", vec![rig.ending("main", 1), rig.lasting("side")])).await;
    drop(actuator);
    let actuator = rig.open().await;
    let orphan = find(&*actuator, "c-orphan").await.expect("it is found by its labels alone");
    assert_eq!(orphan.name.as_str(), "c-orphan");
    stop(&*actuator, "c-orphan").await;
    assert_eq!(find(&*actuator, "c-orphan").await, None);
}

pub(super) async fn another_fleet_is_left_alone(rig: &dyn Rig) {
    let ours = rig.open().await;
    let theirs = rig.open_other_fleet().await;
    start(&*theirs, &pod("c-theirs", vec![rig.lasting("main")])).await;
    let before = reaches(rig, &*theirs, "c-theirs", "main", Running).await;
    assert_eq!(find(&*ours, "c-theirs").await, None);
    stop(&*ours, "c-theirs").await;
    assert!(ours.restart_container(&uid_of("c-theirs"), "main").await.is_err());
    let after = container(&*theirs, "c-theirs", "main").await;
    assert_eq!((before.id, before.started_ms), (after.id, after.started_ms));
    assert_eq!(after.state, Running);
    stop(&*theirs, "c-theirs").await;
}

pub(super) async fn what_is_not_ours_is_never_touched(rig: &dyn Rig) {
    rig.plant_foreign().await;
    let actuator = rig.open().await;
    let before = actuator.observe().await.expect("the runtime answers");
    start(&*actuator, &pod("c-beside", vec![rig.lasting("main")])).await;
    reaches(rig, &*actuator, "c-beside", "main", Running).await;
    stop(&*actuator, "c-beside").await;
    assert_eq!(actuator.observe().await.expect("the runtime answers"), before);
    assert!(rig.foreign_lives().await, "what was planted runs on");
}
