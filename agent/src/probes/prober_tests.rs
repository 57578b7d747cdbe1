//! A prober with a runtime that counts what is asked of it.

use std::sync::Mutex;

use setpoint_actuators::session::{Lines, Session};
use setpoint_actuators::{
    Act, ActuatorError, Authority, Changes, Desired, ExecEnd, Observed, PodToRun, RuntimeInfo,
    Usage,
};
use setpoint_schemas::call::{ExecOptions, LogOptions};
use setpoint_schemas::{ContainerState, PodUid, samples};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::probes::subjects;

/// How long a command of this runtime takes.
const TAKES: Duration = Duration::from_millis(20);
const SOON: Duration = Duration::from_secs(60);

/// A runtime that only runs commands: each ends with the code that it was told.
#[derive(Default)]
struct Counting {
    asked: Mutex<Asked>,
}

#[derive(Default)]
struct Asked {
    code: i32,
    now: BTreeSet<PodUid>,
    most: usize,
    all: usize,
}

impl Actuator for Counting {
    fn describe(&self) -> Act<'_, RuntimeInfo> {
        unused()
    }
    fn observe(&self) -> Act<'_, Vec<Observed>> {
        unused()
    }
    fn start<'a>(&'a self, _: &'a PodToRun, _: &'a CancellationToken) -> Act<'a, ()> {
        unused()
    }
    fn stop<'a>(&'a self, _: &'a PodUid, _: Duration, _: &'a CancellationToken) -> Act<'a, ()> {
        unused()
    }
    fn refresh<'a>(&'a self, _: &'a PodToRun) -> Act<'a, ()> {
        unused()
    }
    fn restart_container<'a>(&'a self, _: &'a PodUid, _: &'a str) -> Act<'a, ()> {
        unused()
    }
    fn end_container<'a>(
        &'a self,
        _: &'a PodUid,
        _: &'a str,
        _: Duration,
        _: &'a CancellationToken,
    ) -> Act<'a, ()> {
        unused()
    }
    fn exec<'a>(
        &'a self,
        uid: &'a PodUid,
        _: &'a str,
        _: &'a [String],
        _: &'a CancellationToken,
    ) -> Act<'a, ExecEnd> {
        Box::pin(async move {
            {
                let mut asked = self.asked.lock().expect("no panic");
                assert!(asked.now.insert(uid.clone()), "{uid} is asked twice at once");
                asked.most = asked.most.max(asked.now.len());
                asked.all += 1;
            }
            tokio::time::sleep(TAKES).await;
            let mut asked = self.asked.lock().expect("no panic");
            asked.now.remove(uid);
            Ok(ExecEnd { exit_code: asked.code, output: b"as told".to_vec() })
        })
    }
    fn usage(&self) -> Act<'_, Vec<Usage>> {
        unused()
    }
    fn logs<'a>(&'a self, _: &'a PodUid, _: &'a str, _: &'a LogOptions) -> Act<'a, Lines> {
        unused()
    }
    fn session<'a>(&'a self, _: &'a PodUid, _: &'a str, _: &'a ExecOptions) -> Act<'a, Session> {
        unused()
    }
    fn changes(&self) -> Changes {
        Box::pin(futures::stream::pending())
    }
}

fn unused<'a, T>() -> Act<'a, T> {
    Box::pin(async { Err(ActuatorError::transient("Unused", "nobody asks for it")) })
}

/// So many containers that run since a while, each asked every two seconds whether it is ready.
fn running(count: usize, started_ms: i64) -> Arc<Vec<Subject>> {
    let probe = serde_json::json!({"exec": {"command": ["ask"]}, "periodSeconds": 2,
        "failureThreshold": 1, "timeoutSeconds": 10});
    let spec = serde_json::json!({"containers": [{"name": "main", "readinessProbe": probe}]});
    let placement = |n: usize| samples::placement_of(&format!("pod-{n}"), &spec.to_string());
    let placements: Vec<_> = (0..count).map(placement).collect();
    let desired = Desired::of(Authority::Full, &placements);
    let mut seen = samples::pod_observed().containers[0].clone();
    (seen.name, seen.state) = ("main".to_owned(), ContainerState::Running);
    seen.started_ms = started_ms;
    let observed = placements.iter().map(|placement| Observed {
        uid: placement.uid.clone(),
        generation: placement.generation,
        term: placement.term,
        namespace: placement.pattern.namespace.clone(),
        name: placement.name.clone(),
        containers: vec![seen.clone()],
        address: String::new(),
        started_ms,
    });
    Arc::new(subjects(&desired, &observed.collect::<Vec<_>>(), ""))
}

/// Waits until so many are ready.
async fn ready(healths: &mut watch::Receiver<Arc<Healths>>, count: usize) {
    let is_so = |healths: &Arc<Healths>| {
        healths.iter().filter(|(_, _, health)| health.ready).count() == count
    };
    let is_so = tokio::time::timeout(SOON, healths.wait_for(is_so)).await;
    is_so.expect("in time").expect("the prober runs");
}

#[tokio::test]
async fn many_are_asked_soon_each_once_at_a_time_and_few_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = Arc::new(Counting::default());
    let (prober, mut healths) = Prober::open(runtime.clone(), folder.path());
    let (tell, subjects) = watch::channel(running(500, now_ms()));
    subjects_changed(&tell);
    let task = tokio::spawn(prober.run(subjects));
    ready(&mut healths, 500).await;
    assert!(runtime.asked.lock().expect("no panic").most <= COMMANDS_MAX);
    runtime.asked.lock().expect("no panic").code = 1;
    ready(&mut healths, 0).await;
    tell.send_replace(Arc::default());
    let nobody = tokio::time::timeout(SOON, healths.wait_for(|h| h.iter().count() == 0)).await;
    nobody.expect("in time").expect("the prober runs");
    drop(tell);
    task.await.expect("it ends when nobody is there any more");
}

#[tokio::test]
async fn a_new_prober_goes_on_from_what_was_said_of_the_same_life() {
    let folder = tempfile::tempdir().expect("a folder");
    let began_ms = now_ms() - 60_000;
    let runtime = Arc::new(Counting::default());
    let (prober, mut healths) = Prober::open(runtime.clone(), folder.path());
    let (tell, subjects) = watch::channel(running(3, began_ms));
    subjects_changed(&tell);
    let task = tokio::spawn(prober.run(subjects));
    ready(&mut healths, 3).await;
    task.abort();

    let before = runtime.asked.lock().expect("no panic").all;
    let (prober, mut healths) = Prober::open(runtime.clone(), folder.path());
    ready(&mut healths, 3).await;
    let mut others = (*running(3, began_ms)).clone();
    others[0].life.started_ms += 1;
    let (tell, subjects) = watch::channel(Arc::new(others));
    subjects_changed(&tell);
    runtime.asked.lock().expect("no panic").code = 1;
    let task = tokio::spawn(prober.run(subjects));
    // Of the one that began anew nothing is known; the others stay ready until they are asked.
    ready(&mut healths, 2).await;
    assert!(runtime.asked.lock().expect("no panic").all <= before + 3);
    ready(&mut healths, 0).await;
    task.abort();
}

/// The first ones are news as well.
fn subjects_changed(tell: &watch::Sender<Arc<Vec<Subject>>>) {
    tell.send_modify(|_| ());
}
