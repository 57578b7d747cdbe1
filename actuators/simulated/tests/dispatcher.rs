//! The node's dispatcher against a plant: it converges, one action in flight a pod, and never does
//! what is no longer wanted.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use setpoint_actuator_simulated::{
    EXIT, Faults, LAST, LEAVE, PROGRAM, Plant, SAY, SimulatedActuator, UNSTARTABLE,
};
use setpoint_actuators::session::{Lines, Session};
use setpoint_actuators::{
    Act, Actuator, ActuatorError, Authority, Books, Changes, Desired, DesiredPod, Dispatcher,
    ExecEnd, Failed, Health, Healths, Life, Observed, Pacing, PodToRun, Prepare, RuntimeInfo,
    Usage,
};
use setpoint_schemas::call::{ExecOptions, LogOptions};
use setpoint_schemas::{
    ContainerState, DEADLINE_EXCEEDED, EVICTED, FleetId, NodeName, Placement, PodPhase, PodUid,
    samples,
};
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn a_node_converges_and_then_rests() {
    let mut node = Node::new(1, Faults::default(), Pacing::default());
    let desired = full(&[last("a"), last("b"), last("c")]);
    node.run(&desired, 1_000).await;
    assert_eq!(node.running(), ["a", "b", "c"]);
    let calls = node.calls();
    node.run(&desired, 60_000).await;
    assert_eq!(node.calls(), calls, "a settled node is left alone");
    node.run(&full(&[last("b")]), 1_000).await;
    assert_eq!(node.running(), ["b"]);
}

#[tokio::test]
async fn every_seed_of_faults_converges_once_they_end() {
    let faults = Faults {
        starts_fail_permille: 300,
        start_slow_ms_max: 3_000,
        exits_permille: 300,
        exit_within_ms: 5_000,
    };
    for seed in 0..30 {
        let mut node = Node::new(seed, faults, Pacing::default());
        let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let desired = full(&names.map(last));
        node.run(&desired, 3_600_000).await;
        assert_eq!(node.running(), names, "seed {seed}");
        node.run(&full(&[]), 120_000).await;
        assert_eq!(node.running(), [""; 0], "seed {seed}");
    }
}

#[tokio::test]
async fn a_slow_runtime_has_only_so_many_starts_in_flight() {
    let slow = Faults { start_slow_ms_max: 10_000, ..Faults::default() };
    let pacing = Pacing { starts_in_flight_max: 2, ..Pacing::default() };
    let mut node = Node::new(1, slow, pacing);
    let desired = full(&["a", "b", "c", "d", "e"].map(last));
    node.run(&desired, 60_000).await;
    assert_eq!(node.running().len(), 5);
    assert_eq!(node.watched.lock().expect("no panic").most_in_flight, 2);
}

#[tokio::test]
async fn drift_that_disappears_drops_what_was_not_begun_and_cancels_what_was() {
    let slow = Faults { start_slow_ms_max: 1_000_000_000, ..Faults::default() };
    let pacing = Pacing { starts_in_flight_max: 1, ..Pacing::default() };
    let mut node = Node::new(1, slow, pacing);
    node.turn(&full(&["a", "b", "c", "d"].map(last))).await;
    assert_eq!(node.calls(), ["start a"]);
    node.run(&full(&[]), 2_000).await;
    assert_eq!(node.calls(), ["start a", "stop a"], "b, c and d were never begun");
    assert_eq!(node.dispatcher.in_flight(), 0);
}

#[tokio::test]
async fn the_token_bucket_bounds_what_begins_at_once() {
    let three = NonZeroU32::new(3).expect("not zero");
    let slowly = NonZeroU32::MIN;
    let pacing = Pacing { starts_burst: three, starts_per_second: slowly, ..Pacing::default() };
    let mut node = Node::new(1, Faults::default(), pacing);
    node.turn(&full(&["a", "b", "c", "d", "e"].map(last))).await;
    assert_eq!(node.calls().len(), 3);
}

#[tokio::test]
async fn a_crash_loop_restarts_with_growing_waits() {
    let mut node = Node::new(1, Faults::default(), Pacing::default());
    let desired = full(&[placement("a", &[EXIT, "1", "100"])]);
    // Starts at 0; ends at 100; restarts at once, after 10 s, after 20 s, after 40 s.
    let restarts = |node: &Node| node.calls().iter().filter(|c| *c == "restart a").count();
    for (until_ms, expected) in [(5_000, 1), (11_000, 2), (21_000, 3), (41_000, 4)] {
        node.run(&desired, until_ms).await;
        assert_eq!(restarts(&node), expected, "after another {until_ms} ms");
    }
}

#[tokio::test]
async fn how_a_container_ended_is_remembered_while_its_next_life_runs() {
    let mut node = Node::new(1, Faults::default(), Pacing::default());
    let desired = full(&[placement("a", &[EXIT, "7", "100"])]);
    node.run(&desired, 50).await;
    let uid = PodUid::parse("a").expect("valid");
    let last = |node: &Node| node.dispatcher.books().get(&uid)?.lasts.get("main").cloned();
    assert_eq!(last(&node), None, "it was not restarted");
    node.run(&desired, 5_000).await;
    let first = last(&node).expect("it was restarted");
    assert_eq!(first.exit_code, 7);
    assert!(first.finished_ms > first.started_ms, "{first:?}");
    node.run(&desired, 11_000).await;
    let second = last(&node).expect("it was restarted again");
    assert!(second.started_ms >= first.finished_ms, "{first:?} then {second:?}");
}

#[tokio::test]
async fn a_pod_whose_restarts_are_used_up_has_failed_and_rests() {
    let mut node = Node::new(1, Faults::default(), Pacing::default());
    let mut placed = placement("a", &[EXIT, "1", "100"]);
    let annotations = &mut Arc::make_mut(&mut placed.pattern).annotations;
    annotations.insert("setpoint.dev/restart-attempts".to_owned(), "2".to_owned());
    let desired = full(&[placed]);
    node.run(&desired, 60_000).await;
    assert_eq!(node.calls(), ["start a", "restart a", "restart a"]);
    assert_eq!(finished(&node), Some((PodPhase::Failed, "RestartsExhausted".to_owned())));
}

#[tokio::test]
async fn what_can_never_start_is_tried_once() {
    let mut node = Node::new(1, Faults::default(), Pacing::default());
    let desired = full(&[placement("a", &[UNSTARTABLE])]);
    node.run(&desired, 600_000).await;
    assert_eq!(node.calls(), ["start a"]);
}

#[tokio::test]
async fn a_runtime_that_does_not_answer_is_not_acted_upon() {
    let mut node = Node::new(1, Faults::default(), Pacing::default());
    node.plant.set_down(&name(), true);
    let error = node.dispatcher.turn(&full(&[last("a")])).await.expect_err("it is down");
    assert!(error.is_transient());
    assert_eq!(node.calls(), [""; 0]);
}

#[tokio::test]
async fn a_runtime_that_panics_fails_one_pod_and_is_tried_again() {
    let mut node = Node::new(1, Faults::default(), Pacing::default());
    let desired = full(&[last(PANICS), last("a")]);
    node.run(&desired, 5_000).await;
    assert_eq!(node.running(), ["a"]);
    node.run(&desired, 20_000).await;
    let tries = node.calls().iter().filter(|call| call.ends_with(PANICS)).count();
    assert_eq!(tries, 2, "at once and after 10 s");
}

#[tokio::test]
async fn draining_leaves_the_pods_running() {
    let mut node = Node::new(1, Faults::default(), Pacing::default());
    node.run(&full(&[last("a")]), 1_000).await;
    let plant = node.plant.clone();
    node.dispatcher.drain(Duration::from_secs(1)).await;
    assert_eq!(plant.observe(&name(), &fleet()).expect("it answers").len(), 1);
}

/// The pod whose start panics.
const PANICS: &str = "panics";

/// One node of a plant and its dispatcher, on the plant's time.
struct Node {
    plant: Plant,
    watched: Arc<Mutex<Watched>>,
    dispatcher: Dispatcher,
}

/// Every call to the runtime, and who has one under way.
#[derive(Default)]
struct Watched {
    calls: Vec<String>,
    in_flight: BTreeSet<PodUid>,
    most_in_flight: usize,
    /// How many of the next messages cannot be read.
    unread: usize,
    asked: usize,
}

impl Node {
    fn new(seed: u64, faults: Faults, pacing: Pacing) -> Self {
        let plant = Plant::new(seed, faults, 0);
        let watched = Arc::new(Mutex::new(Watched::default()));
        let inner = plant.actuator(&name(), &fleet());
        let actuator = Arc::new(WatchedActuator { inner, watched: watched.clone() });
        let clock = plant.clone();
        let clock = Arc::new(move || clock.now_ms());
        let prepare = Arc::new(AsItIs);
        let dispatcher = Dispatcher::new(actuator, prepare, clock, pacing, Books::in_memory());
        Node { plant, watched, dispatcher }
    }

    /// Turns while this much time passes.
    async fn run(&mut self, desired: &Desired, time_ms: i64) {
        let until_ms = self.plant.now_ms() + time_ms;
        let step_ms = (time_ms / 1_000).max(10);
        while self.plant.now_ms() < until_ms {
            self.turn(desired).await;
            self.plant.advance_to(self.plant.now_ms() + step_ms);
        }
        self.turn(desired).await;
    }

    async fn turn(&mut self, desired: &Desired) {
        self.dispatcher.turn(desired).await.expect("it answers");
        // What was begun runs until it waits for time.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }

    fn calls(&self) -> Vec<String> {
        self.watched.lock().expect("no panic").calls.clone()
    }

    fn running(&self) -> Vec<String> {
        let pods = self.plant.observe(&name(), &fleet()).expect("it answers");
        let runs = |pod: &&Observed| pod.containers[0].state == ContainerState::Running;
        pods.iter().filter(runs).map(|pod| pod.uid.to_string()).collect()
    }
}

/// Asserts that a pod has at most one action in flight.
struct WatchedActuator {
    inner: SimulatedActuator,
    watched: Arc<Mutex<Watched>>,
}

#[tokio::test]
async fn a_container_that_failed_its_probe_is_ended_and_restarts_as_one_that_failed() {
    let mut node = Node::new(1, Faults::default(), Pacing::default());
    let spec = serde_json::json!({"restartPolicy": "OnFailure",
        "containers": [{"name": "main", "command": [PROGRAM, LAST]}]});
    let desired = full(&[samples::placement_of("a", &spec.to_string())]);
    node.run(&desired, 1_000).await;
    let uid = PodUid::parse("a").expect("valid");
    let seen = node.plant.observe(&name(), &fleet()).expect("it answers");
    let life = Life::of(&seen[0].containers[0]);
    let failed = Some(Failed { message: "no".to_owned(), grace: None });
    let mut healths = Healths::default();
    let (started, ready, message) = (true, true, String::new());
    healths.set(&uid, "main", Health { life, started, ready, message, failed });
    node.dispatcher.hear(Arc::new(healths));
    node.run(&desired, 60_000).await;
    assert_eq!(node.calls(), ["start a", "end a", "restart a"], "it ended well, and yet restarts");
    assert_eq!(node.running(), ["a"], "the next life is another one");
}

/// A pod of one container that behaves so, with more said of it and of its pod.
fn whole(words: &[&str], container: serde_json::Value, pod: serde_json::Value) -> Desired {
    let command: Vec<&str> = [PROGRAM].iter().chain(words).copied().collect();
    let mut spec = serde_json::json!({"containers": [{"name": "main", "command": command}]});
    let merge = |into: &mut serde_json::Value, more: serde_json::Value| {
        let more = more.as_object().cloned().expect("fields");
        into.as_object_mut().expect("fields").extend(more);
    };
    merge(&mut spec["containers"][0], container);
    merge(&mut spec, pod);
    full(&[samples::placement_of("a", &spec.to_string())])
}

#[tokio::test]
async fn what_a_container_left_is_told_with_its_end_and_bounded_by_its_share_of_the_pod() {
    for (containers, expected) in [(1, 4 << 10), (6, 2 << 10)] {
        let mut node = Node::new(1, Faults::default(), Pacing::default());
        let long = "x".repeat(20_000);
        let container = |number: usize| {
            let name = format!("c{number}");
            serde_json::json!({"name": name, "command": [PROGRAM, LEAVE, long, "3"]})
        };
        let containers: Vec<_> = (0..containers).map(container).collect();
        let spec = serde_json::json!({"restartPolicy": "Never", "containers": containers});
        node.run(&full(&[samples::placement_of("a", &spec.to_string())]), 1_000).await;
        let book = node.dispatcher.books().get(&PodUid::parse("a").expect("valid"));
        let finished = book.and_then(|book| book.finished.as_ref()).expect("it has ended");
        for container in &finished.containers {
            assert_eq!((container.exit_code, container.message.len()), (Some(3), expected));
        }
    }
}

#[tokio::test]
async fn who_does_not_answer_is_asked_once_more_and_no_more() {
    for (unread, asked, expected) in [(0, 1, "why"), (1, 2, "why"), (2, 2, "")] {
        let mut node = Node::new(1, Faults::default(), Pacing::default());
        node.watched.lock().expect("no panic").unread = unread;
        let spec = serde_json::json!({"restartPolicy": "Never",
            "containers": [{"name": "main", "command": [PROGRAM, LEAVE, "why", "3"]}]});
        let desired = full(&[samples::placement_of("a", &spec.to_string())]);
        node.run(&desired, 60_000).await;
        let book = node.dispatcher.books().get(&PodUid::parse("a").expect("valid"));
        let finished = book.and_then(|book| book.finished.as_ref()).expect("it has ended");
        assert_eq!(finished.containers[0].message, expected, "{unread} unread");
        assert_eq!(node.watched.lock().expect("no panic").asked, asked, "{unread} unread");
    }
}

fn finished(node: &Node) -> Option<(PodPhase, String)> {
    let book = node.dispatcher.books().get(&PodUid::parse("a").expect("valid"))?;
    book.finished.as_ref().map(|finished| (finished.phase, finished.reason.clone()))
}

#[tokio::test]
async fn a_pod_with_init_container_and_sidecar_runs_through_and_rests() {
    let mut node = Node::new(1, Faults::default(), Pacing::default());
    let inits = serde_json::json!([
        {"name": "init", "command": [PROGRAM, EXIT, "0", "100"]},
        {"name": "side", "restartPolicy": "Always", "command": [PROGRAM, LAST]}]);
    let more = serde_json::json!({"restartPolicy": "Never", "initContainers": inits});
    let desired = whole(&[EXIT, "0", "1000"], serde_json::json!({}), more);
    node.run(&desired, 10_000).await;
    // Each of the three is started by itself; all that are not over are ended, and those are none but
    // the sidecar.
    let calls = ["start a", "start a", "start a", "end a", "end a", "end a"];
    assert_eq!(node.calls(), calls);
    assert_eq!(finished(&node), Some((PodPhase::Succeeded, String::new())));
    node.run(&desired, 600_000).await;
    assert_eq!(node.calls(), calls, "a pod that has ended is left alone");
}

#[tokio::test]
async fn a_failed_init_container_is_tried_again_with_growing_waits() {
    let mut node = Node::new(1, Faults::default(), Pacing::default());
    let inits = serde_json::json!([{"name": "init", "command": [PROGRAM, EXIT, "1", "100"]}]);
    let more = serde_json::json!({"initContainers": inits});
    let desired = whole(&[LAST], serde_json::json!({}), more);
    let restarts = |node: &Node| node.calls().iter().filter(|c| *c == "restart a").count();
    for (until_ms, expected) in [(5_000, 1), (11_000, 2), (21_000, 3)] {
        node.run(&desired, until_ms).await;
        assert_eq!(restarts(&node), expected, "after another {until_ms} ms");
    }
    let seen = node.plant.observe(&name(), &fleet()).expect("it answers");
    let main = seen[0].containers.iter().find(|c| c.name == "main").expect("it is told of");
    assert_eq!(main.state, ContainerState::Waiting, "its time has not come");
}

#[tokio::test]
async fn a_container_whose_hook_fails_after_its_start_is_ended_and_restarted() {
    let hook = |code: &str| {
        let command = serde_json::json!({"command": [PROGRAM, SAY, "so it is", code]});
        serde_json::json!({"lifecycle": {"postStart": {"exec": command}}})
    };
    let mut node = Node::new(1, Faults::default(), Pacing::default());
    let desired = whole(&[LAST], hook("1"), serde_json::json!({}));
    node.run(&desired, 5_000).await;
    assert_eq!(node.calls(), ["start a", "end a", "restart a", "end a"]);
    let mut node = Node::new(1, Faults::default(), Pacing::default());
    let desired = whole(&[LAST], hook("0"), serde_json::json!({}));
    node.run(&desired, 5_000).await;
    assert_eq!(node.calls(), ["start a"], "a hook that goes well changes nothing");
}

#[tokio::test]
async fn a_pod_whose_time_is_over_is_ended_and_not_started_again() {
    let mut node = Node::new(1, Faults::default(), Pacing::default());
    let more = serde_json::json!({"activeDeadlineSeconds": 5});
    let desired = whole(&[LAST], serde_json::json!({}), more);
    node.run(&desired, 4_000).await;
    assert_eq!(node.calls(), ["start a"]);
    node.run(&desired, 60_000).await;
    assert_eq!(node.calls(), ["start a", "end a"]);
    assert_eq!(finished(&node), Some((PodPhase::Failed, DEADLINE_EXCEEDED.to_owned())));
}

#[tokio::test]
async fn a_pod_that_is_evicted_is_ended_and_removed_and_stays_failed() {
    let mut node = Node::new(1, Faults::default(), Pacing::default());
    let desired = whole(&[LAST], serde_json::json!({}), serde_json::json!({}));
    node.run(&desired, 4_000).await;
    let uid = PodUid::parse("a").expect("valid");
    node.dispatcher.evict(&uid, 2, "of another generation");
    node.run(&desired, 1_000).await;
    assert_eq!(node.calls(), ["start a"]);
    node.dispatcher.evict(&uid, 1, "it is too large");
    node.dispatcher.evict(&uid, 1, "it is told once");
    node.run(&desired, 60_000).await;
    assert_eq!(node.calls(), ["start a", "end a", "stop a"]);
    let book = node.dispatcher.books().get(&uid).expect("it is remembered");
    let finished = book.finished.as_ref().expect("it has ended");
    let told = (finished.phase, &*finished.reason, &*finished.message);
    assert_eq!(told, (PodPhase::Failed, EVICTED, "it is too large"));
}

#[tokio::test]
async fn a_pod_with_a_sidecar_is_stopped_in_its_order() {
    let mut node = Node::new(1, Faults::default(), Pacing::default());
    let side = serde_json::json!({"name": "side", "restartPolicy": "Always",
        "command": [PROGRAM, LAST]});
    let more = serde_json::json!({"initContainers": [side]});
    let desired = whole(&[LAST], serde_json::json!({}), more);
    node.run(&desired, 1_000).await;
    node.run(&full(&[]), 5_000).await;
    assert_eq!(node.calls(), ["start a", "start a", "end a", "end a", "stop a"]);
}

/// One call that is under way; its end is noted also when it is dropped.
struct Call<'a>(&'a Mutex<Watched>, PodUid);

impl WatchedActuator {
    fn enter(&self, what: &str, uid: &PodUid) -> Call<'_> {
        let mut watched = self.watched.lock().expect("no panic");
        watched.calls.push(format!("{what} {uid}"));
        assert!(watched.in_flight.insert(uid.clone()), "{uid} has two actions in flight");
        watched.most_in_flight = watched.most_in_flight.max(watched.in_flight.len());
        Call(&self.watched, uid.clone())
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.0.lock().expect("no panic").in_flight.remove(&self.1);
    }
}

impl Actuator for WatchedActuator {
    fn describe(&self) -> Act<'_, RuntimeInfo> {
        self.inner.describe()
    }

    fn observe(&self) -> Act<'_, Vec<Observed>> {
        self.inner.observe()
    }

    fn start<'a>(&'a self, pod: &'a PodToRun, cancel: &'a CancellationToken) -> Act<'a, ()> {
        Box::pin(async move {
            let _call = self.enter("start", &pod.placement.uid);
            assert_ne!(pod.placement.uid, PANICS);
            self.inner.start(pod, cancel).await
        })
    }

    fn stop<'a>(
        &'a self,
        uid: &'a PodUid,
        grace: Duration,
        cancel: &'a CancellationToken,
    ) -> Act<'a, ()> {
        Box::pin(async move {
            let _call = self.enter("stop", uid);
            self.inner.stop(uid, grace, cancel).await
        })
    }

    fn refresh<'a>(&'a self, pod: &'a PodToRun) -> Act<'a, ()> {
        self.inner.refresh(pod)
    }

    fn restart_container<'a>(&'a self, uid: &'a PodUid, container: &'a str) -> Act<'a, ()> {
        Box::pin(async move {
            let _call = self.enter("restart", uid);
            self.inner.restart_container(uid, container).await
        })
    }

    fn end_container<'a>(
        &'a self,
        uid: &'a PodUid,
        container: &'a str,
        grace: Duration,
        cancel: &'a CancellationToken,
    ) -> Act<'a, ()> {
        Box::pin(async move {
            let _call = self.enter("end", uid);
            self.inner.end_container(uid, container, grace, cancel).await
        })
    }

    fn exec<'a>(
        &'a self,
        uid: &'a PodUid,
        container: &'a str,
        command: &'a [String],
        cancel: &'a CancellationToken,
    ) -> Act<'a, ExecEnd> {
        self.inner.exec(uid, container, command, cancel)
    }

    fn usage(&self) -> Act<'_, Vec<Usage>> {
        self.inner.usage()
    }

    fn message<'a>(&'a self, uid: &'a PodUid, container: &'a str) -> Act<'a, Vec<u8>> {
        let mut watched = self.watched.lock().expect("no panic");
        watched.asked += 1;
        if watched.unread > 0 {
            watched.unread -= 1;
            let error = ActuatorError::transient("Busy", "later");
            return Box::pin(std::future::ready(Err(error)));
        }
        drop(watched);
        self.inner.message(uid, container)
    }

    fn logs<'a>(
        &'a self,
        uid: &'a PodUid,
        container: &'a str,
        options: &'a LogOptions,
    ) -> Act<'a, Lines> {
        self.inner.logs(uid, container, options)
    }

    fn session<'a>(
        &'a self,
        uid: &'a PodUid,
        container: &'a str,
        command: &'a ExecOptions,
    ) -> Act<'a, Session> {
        self.inner.session(uid, container, command)
    }

    fn changes(&self) -> Changes {
        self.inner.changes()
    }
}

/// Pods whose specs name nothing.
struct AsItIs;

impl Prepare for AsItIs {
    fn prepare<'a>(
        &'a self,
        pod: &'a DesiredPod,
    ) -> BoxFuture<'a, Result<PodToRun, ActuatorError>> {
        let ready = PodToRun {
            placement: (*pod.placement).clone(),
            spec: (*pod.spec).clone(),
            env: BTreeMap::new(),
            volumes: BTreeMap::new(),
            credentials: Default::default(),
            held: Default::default(),
        };
        Box::pin(async { Ok(ready) })
    }
}

fn full(placements: &[Placement]) -> Desired {
    Desired::of(Authority::Full, placements)
}

fn last(uid: &str) -> Placement {
    placement(uid, &[LAST])
}

fn placement(uid: &str, words: &[&str]) -> Placement {
    let command: Vec<&str> = [PROGRAM].iter().chain(words).copied().collect();
    let spec = serde_json::json!({"containers": [{"name": "main", "command": command}]});
    samples::placement_of(uid, &spec.to_string())
}

fn name() -> NodeName {
    NodeName::parse("node-1").expect("valid")
}

fn fleet() -> FleetId {
    FleetId::parse("f").expect("valid")
}
