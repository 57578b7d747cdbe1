//! A real engine, started here, watched while containers come, end and go.

use std::collections::VecDeque;
use std::time::Duration;

use bollard::Docker;
use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder, StartContainerOptions,
};
use setpoint_actuator_docker::testing::{PrivateEngine, TEST_IMAGE, require};
use setpoint_ingest_docker::{Scope, WatchSettings, Watcher, connect, watch};
use setpoint_schemas::{Input, NodeName, PodObserved, PodPhase, SessionId};
use tokio::sync::mpsc::{Receiver, channel};
use tokio_util::sync::CancellationToken;

/// A machine under load takes long; after a minute something is broken.
const SOON: Duration = Duration::from_secs(60);

fn settings() -> WatchSettings {
    WatchSettings {
        watcher: Watcher {
            node: NodeName::parse("n1").expect("a node"),
            session: SessionId::parse("s1").expect("a session"),
            scope: Scope::Unmanaged,
        },
        snapshot_every: Duration::from_secs(1),
        retry_after: Duration::from_millis(200),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_is_not_ours_is_watched_through_its_loss_and_return() {
    if !require() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut engine = PrivateEngine::start(&folder.path().join("e")).expect("an engine");
    let docker = connect(&engine.host()).await.expect("the engine answers");
    let early = start(&docker, "early", "sleep 1000").await;
    let (sink, receiver) = channel(100);
    let mut inputs = Inputs { receiver, queue: VecDeque::new() };
    let cancel = CancellationToken::new();
    let (watched, stop) = (docker.clone(), cancel.clone());
    let task = tokio::spawn(async move { watch(&watched, &settings(), || 1, sink, stop).await });

    until(&mut inputs, |input| matches!(input, Input::Node(node) if node.is_ready())).await;
    let pod = until_pod(&mut inputs, "early", PodPhase::Running).await;
    assert_eq!(
        pod.uid.to_string(),
        format!("docker-{}", &early[..32]),
        "what ran before is listed"
    );

    start(&docker, "late", "sleep 1; exit 3").await;
    until_pod(&mut inputs, "late", PodPhase::Running).await;
    let pod = until_pod(&mut inputs, "late", PodPhase::Failed).await;
    assert_eq!(pod.containers[0].exit_code, Some(3));
    assert!(pod.containers[0].finished_ms >= pod.started_ms && pod.started_ms > 0);
    let force = RemoveContainerOptionsBuilder::new().force(true).build();
    docker.remove_container("late", Some(force)).await.expect("removed");
    until_pod(&mut inputs, "late", PodPhase::Gone).await;
    let lists =
        |input: &Input| matches!(input, Input::Snapshot(snapshot) if snapshot.uids.len() == 1);
    until(&mut inputs, lists).await;

    engine.lose();
    until(&mut inputs, |input| matches!(input, Input::Node(node) if !node.is_ready())).await;
    engine.restart().expect("it comes back");
    until(&mut inputs, |input| matches!(input, Input::Node(node) if node.is_ready())).await;
    until_pod(&mut inputs, "early", PodPhase::Failed).await;
    cancel.cancel();
    task.await.expect("it ends when it is cancelled");
}

async fn start(docker: &Docker, name: &str, script: &str) -> String {
    let host = HostConfig { network_mode: Some("none".to_owned()), ..HostConfig::default() };
    let body = ContainerCreateBody {
        image: Some(TEST_IMAGE.to_owned()),
        cmd: Some(["sh", "-c", script].map(str::to_owned).to_vec()),
        host_config: Some(host),
        ..ContainerCreateBody::default()
    };
    let options = CreateContainerOptionsBuilder::new().name(name).build();
    let id = docker.create_container(Some(options), body).await.expect("created").id;
    docker.start_container(&id, None::<StartContainerOptions>).await.expect("started");
    id
}

/// What is told, one by one.
struct Inputs {
    receiver: Receiver<Vec<Input>>,
    queue: VecDeque<Input>,
}

async fn until_pod(inputs: &mut Inputs, name: &str, phase: PodPhase) -> PodObserved {
    let is = |input: &Input| matches!(input, Input::Pod(pod) if pod.name() == name && pod.phase() == phase);
    match until(inputs, is).await {
        Input::Pod(pod) => pod.whole(),
        other => panic!("{other:?}"),
    }
}

/// The first input that fits; what comes before it is dropped.
async fn until(inputs: &mut Inputs, fits: impl Fn(&Input) -> bool) -> Input {
    let found = async {
        loop {
            while let Some(input) = inputs.queue.pop_front() {
                if fits(&input) {
                    return input;
                }
            }
            inputs.queue.extend(inputs.receiver.recv().await.expect("the watch goes on"));
        }
    };
    tokio::time::timeout(SOON, found).await.expect("the engine is seen")
}
