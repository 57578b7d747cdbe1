//! The closed loop on three real Docker Engines: each node an engine and an agent, one engine of
//! ours, a real application.
//!
//! What is broken behind our back is mended, a lost node's pods move, a node that returns runs
//! exactly what is placed there, no uid ever runs twice, and what is not ours is left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use setpoint_actuator_docker::testing::{Surroundings, require};
use setpoint_ingest_kafka::testing::Kafka;

use crate::api::Api;
use crate::docker_engines::{Node, Nodes, Running, Sightings};
use crate::house::{House, alone, free_port};
use crate::{docker_application, ledger};

const FLEET: &str = "docker-test";
const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];
/// Fifteen containers on three engines of a busy machine.
const CONVERGES_WITHIN: Duration = Duration::from_secs(120);
/// A lease of three seconds, and its pods started elsewhere.
const MOVES_WITHIN: Duration = Duration::from_secs(60);
/// The promise: so soon after its return a node runs exactly what is placed there.
const RETURNS_WITHIN: Duration = Duration::from_secs(10);
/// And so it stays, for longer than an agent takes to look and act.
const LASTS: Duration = Duration::from_secs(3);
/// One look, a restart in place, one report.
const MENDED_WITHIN: Duration = Duration::from_secs(30);
/// On Kafka an engine waits for five seconds of silence first.
const LEADS_WITHIN: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread")]
async fn a_real_application_lives_on_three_docker_engines_through_losses() {
    if !require() {
        return;
    }
    let _alone = alone();
    let mut fleet = Fleet::start(&[]).await;
    let Some(application) = docker_application::write(&fleet.house.path) else { return };
    let beside = fleet.run_beside().await;
    let sightings = Sightings::begin(&fleet.nodes, FLEET);
    let pods = fleet.takes(&application).await;

    fleet.killed_behind_our_back().await;
    fleet.removed_behind_our_back().await;
    fleet.lost(1, |node| node.engine.kill_daemon()).await;
    fleet.lost(2, |node| node.engine.lose()).await;

    fleet.untouched(&beside).await;
    let seen = sightings.end();
    assert!(seen >= pods, "only {seen} pods were ever seen");
    ledger::audit(&fleet.api).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_it_does_when_kafka_is_the_log() {
    if !require() {
        return;
    }
    let _alone = alone();
    let Some(kafka) = Kafka::start() else { return };
    let servers = kafka.bootstrap_servers();
    let log = [
        ("SETPOINT_LOG__KIND", "kafka"),
        ("SETPOINT_LOG__KAFKA__BOOTSTRAP_SERVERS", servers.as_str()),
    ];
    let mut fleet = Fleet::start(&log).await;
    let Some(application) = docker_application::write(&fleet.house.path) else { return };
    let sightings = Sightings::begin(&fleet.nodes, FLEET);
    fleet.takes(&application).await;
    fleet.lost(1, |node| node.engine.kill_daemon()).await;
    sightings.end();
    ledger::audit(&fleet.api).await;
}

struct Fleet {
    // Dropped first: agents end before their engines do.
    house: House,
    api: Api,
    nodes: Nodes,
}

impl Fleet {
    async fn start(log: &[(&str, &str)]) -> Fleet {
        let own = [
            ("SETPOINT_FLEET", FLEET),
            ("SETPOINT_ENGINE__POLICY__LEASE_RENEW_MS", "1000"),
            ("SETPOINT_ENGINE__POLICY__LEASE_GRACE_MS", "3000"),
        ];
        let mut house = House::new(&[&own, log].concat());
        let port = free_port();
        let api = Api::new(port);
        house.start_engine("engine", port);
        // Both take their seconds.
        let nodes = Nodes::start(NODES.map(|name| (name.to_owned(), Surroundings::Alone))).await;
        house.leads(&api, LEADS_WITHIN).await;
        let mut fleet = Fleet { house, api, nodes };
        (0..NODES.len()).for_each(|index| fleet.start_agent(index));
        let api = &fleet.api;
        let all_ready = async || {
            for name in NODES {
                is_ready(api, name).await?;
            }
            Ok(())
        };
        fleet.house.until("all nodes are ready", LEADS_WITHIN, all_ready).await;
        fleet
    }

    /// Carries out a verb, which must succeed.
    fn verb(&self, arguments: &str) {
        self.house.does(&self.api.base, arguments);
    }

    /// Applies the application and waits until it runs; how many pods it has.
    async fn takes(&mut self, application: &Path) -> usize {
        self.verb(&format!("apply -f {} --allow-ignored", application.display()));
        self.converges("the application runs", CONVERGES_WITHIN).await;
        let pods = self.api.pods().await.expect("the pods").len();
        assert!(pods >= 14, "the Sock Shop has fourteen Deployments, and {pods} pods");
        pods
    }

    fn start_agent(&mut self, index: usize) {
        let node = &self.nodes[index];
        let host = node.engine.host();
        let settings = [
            ("SETPOINT_AGENT__RUNTIME", "docker"),
            ("SETPOINT_AGENT__DOCKER__HOST", &host),
            ("SETPOINT_AGENT__DOCKER__NETWORK", "none"),
            // The application's authors select nodes by this label, which Kubernetes had then.
            ("SETPOINT_AGENT__LABELS", "beta.kubernetes.io/os=linux"),
        ];
        self.house.start_agent(&node.name, &self.api.base, &settings);
    }

    /// Waits until every workload has the pods that it asks for, all are ready, and each engine
    /// runs exactly the containers of the pods that are placed there.
    async fn converges(&mut self, what: &str, within: Duration) {
        let Fleet { house, api, nodes } = self;
        let nodes: Vec<&Node> = nodes.iter().collect();
        house.until(what, within, async || all_is_well(api, &nodes).await).await;
    }

    async fn killed_behind_our_back(&mut self) {
        let (node, uid, name, id) = self.some_container("rabbitmq").await;
        self.nodes[node].kill(&id).await;
        let api = &self.api;
        let restarted = async || {
            let count = restarts(api, &uid, &name).await?;
            if count == 1 { Ok(()) } else { Err(format!("{count} restarts")) }
        };
        self.house.until("the killed container was restarted", MENDED_WITHIN, restarted).await;
        self.converges("all is well after the kill", MENDED_WITHIN).await;
    }

    async fn removed_behind_our_back(&mut self) {
        let (node, uid, name, id) = self.some_container("carts").await;
        self.nodes[node].remove(&id).await;
        let engine = &self.nodes[node];
        let replaced = async || {
            let running = engine.running(FLEET).await?;
            let now = running.get(&uid).and_then(|containers| containers.get(&name));
            match now {
                Some(now) if *now != id => Ok(()),
                _ => Err(format!("{uid} has {now:?}")),
            }
        };
        self.house.until("the removed container was made anew", MENDED_WITHIN, replaced).await;
        self.converges("all is well after the removal", MENDED_WITHIN).await;
    }

    /// A node is lost with its agent and comes back.
    async fn lost(&mut self, index: usize, lose: impl FnOnce(&mut Node)) {
        let name = NODES[index];
        let had = self.placed_on(name).await;
        assert!(!had.is_empty(), "{name} has no pods to lose");
        self.house.kill(name);
        lose(&mut self.nodes[index]);
        let Fleet { house, api, nodes } = self;
        let left: Vec<&Node> = nodes.iter().filter(|node| node.name != name).collect();
        house
            .until("its pods have moved", MOVES_WITHIN, async || all_is_well(api, &left).await)
            .await;

        self.nodes[index].engine.restart().expect("the engine comes back");
        self.start_agent(index);
        let began = Instant::now();
        let (api, node) = (self.api.clone(), &self.nodes[index]);
        let mut since = None;
        let exact = async || {
            let runs = node.running(FLEET).await?;
            let is = match is_ready(&api, name).await {
                Ok(()) => exactly(&api.pods().await?, node, &runs),
                Err(why) => Err(why),
            };
            since = is.is_ok().then(|| since.unwrap_or_else(Instant::now));
            is?;
            let lasted = since.map_or(Duration::ZERO, |since| since.elapsed());
            if lasted >= LASTS { Ok(()) } else { Err(format!("so for {lasted:?}")) }
        };
        let within = RETURNS_WITHIN + LASTS;
        self.house.until("exactly the placed pods run after the return", within, exact).await;
        let took = began.elapsed().saturating_sub(LASTS);
        println!("{name} ran exactly its pods {took:?} after its return");

        // It takes new pods again.
        let replicas = 4 + 2 * index;
        self.verb(&format!("scale deployment front-end -n sock-shop --replicas {replicas}"));
        self.converges("the returned node takes pods", CONVERGES_WITHIN).await;
        assert!(!self.placed_on(name).await.is_empty(), "{name} takes no pods after its return");
    }

    /// A container of a pod of this workload: the node's index, uid, name and id.
    async fn some_container(&self, workload: &str) -> (usize, String, String, String) {
        let pods = self.api.pods().await.expect("the pods");
        let is_of = |pod: &crate::api::Pod| pod.name.starts_with(&format!("{workload}-"));
        let (uid, pod) = pods.iter().find(|(_, pod)| is_of(pod)).expect("a pod of it");
        let node = NODES.iter().position(|name| *name == pod.node).expect("it is placed");
        let running = self.nodes[node].running(FLEET).await.expect("the engine answers");
        let (name, id) = running[uid].iter().next().expect("it runs");
        (node, uid.clone(), name.clone(), id.clone())
    }

    async fn placed_on(&self, node: &str) -> BTreeSet<String> {
        let pods = self.api.pods().await.expect("the pods");
        pods.into_iter().filter(|(_, pod)| pod.node == node).map(|(uid, _)| uid).collect()
    }

    /// Containers that are not ours, on the node that is never lost: one of nobody's, one of
    /// another fleet's.
    async fn run_beside(&self) -> BTreeMap<String, String> {
        let other = [("setpoint.dev/fleet", "other"), ("setpoint.dev/pod-uid", "theirs")];
        let node = &self.nodes[0];
        let ids = [node.run_beside("beside", &[]).await, node.run_beside("theirs", &other).await];
        let mut beside = BTreeMap::new();
        for id in ids {
            let (since, runs) = node.started(&id).await;
            assert!(runs);
            beside.insert(id, since);
        }
        beside
    }

    async fn untouched(&self, beside: &BTreeMap<String, String>) {
        for (id, since) in beside {
            let now = self.nodes[0].started(id).await;
            assert_eq!(now, (since.clone(), true), "a container that is not ours was touched");
        }
    }
}

async fn all_is_well(api: &Api, nodes: &[&Node]) -> Result<(), String> {
    let pods = api.pods().await?;
    let workloads = api.get("/apis/apps/v1/deployments").await?;
    let items = workloads["items"].as_array().cloned().unwrap_or_default();
    let desired: u64 = items.iter().filter_map(|item| item["spec"]["replicas"].as_u64()).sum();
    if desired == 0 || pods.len() as u64 != desired {
        return Err(format!("{} pods of {desired}", pods.len()));
    }
    if let Some((uid, pod)) = pods.iter().find(|(_, pod)| !pod.ready) {
        return Err(format!("{uid} is not ready: {pod:?}"));
    }
    for node in nodes {
        exactly(&pods, node, &node.running(FLEET).await?)?;
    }
    let known: BTreeSet<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
    let astray = pods.iter().find(|(_, pod)| !known.contains(pod.node.as_str()));
    astray.map_or(Ok(()), |(uid, pod)| Err(format!("{uid} is elsewhere: {pod:?}")))
}

/// The engine runs the pods that are placed on it, and no others.
fn exactly(
    pods: &BTreeMap<String, crate::api::Pod>,
    node: &Node,
    running: &Running,
) -> Result<(), String> {
    let placed: BTreeSet<&String> =
        pods.iter().filter(|(_, pod)| pod.node == node.name).map(|(uid, _)| uid).collect();
    let runs: BTreeSet<&String> = running.keys().collect();
    if placed == runs {
        Ok(())
    } else {
        Err(format!("{}: {placed:?} placed, {runs:?} run", node.name))
    }
}

async fn is_ready(api: &Api, node: &str) -> Result<(), String> {
    let node = api.get(&format!("/api/v1/nodes/{node}")).await?;
    let conditions = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let is_ready = |c: &Value| c["type"] == "Ready" && c["status"] == "True";
    if conditions.iter().any(is_ready) { Ok(()) } else { Err(format!("{conditions:?}")) }
}

async fn restarts(api: &Api, uid: &str, container: &str) -> Result<i64, String> {
    let pods = api.get("/api/v1/pods").await?;
    let items = pods["items"].as_array().cloned().unwrap_or_default();
    let pod = items.iter().find(|pod| pod["metadata"]["uid"] == uid);
    let pod = pod.ok_or_else(|| format!("{uid} is gone"))?;
    let statuses = pod["status"]["containerStatuses"].as_array().cloned().unwrap_or_default();
    let named = statuses.iter().find(|status| status["name"] == container);
    Ok(named.and_then(|status| status["restartCount"].as_i64()).unwrap_or(0))
}
