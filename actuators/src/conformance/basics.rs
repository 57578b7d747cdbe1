//! Start, observe, stop.

use setpoint_schemas::ContainerState::{Running, Terminated};
use tokio_util::sync::CancellationToken;

use super::Rig;
use super::tools::{container, find, named, pod, reaches, start, stop, uid_of};

pub(super) async fn a_machine_says_what_it_has(rig: &dyn Rig) {
    let info = rig.open().await.describe().await.expect("the runtime answers");
    assert!(!info.runtime.is_empty() && !info.version.is_empty(), "{info:?}");
    assert!(info.capacity.cpu_milli > 0 && info.capacity.memory_bytes > 0, "{info:?}");
    assert!(info.capacity.pods > 0, "{info:?}");
}

pub(super) async fn a_started_pod_is_observed(rig: &dyn Rig) {
    let actuator = rig.open().await;
    let pod = pod("c-observed", vec![rig.lasting("main")]);
    start(&*actuator, &pod).await;
    reaches(rig, &*actuator, "c-observed", "main", Running).await;
    let seen = find(&*actuator, "c-observed").await.expect("it is told of");
    assert_eq!((seen.generation, seen.term), (1, 1));
    assert_eq!(seen.namespace, pod.placement.pattern.namespace);
    assert_eq!(seen.name, pod.placement.name);
    assert_eq!(seen.containers.len(), 1);
    assert!(seen.started_ms > 0 && !seen.containers[0].id.is_empty(), "{seen:?}");
    let uid = uid_of("c-observed");
    assert_eq!(actuator.address(&uid).await.ok(), Some(seen.address));
    stop(&*actuator, "c-observed").await;
    assert_eq!(find(&*actuator, "c-observed").await, None);
    let gone = actuator.address(&uid).await.expect_err("it is gone");
    assert_eq!(gone.reason(), "NotFound");
}

pub(super) async fn starting_twice_starts_once(rig: &dyn Rig) {
    let actuator = rig.open().await;
    let pod = pod("c-twice", vec![rig.lasting("main")]);
    start(&*actuator, &pod).await;
    let first = reaches(rig, &*actuator, "c-twice", "main", Running).await;
    start(&*actuator, &pod).await;
    let second = container(&*actuator, "c-twice", "main").await;
    assert_eq!((first.id, first.started_ms), (second.id, second.started_ms));
    stop(&*actuator, "c-twice").await;
}

pub(super) async fn stopping_twice_is_stopped(rig: &dyn Rig) {
    let actuator = rig.open().await;
    start(&*actuator, &pod("c-stopped", vec![rig.lasting("main")])).await;
    stop(&*actuator, "c-stopped").await;
    stop(&*actuator, "c-stopped").await;
    stop(&*actuator, "c-never-was").await;
    assert_eq!(find(&*actuator, "c-stopped").await, None);
}

pub(super) async fn all_containers_of_a_pod_run(rig: &dyn Rig) {
    let actuator = rig.open().await;
    start(&*actuator, &pod("c-many", vec![rig.lasting("web"), rig.lasting("log")])).await;
    let web = reaches(rig, &*actuator, "c-many", "web", Running).await;
    let log = reaches(rig, &*actuator, "c-many", "log", Running).await;
    assert_ne!(web.id, log.id);
    let seen = find(&*actuator, "c-many").await.expect("it is told of");
    let names: Vec<&str> = seen.containers.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(
        names,
        ["web", "log"],
        "the order of the spec, and nothing that is the runtime's own"
    );
    stop(&*actuator, "c-many").await;
}

pub(super) async fn usage_tells_of_what_runs(rig: &dyn Rig) {
    let actuator = rig.open().await;
    start(&*actuator, &pod("c-usage", vec![rig.lasting("main"), rig.ending("done", 0)])).await;
    reaches(rig, &*actuator, "c-usage", "main", Running).await;
    reaches(rig, &*actuator, "c-usage", "done", Terminated).await;
    let usage = actuator.usage().await.expect("the runtime answers");
    let uid = uid_of("c-usage");
    let ours: Vec<_> = usage.iter().filter(|u| u.uid == uid).collect();
    assert_eq!(ours.len(), 1, "{ours:?}");
    assert_eq!(ours[0].container, "main");
    assert!(ours[0].cpu_nanos >= 0 && ours[0].memory_bytes > 0, "{ours:?}");
    stop(&*actuator, "c-usage").await;
}

pub(super) async fn one_that_cannot_start_leaves_the_others(rig: &dyn Rig) {
    let actuator = rig.open().await;
    let pod = pod("c-broken", vec![rig.unstartable("broken"), rig.lasting("main")]);
    let error = actuator.start(&pod, &CancellationToken::new()).await.expect_err("one cannot");
    assert_eq!(error.container(), Some("broken"), "{error:?}");
    assert!(!error.reason().is_empty());
    reaches(rig, &*actuator, "c-broken", "main", Running).await;
    let seen = find(&*actuator, "c-broken").await.expect("it is told of");
    assert!(named(&seen, "broken").is_none_or(|c| c.state != Running), "{seen:?}");
    stop(&*actuator, "c-broken").await;
    assert_eq!(find(&*actuator, "c-broken").await, None);
}
