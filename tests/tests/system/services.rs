//! Services as a user sees them, with pods that are processes on several nodes: an address that answers
//! through a rolling update, and a name for it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::api::{Api, deployment};
use crate::house::{House, LEADS_WITHIN, alone, free_port};

const SOON: Duration = Duration::from_secs(60);
/// Each of the machine's loopback addresses is a node: pods there have a network of their own.
const NODES: [(&str, &str); 4] =
    [("n1", "127.0.71.1"), ("n2", "127.0.71.2"), ("n3", "127.0.71.3"), ("n4", "127.0.71.4")];
const RANGE: &str = "127.97.71.0/24";
const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
/// Clients that ask without pause, each time by a new connection.
const CLIENTS: usize = 4;
/// Longer than any answer takes here.
const ANSWER_MAX: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn an_update_under_load_through_a_service_fails_no_request() {
    let _alone = alone();
    let range = ("SETPOINT_ENGINE__POLICY__SERVICE_RANGE", RANGE);
    let (mut house, api) = (House::new(&[range]), Api::new(free_port()));
    house.start_engine("engine", api.port);
    let names = SocketAddr::from(([127, 97, 71, 10], free_port()));
    for (node, address) in NODES {
        let settings = [
            ("SETPOINT_AGENT__RUNTIME", "process"),
            ("SETPOINT_AGENT__ADDRESS", address),
            ("SETPOINT_AGENT__SERVICES__NAMES", &names.to_string()),
            ("SETPOINT_AGENT__SERVICES__PUBLISH", "127.0.0.1"),
        ];
        house.start_agent(node, &api.base, &settings);
    }
    house.leads(&api, LEADS_WITHIN).await;

    std::fs::write(house.path.join("index.html"), "web\n").expect("a page");
    let port = free_port();
    let service = json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"selector": {"app": "web"}, "type": "NodePort",
            "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}});
    api.apply(&[service, web(&house.path, port, "one")]).await.expect("it is applied");
    let first = ready(&mut house, &api, &[]).await;
    let spec = api.get("/api/v1/namespaces/default/services/web").await.expect("it is there");
    let address: Ipv4Addr =
        spec["spec"]["clusterIP"].as_str().expect("an address").parse().expect("of IPv4");
    let node_port = spec["spec"]["ports"][0]["nodePort"].as_u64().expect("a node port");
    let node_port = u16::try_from(node_port).expect("a port");
    for at in [SocketAddr::from((address, 80)), SocketAddr::from(([127, 0, 0, 1], node_port))] {
        house.until("it answers", SOON, async || ask(at).await).await;
    }

    let load = Load::start(SocketAddr::from((address, 80)));
    api.apply(&[web(&house.path, port, "two")]).await.expect("it is applied");
    ready(&mut house, &api, &first).await;
    // The last of the old ones is sent connections until its node has heard that it goes.
    sleep(Duration::from_secs(2)).await;
    let (asked, failed) = load.stop().await;
    assert!(asked > 100, "there was no load: {asked}");
    assert!(failed.is_empty(), "of {asked} requests failed: {failed:?}");

    let answer = resolve(names, "web.default.svc.cluster.local").await.expect("it is answered");
    assert!(answer.windows(4).any(|bytes| bytes == address.octets()), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_listens_on_every_address_at_the_port_of_its_own_service() {
    let _alone = alone();
    let range = ("SETPOINT_ENGINE__POLICY__SERVICE_RANGE", RANGE);
    let (mut house, api) = (House::new(&[range]), Api::new(free_port()));
    house.start_up("up", api.port, 2);
    house.leads(&api, LEADS_WITHIN).await;
    std::fs::write(house.path.join("index.html"), "web\n").expect("a page");
    let port = free_port();
    let service = json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": port}]}});
    let mut web = web(&house.path, port, "one");
    web["spec"]["replicas"] = json!(1);
    let container = &mut web["spec"]["template"]["spec"]["containers"][0];
    container["env"][0] = json!({"name": "ADDRESS", "value": "0.0.0.0"});
    api.apply(&[service, web]).await.expect("it is applied");
    let spec = api.get("/api/v1/namespaces/default/services/web").await.expect("it is there");
    let address: Ipv4Addr =
        spec["spec"]["clusterIP"].as_str().expect("an address").parse().expect("of IPv4");
    house.until("it answers", SOON, async || ask(SocketAddr::from((address, port))).await).await;
    let pods = api.get("/api/v1/namespaces/default/pods").await.expect("they are listed");
    let status = &pods["items"][0]["status"]["containerStatuses"][0];
    assert_eq!(status["restartCount"], 0, "nobody was in its way: {status}");
}

/// Three pods, each a server at its node's address; one a node, as in a network of the node's.
fn web(folder: &Path, port: u16, version: &str) -> Value {
    let mut web = deployment("web", 3);
    let spec = &mut web["spec"];
    spec["strategy"] = json!({"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}});
    let container = &mut spec["template"]["spec"]["containers"][0];
    container["command"] =
        json!(["busybox", "httpd", "-f", "-p", format!("$(ADDRESS):{port}"), "-h", folder]);
    container["env"] = json!([
        {"name": "ADDRESS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "VERSION", "value": version},
    ]);
    container["ports"] = json!([{"name": "http", "containerPort": port, "hostPort": port}]);
    container["readinessProbe"] =
        json!({"httpGet": {"path": "/index.html", "port": "http"}, "periodSeconds": 1});
    web
}

/// Waits until three pods, none of these, are ready endpoints; their uids.
async fn ready(house: &mut House, api: &Api, former: &[String]) -> Vec<String> {
    let look = async || {
        let slices = api.get(SLICES).await?;
        let slices = slices["items"].as_array().cloned().unwrap_or_default();
        let endpoints = slices.iter().flat_map(|slice| slice["endpoints"].as_array().cloned());
        let endpoints: Vec<Value> = endpoints.flatten().collect();
        let ready = endpoints.iter().filter(|one| one["conditions"]["ready"] == true);
        let uid = |one: &Value| one["targetRef"]["uid"].as_str().unwrap_or_default().to_owned();
        let uids: Vec<String> = ready.map(uid).collect();
        let is_it = endpoints.len() == 3 && uids.len() == 3;
        let is_new = uids.iter().all(|uid| !former.contains(uid));
        if is_it && is_new { Ok(uids) } else { Err(format!("{endpoints:?}")) }
    };
    house.until("three new pods are ready endpoints", SOON, look).await
}

/// One request by a connection of its own, answered whole.
async fn ask(at: SocketAddr) -> Result<(), String> {
    let asked = async {
        let mut stream = TcpStream::connect(at).await?;
        stream.write_all(b"GET /index.html HTTP/1.0\r\n\r\n").await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = timeout(ANSWER_MAX, asked).await.map_err(|_| "no answer in time".to_owned())?;
    let answer = answer.map_err(|error| error.to_string())?;
    let is_whole = answer.contains(" 200 ") && answer.ends_with("web\n");
    if is_whole { Ok(()) } else { Err(format!("a broken answer: {answer:?}")) }
}

/// Clients that ask again and again.
struct Load {
    clients: JoinSet<Vec<String>>,
    ends: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
}

impl Load {
    fn start(at: SocketAddr) -> Load {
        let (ends, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let (ends, asked) = (ends.clone(), asked.clone());
            clients.spawn(async move {
                let mut failed = Vec::new();
                while !ends.load(Ordering::Relaxed) {
                    failed.extend(ask(at).await.err());
                    asked.fetch_add(1, Ordering::Relaxed);
                    sleep(Duration::from_millis(5)).await;
                }
                failed
            });
        }
        Load { clients, ends, asked }
    }

    /// How many requests there were, and why some failed.
    async fn stop(self) -> (usize, Vec<String>) {
        self.ends.store(true, Ordering::Relaxed);
        let failed = self.clients.join_all().await.into_iter().flatten().collect();
        (self.asked.load(Ordering::Relaxed), failed)
    }
}

/// The answer to a question for a name's addresses, as it comes.
async fn resolve(names: SocketAddr, name: &str) -> Result<Vec<u8>, String> {
    let mut question = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        question.push(u8::try_from(label.len()).expect("a label"));
        question.extend(label.as_bytes());
    }
    question.extend([0, 0, 1, 0, 1]);
    let asked = async {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        socket.send_to(&question, names).await?;
        let mut answer = vec![0; 512];
        let length = socket.recv(&mut answer).await?;
        Ok::<_, std::io::Error>(answer[..length].to_vec())
    };
    let answer = timeout(ANSWER_MAX, asked).await.map_err(|_| "no answer in time".to_owned())?;
    answer.map_err(|error| error.to_string())
}
