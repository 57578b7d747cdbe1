//! Probes as a user sees them: who is ready, who is restarted, and what an update does by it. Pods are
//! processes, so this test's own server answers for them at their address.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::api::{Api, deployment};
use crate::house::{House, LOOK_EVERY, alone};

const SOON: Duration = Duration::from_secs(60);
/// Several periods of each probe here, and the time that an update would need.
const A_WHILE: Duration = Duration::from_secs(8);
const WEB: &str = "/apis/apps/v1/namespaces/default/deployments/web";

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_is_ready_when_its_probes_say_so_and_stays_so_when_its_agent_restarts() {
    let _alone = alone();
    let (mut house, api) = House::with_nodes(&[], &["n1"]).await;
    let server = Server::start(503).await;
    let probe = json!({"httpGet": {"path": "/ready", "port": server.port}, "periodSeconds": 1});
    api.apply(&[probed(2, &json!({"readinessProbe": probe}))]).await.expect("it is applied");
    let failed = "Readiness probe failed: HTTP probe failed with statuscode: 503";
    house
        .until("both pods run and are not ready, and say why", SOON, async || {
            let pods = pods(&api).await?;
            let run = pods.iter().filter(|pod| pod.phase == "Running" && !pod.ready && pod.started);
            let say = run.filter(|pod| pod.why.contains(failed)).count();
            if say == 2 { Ok(()) } else { Err(format!("{pods:?}")) }
        })
        .await;
    let available = api.get(WEB).await.expect("it is there")["status"]["availableReplicas"].clone();
    assert!(available.as_u64().unwrap_or(0) == 0, "{available}");

    server.answer(200);
    let ready = ready(&mut house, &api, 2).await;
    house.kill("n1");
    house.start_agent("n1", &api.base, &[("SETPOINT_AGENT__RUNTIME", "process")]);
    let began = Instant::now();
    while began.elapsed() < A_WHILE {
        let now = pods(&api).await.expect("it answers");
        assert!(now.iter().all(|pod| pod.ready), "a ready pod flapped: {now:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    assert_eq!(names(&pods(&api).await.expect("it answers")), ready, "they are the same pods");

    server.answer(404);
    house
        .until("they are no longer ready", SOON, async || {
            let pods = pods(&api).await?;
            if pods.iter().all(|pod| !pod.ready) { Ok(()) } else { Err(format!("{pods:?}")) }
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_no_longer_lives_is_ended_and_restarts_in_place() {
    let _alone = alone();
    let (mut house, api) = House::with_nodes(&[], &["n1"]).await;
    let (dead, begun) = (house.path.join("dead"), house.path.join("begun"));
    let probes = json!({
        "startupProbe": {"exec": {"command": ["test", "-e", begun]}, "periodSeconds": 1,
            "failureThreshold": 1_000},
        "livenessProbe": {"exec": {"command": ["sh", "-c", format!(
            "if [ -e {} ]; then echo it is dead; exit 1; fi", dead.display())]},
            "periodSeconds": 1, "failureThreshold": 2},
    });
    api.apply(&[probed(1, &probes)]).await.expect("it is applied");
    house
        .until("it runs and has not started", SOON, async || {
            let pods = pods(&api).await?;
            let starts =
                pods.iter().all(|pod| pod.phase == "Running" && !pod.started && !pod.ready);
            if pods.len() == 1 && starts { Ok(()) } else { Err(format!("{pods:?}")) }
        })
        .await;
    std::fs::write(&begun, "").expect("it is written");
    let before = ready(&mut house, &api, 1).await;

    std::fs::write(&dead, "").expect("it is written");
    house
        .until("it is restarted in place", SOON, async || {
            let pods = pods(&api).await?;
            if pods.iter().all(|pod| pod.restarts > 0) { Ok(()) } else { Err(format!("{pods:?}")) }
        })
        .await;
    std::fs::remove_file(&dead).expect("it is removed");
    house
        .until("it lives again", SOON, async || {
            let pods = pods(&api).await?;
            if pods.iter().all(|pod| pod.ready) { Ok(()) } else { Err(format!("{pods:?}")) }
        })
        .await;
    assert_eq!(names(&pods(&api).await.expect("it answers")), before, "it is the same pod");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_whose_pods_never_get_ready_stops_and_takes_no_more_than_it_may() {
    let _alone = alone();
    let (mut house, api) = House::with_nodes(&[], &["n1", "n2"]).await;
    let probe =
        |word: &str| json!({"readinessProbe": {"exec": {"command": [word]}, "periodSeconds": 1}});
    let rolling = json!({"type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 1}});
    let version = |word: &str| {
        let mut web = probed(4, &probe(word));
        web["spec"]["strategy"] = rolling.clone();
        web
    };
    api.apply(&[version("true")]).await.expect("it is applied");
    let old = ready(&mut house, &api, 4).await;
    api.apply(&[version("false")]).await.expect("it is applied");
    let began = Instant::now();
    let mut most_new = 0;
    while began.elapsed() < 2 * A_WHILE {
        let now = pods(&api).await.expect("it answers");
        let kept = now.iter().filter(|pod| pod.ready && old.contains(&pod.name)).count();
        let new = now.iter().filter(|pod| !old.contains(&pod.name)).count();
        assert!(kept >= 3, "more than one old pod was lost: {now:?}");
        assert!(now.len() <= 5 && now.iter().all(|pod| !pod.ready || old.contains(&pod.name)));
        most_new = most_new.max(new);
        tokio::time::sleep(LOOK_EVERY).await;
    }
    assert_eq!(most_new, 2, "one beside them, and one in the place of the one that may be missing");
    let status = api.get(WEB).await.expect("it is there")["status"].clone();
    assert_eq!((&status["updatedReplicas"], &status["availableReplicas"]), (&json!(2), &json!(3)));

    api.apply(&[version("true")]).await.expect("it is applied");
    ready(&mut house, &api, 4).await;
}

/// A pod as the API shows it.
#[derive(Debug)]
struct Pod {
    name: String,
    phase: String,
    ready: bool,
    started: bool,
    restarts: u64,
    /// Why it is not ready.
    why: String,
}

/// A Deployment whose container has these probes.
fn probed(replicas: u64, probes: &Value) -> Value {
    let mut web = deployment("web", replicas);
    let container = &mut web["spec"]["template"]["spec"]["containers"][0];
    for (name, probe) in probes.as_object().expect("probes") {
        container[name] = probe.clone();
    }
    web
}

async fn pods(api: &Api) -> Result<Vec<Pod>, String> {
    let pods = api.get("/api/v1/namespaces/default/pods").await?;
    let items = pods["items"].as_array().cloned().unwrap_or_default();
    let present = items.iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    Ok(present.map(pod).collect())
}

fn pod(pod: &Value) -> Pod {
    let conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let ready = conditions.into_iter().find(|condition| condition["type"] == "Ready");
    let ready = ready.unwrap_or_default();
    let container = &pod["status"]["containerStatuses"][0];
    Pod {
        name: pod["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
        phase: pod["status"]["phase"].as_str().unwrap_or_default().to_owned(),
        ready: ready["status"] == "True" && container["ready"] == true,
        started: container["started"] == true,
        restarts: container["restartCount"].as_u64().unwrap_or(0),
        why: ready["message"].as_str().unwrap_or_default().to_owned(),
    }
}

fn names(pods: &[Pod]) -> BTreeSet<String> {
    pods.iter().map(|pod| pod.name.clone()).collect()
}

/// Waits until exactly so many pods are there and ready; their names.
async fn ready(house: &mut House, api: &Api, count: usize) -> BTreeSet<String> {
    let what = format!("exactly {count} pods are ready");
    let look = async || {
        let pods = pods(api).await?;
        let is_it = pods.len() == count && pods.iter().all(|pod| pod.ready);
        if is_it { Ok(names(&pods)) } else { Err(format!("{pods:?}")) }
    };
    house.until(&what, SOON, look).await
}

/// A server that answers every request with the status that it was told last.
struct Server {
    port: u16,
    status: Arc<AtomicU16>,
}

impl Server {
    async fn start(status: u16) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let status = Arc::new(AtomicU16::new(status));
        let told = status.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(answer(socket, told.load(Ordering::Relaxed)));
            }
        });
        Server { port, status }
    }

    fn answer(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }
}

async fn answer(mut socket: TcpStream, status: u16) {
    let _asked = socket.read(&mut [0; 1_024]).await;
    let head = format!("HTTP/1.1 {status} said\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let _told = socket.write_all(head.as_bytes()).await;
}
