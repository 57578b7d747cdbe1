//! A node of a test: state folders, an agent that is started and ended, and its processes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use setpoint_actuator_process::{ProcessActuator, ProcessOptions};
use setpoint_actuators::Actuator;
use setpoint_agent::{AgentError, AgentOptions, Intervals, run};
use setpoint_schemas::{ContainerState, FleetId, NodeName, Placement, samples};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::fake_api::FakeApi;

/// A machine with its folders.
pub(crate) struct Node {
    dir: tempfile::TempDir,
    /// Where the pods' processes are kept.
    runtime: PathBuf,
    urls: Vec<String>,
    snapshot: Duration,
    lease: Duration,
    fence: Duration,
}

/// An agent that runs.
pub(crate) struct Agent {
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), AgentError>>,
}

impl Node {
    pub(crate) fn new(api: &FakeApi) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let runtime = dir.path().join("process");
        Node {
            dir,
            runtime,
            urls: vec![api.url().to_owned()],
            snapshot: Duration::from_secs(60),
            lease: Duration::from_millis(200),
            fence: Duration::from_secs(30),
        }
    }

    /// The same node whose pods that may run at most once end this long after the last renewal that
    /// counts.
    pub(crate) fn fenced_within(mut self, time: Duration) -> Self {
        self.fence = time;
        self
    }

    /// The same node on another one's runtime.
    pub(crate) fn on_runtime_of(mut self, other: &Node) -> Self {
        self.runtime.clone_from(&other.runtime);
        self
    }

    /// The same node with snapshots at this interval.
    pub(crate) fn with_snapshots(mut self, every: Duration) -> Self {
        self.snapshot = every;
        self
    }

    /// The same node with this interval between renewals of its lease.
    pub(crate) fn with_lease(mut self, every: Duration) -> Self {
        self.lease = every;
        self
    }

    /// The same node with another API to be tried first.
    pub(crate) fn before(mut self, first: &FakeApi) -> Self {
        self.urls.insert(0, first.url().to_owned());
        self
    }

    pub(crate) fn agent(&self) -> Agent {
        let node = NodeName::parse("node-1").expect("valid");
        let mut options = AgentOptions::new(fleet(), node, "", self.dir.path().join("agent"));
        options.api_urls.clone_from(&self.urls);
        options.token = Some("token-of-node-1".into());
        options.intervals = Intervals {
            lease: self.lease,
            observe: Duration::from_millis(200),
            snapshot: self.snapshot,
            refresh: Duration::from_millis(300),
            room: Duration::from_secs(1),
            excess: Duration::from_millis(300),
            usage: Duration::from_millis(300),
            retry_max: Duration::from_millis(300),
        };
        options.fence = Some(self.fence);
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(run(options, Arc::new(self.actuator()), shutdown.clone()));
        Agent { shutdown, task }
    }

    /// Stops every pod, past the agent.
    pub(crate) async fn clean(&self) {
        let actuator = self.actuator();
        for pod in actuator.observe().await.expect("readable") {
            let now = CancellationToken::new();
            actuator.stop(&pod.uid, Duration::ZERO, &now).await.expect("it stops");
        }
    }

    /// The process of a pod's first container once it is one that is looked for.
    pub(crate) async fn process_of(&self, uid: &str, wanted: impl Fn(&str) -> bool) -> String {
        for _ in 0..1_000 {
            let pods = self.actuator().observe().await.expect("readable");
            let pod = pods.into_iter().find(|pod| pod.uid == *uid).expect("it is there");
            let id = &pod.containers[0].id;
            if !id.is_empty() && wanted(id) {
                return id.clone();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{uid} has no such process");
    }

    /// Whether a container of this pod runs.
    pub(crate) async fn runs_a_container_of(&self, uid: &str) -> bool {
        let pods = self.actuator().observe().await.expect("readable");
        let runs = |pod: &setpoint_actuators::Observed| {
            pod.containers.iter().any(|container| container.state == ContainerState::Running)
        };
        pods.iter().any(|pod| pod.uid == *uid && runs(pod))
    }

    /// Whether anything is left of this pod.
    pub(crate) async fn has(&self, uid: &str) -> bool {
        let pods = self.actuator().observe().await.expect("readable");
        pods.iter().any(|pod| pod.uid == *uid)
    }

    fn actuator(&self) -> ProcessActuator {
        let this = std::env::current_exe().expect("this program has a path").into_os_string();
        let rest = ["--nocapture", "--exact", "the_supervisor"].map(Into::into);
        let options = ProcessOptions {
            fleet: fleet(),
            state: self.runtime.clone(),
            shim: std::iter::once(this).chain(rest).collect(),
            env: vec![("PATH".into(), std::env::var("PATH").expect("there is a path"))],
        };
        ProcessActuator::open(options).expect("it opens")
    }
}

impl Agent {
    /// Ends it as an operator does.
    pub(crate) async fn end(self) {
        self.shutdown.cancel();
        self.task.await.expect("it does not panic").expect("it ends well");
    }

    /// Waits until it ends by itself.
    pub(crate) async fn ended(self) -> Result<(), AgentError> {
        self.task.await.expect("it does not panic")
    }

    /// Ends it as a crash does: at once, wherever it is.
    pub(crate) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.expect_err("it was aborted").is_cancelled());
    }
}

/// A placement of generation 1 with this spec.
pub(crate) fn placement(uid: &str, spec: Value) -> Placement {
    samples::placement_of(uid, &spec.to_string())
}

/// The same of a pod that may run at most once.
pub(crate) fn guarded(uid: &str, spec: Value) -> Placement {
    Placement { at_most_one: true, ..placement(uid, spec) }
}

/// Sets an annotation of the pod.
pub(crate) fn annotate(placement: &mut Placement, name: &str, value: &str) {
    let pattern = Arc::make_mut(&mut placement.pattern);
    pattern.annotations.insert(name.into(), value.into());
}

/// A spec of one container that runs a script.
pub(crate) fn shell(script: &str) -> Value {
    json!({"containers": [{"name": "main", "command": ["/bin/sh", "-c", script]}],
        "terminationGracePeriodSeconds": 1})
}

/// The container's folder, when this program was started as a supervisor.
pub(crate) fn container_to_supervise() -> Option<PathBuf> {
    let last = PathBuf::from(std::env::args_os().next_back()?);
    last.join("run.json").exists().then_some(last)
}

/// Kills a process as `kill -9` does.
pub(crate) fn kill(pid: &str) {
    let status = std::process::Command::new("kill").args(["-9", pid]).status();
    assert!(status.expect("kill runs").success());
}

/// Whether a process runs (a zombie does not).
pub(crate) fn runs(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| state != 'Z')
}

fn fleet() -> FleetId {
    FleetId::parse("ours").expect("valid")
}
