//! Pods whole: init containers, sidecars and containers, begun and ended in their order, also when the
//! agent is another one in the middle of it and remembers nothing.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use setpoint_schemas::ContainerState::{Running, Terminated, Waiting};
use setpoint_schemas::{Container, ContainerObserved, PodPhase};

use super::Rig;
use super::tools::{container, find, named, pod, reaches, start, stop, uid_of};
use crate::dispatcher::{Dispatcher, Pacing};
use crate::prepare::Prepare;
use crate::status::status;
use crate::{ActuatorError, Authority, Books, Desired, DesiredPod, Finished, Observed, PodToRun};

/// Between two turns of the agent.
const TURN_EVERY: Duration = Duration::from_millis(50);
/// Thirty seconds in all, as elsewhere in the suite.
const TURNS_MAX: u32 = 600;
/// What a shell and Docker say of a process that SIGKILL ended: 128 + 9.
const CODE_OF_SIGKILL: i32 = 137;
/// Enough for an agent to do what it should not.
const TURNS_IDLE: u32 = 10;

pub(super) async fn what_is_held_is_not_started(rig: &dyn Rig) {
    let actuator = rig.open().await;
    let mut pod = pod("c-held", vec![rig.lasting("main")]);
    pod.spec.init_containers = vec![rig.ending("init", 0)];
    pod.held = ["main".to_owned()].into();
    start(&*actuator, &pod).await;
    let init = reaches(rig, &*actuator, "c-held", "init", Terminated).await;
    let seen = find(&*actuator, "c-held").await.expect("it is told of");
    assert!(named(&seen, "main").is_none_or(|main| main.state == Waiting), "{seen:?}");
    pod.held.clear();
    start(&*actuator, &pod).await;
    reaches(rig, &*actuator, "c-held", "main", Running).await;
    let again = container(&*actuator, "c-held", "init").await;
    assert_eq!((init.started_ms, init.exit_code), (again.started_ms, again.exit_code));
    let seen = find(&*actuator, "c-held").await.expect("it is told of");
    let names: Vec<&str> = seen.containers.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["init", "main"], "in the order in which they begin");
    stop(&*actuator, "c-held").await;
    assert_eq!(find(&*actuator, "c-held").await, None);
}

pub(super) async fn a_pod_begins_and_ends_in_its_order(rig: &dyn Rig) {
    let mut whole = pod("c-whole", vec![rig.writing("main", &["one", "two"], 0)]);
    whole.spec.init_containers = vec![rig.ending("init", 0), sidecar(rig.lasting("side"))];
    whole.spec.restart_policy = Some("Never".to_owned());
    let desired = desired(&whole);
    let mut agent = Agent::new(rig, &desired).await;
    let all = ["init", "side", "main"];
    agent.until(|seen| named(seen, "side").is_some_and(|side| side.state == Running)).await;
    let init = agent.see("init").await;
    // Another agent, which remembers nothing.
    let mut agent = Agent::new(rig, &desired).await;
    let finished = agent.until_finished().await;
    assert_eq!(finished.phase, PodPhase::Succeeded, "{finished:?}");
    let [first, side, main] = all.map(|name| of(&finished, name));
    assert_eq!(first.started_ms, init.started_ms, "it ran once");
    assert!(first.finished_ms <= side.started_ms, "{first:?} before {side:?}");
    assert!(side.started_ms <= main.started_ms, "{side:?} before {main:?}");
    assert!(main.finished_ms <= side.finished_ms, "{main:?} ends before {side:?}");
    let mut agent = Agent::new(rig, &desired).await;
    agent.idle().await;
    for name in all {
        let now = agent.see(name).await;
        assert_eq!((now.state, now.started_ms), (Terminated, of(&finished, name).started_ms));
    }
    stop(&*rig.open().await, "c-whole").await;
}

pub(super) async fn an_init_container_that_failed_for_good_ends_its_pod(rig: &dyn Rig) {
    let mut whole = pod("c-fails", vec![rig.lasting("main")]);
    whole.spec.init_containers = vec![sidecar(rig.lasting("side")), rig.ending("init", 3)];
    whole.spec.restart_policy = Some("Never".to_owned());
    let desired = desired(&whole);
    let finished = Agent::new(rig, &desired).await.until_finished().await;
    assert_eq!(finished.phase, PodPhase::Failed, "{finished:?}");
    assert_eq!(of(&finished, "init").exit_code, Some(3));
    assert_eq!(of(&finished, "side").state, Terminated);
    assert_eq!(of(&finished, "main").started_ms, 0, "it never began");
    stop(&*rig.open().await, "c-fails").await;
}

pub(super) async fn how_a_life_ended_is_told_while_the_next_one_runs(rig: &dyn Rig) {
    let desired = desired(&pod("c-lives", vec![rig.lasting("main")]));
    // No wait before a restart is so long.
    let mut agent = Agent::at(rig, &desired, i64::MAX / 2).await;
    agent.until(|seen| named(seen, "main").is_some_and(|main| main.state == Running)).await;
    let first = agent.see("main").await;
    rig.kill(&uid_of("c-lives"), "main").await;
    let is_next = |seen: &Observed| {
        let main = named(seen, "main").filter(|main| main.state == Running);
        main.is_some_and(|main| main.started_ms != first.started_ms)
    };
    agent.until(is_next).await;
    let last = agent.told("main").await.last.expect("it was restarted");
    assert_eq!((last.exit_code, last.started_ms), (CODE_OF_SIGKILL, first.started_ms), "{last:?}");
    assert!(last.finished_ms >= last.started_ms && last.id == first.id, "{last:?} of {first:?}");
    stop(&*rig.open().await, "c-lives").await;
}

/// An agent that remembers nothing of former ones.
struct Agent<'a> {
    rig: &'a dyn Rig,
    desired: &'a Desired,
    dispatcher: Dispatcher,
    now_ms: i64,
}

impl<'a> Agent<'a> {
    async fn new(rig: &'a dyn Rig, desired: &'a Desired) -> Self {
        // Nobody waits for a time.
        Agent::at(rig, desired, 1).await
    }

    /// One whose clock shows always this, milliseconds.
    async fn at(rig: &'a dyn Rig, desired: &'a Desired, now_ms: i64) -> Self {
        let (actuator, books) = (rig.open().await, Books::in_memory());
        let clock = Arc::new(move || now_ms);
        let prepare = Arc::new(AsItIs);
        let dispatcher = Dispatcher::new(actuator, prepare, clock, Pacing::default(), books);
        Agent { rig, desired, dispatcher, now_ms }
    }

    async fn turn(&mut self) -> Vec<Observed> {
        let turn = self.dispatcher.turn(self.desired).await.expect("the runtime answers");
        self.rig.pass(TURN_EVERY).await;
        turn.observed
    }

    async fn until(&mut self, is_so: impl Fn(&Observed) -> bool) {
        for _ in 0..TURNS_MAX {
            if self.turn().await.iter().any(&is_so) {
                return;
            }
        }
        panic!("it never comes so far");
    }

    async fn until_finished(&mut self) -> Finished {
        for _ in 0..TURNS_MAX {
            self.turn().await;
            let uid = self.desired.pods.keys().next().expect("one pod");
            let book = self.dispatcher.books().get(uid);
            if let Some(finished) = book.and_then(|book| book.finished.clone()) {
                return finished;
            }
        }
        panic!("the pod never ends");
    }

    async fn idle(&mut self) {
        for _ in 0..TURNS_IDLE {
            self.turn().await;
        }
    }

    /// What it says of a container.
    async fn told(&self, name: &str) -> ContainerObserved {
        let (uid, pod) = self.desired.pods.iter().next().expect("one pod");
        let runs = find(&*self.rig.open().await, &uid.text()).await;
        let book = self.dispatcher.books().get(uid);
        let told = status(pod, runs.as_ref(), book, None, self.now_ms);
        told.containers.into_iter().find(|c| c.name == name).expect("it is told of")
    }

    async fn see(&self, name: &str) -> ContainerObserved {
        let uid = self.desired.pods.keys().next().expect("one pod").to_string();
        container(&*self.rig.open().await, &uid, name).await
    }
}

/// Pods whose specs name nothing.
struct AsItIs;

impl Prepare for AsItIs {
    fn prepare<'a>(
        &'a self,
        pod: &'a DesiredPod,
    ) -> BoxFuture<'a, Result<PodToRun, ActuatorError>> {
        let every = pod.spec.every_container();
        let ready = PodToRun {
            env: every.map(|container| (container.name.clone(), Vec::new())).collect(),
            ..PodToRun::bare((*pod.placement).clone(), (*pod.spec).clone())
        };
        Box::pin(async { Ok(ready) })
    }
}

fn desired(pod: &PodToRun) -> Desired {
    let mut placement = pod.placement.clone();
    let spec = serde_json::to_string(&pod.spec).expect("a spec is JSON");
    Arc::make_mut(&mut placement.pattern).spec = spec.into();
    let desired = Desired::of(Authority::Full, &[placement]);
    assert!(desired.pods.contains_key(&uid_of(&pod.placement.uid.text())));
    desired
}

fn sidecar(container: Container) -> Container {
    Container { restart_policy: Some("Always".to_owned()), ..container }
}

fn of<'a>(finished: &'a Finished, name: &str) -> &'a ContainerObserved {
    let mut containers = finished.containers.iter();
    containers.find(|container| container.name == name).expect("it is told of")
}
