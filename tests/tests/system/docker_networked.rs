//! A fleet whose nodes are real Docker Engines in networks of their own, as if each were another machine:
//! an engine and an agent in a network namespace, whose line to the leader can be cut.
//!
//! Docker's socket is a file: what runs on a node is seen from here also while its line is cut.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use bollard::query_parameters::ListContainersOptionsBuilder;
use serde_json::Value;
use setpoint_actuator_docker::testing::{Surroundings, require};
use tempfile::TempDir;

use crate::api::Api;
use crate::docker_engines::{CONTAINER, FLEET, Nodes, POD_UID};
use crate::house::{House, LEADS_WITHIN, free_port};
use crate::networks::{Cut, Network};

/// The nodes; `node-1` is on the first line.
pub(crate) const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];
/// Agents that start on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// The token of the test itself.
const OURS: &str = "token-of-the-test";

/// What every container of ours says of its pod, beside what tells engines apart.
const POD_NAME: &str = "setpoint.dev/name";

/// What the roles of a fleet are told.
pub(crate) struct Told<'a> {
    /// The fleet's name.
    pub(crate) fleet: &'a str,
    /// Docker's network that pods join; empty for its own bridge.
    pub(crate) pods_join: &'a str,
    /// Settings of all roles.
    pub(crate) settings: &'a [(&'a str, &'a str)],
}

/// Three nodes, one leader.
pub(crate) struct Cluster {
    // Dropped first: agents end before their engines, and these before their networks.
    pub(crate) house: House,
    pub(crate) api: Api,
    pub(crate) nodes: Nodes,
    /// A folder that all nodes have: shared storage.
    pub(crate) shared: TempDir,
    network: Network,
    fleet: String,
    pods_join: String,
}

impl Cluster {
    /// Starts engines, leader and agents, and waits until all nodes are ready. `None`, and says why, where
    /// this machine has not what it needs.
    ///
    /// # Panics
    /// When what it needs is absent and real parts are required.
    pub(crate) async fn start(told: &Told<'_>) -> Option<Cluster> {
        if !require() {
            return None;
        }
        let mut network = Network::make(u8::try_from(NODES.len()).expect("few"))?;
        let own = [("SETPOINT_FLEET", told.fleet), ("SETPOINT_CLIENT__TOKEN", OURS)];
        let mut house = House::new(&[&own, told.settings].concat());
        let api = Api::new(free_port()).with_token(OURS);
        // Who comes by another address than the loopback's is served by a token only.
        let of_nodes = NODES.map(|node| format!(",node:{node}:{}", token_of(node)));
        let tokens = format!("admin:test:{OURS}{}", of_nodes.concat());
        house.start_engine_with("engine", api.port, &[("SETPOINT_API__TOKENS", &tokens)]);
        network.passes(api.port).await;
        let surrounded = |(index, node): (usize, &str)| {
            let name = network.line(index).namespace.clone();
            // Each behind a bridge of the same range: an address of a pod means nothing on another node.
            let bridge = "10.213.0.1/24".to_owned();
            (node.to_owned(), Surroundings::Namespace { name, bridge })
        };
        let nodes = Nodes::start(NODES.into_iter().enumerate().map(surrounded)).await;
        house.leads(&api, LEADS_WITHIN).await;
        let shared = tempfile::Builder::new().prefix("spd-").tempdir().expect("a folder");
        let (fleet, pods_join) = (told.fleet.to_owned(), told.pods_join.to_owned());
        let mut cluster = Cluster { house, api, nodes, shared, network, fleet, pods_join };
        (0..NODES.len()).for_each(|index| cluster.start_agent(index));
        let api = cluster.api.clone();
        let all_ready = async || all_ready(&api).await;
        cluster.house.until("all nodes are ready", READY_WITHIN, all_ready).await;
        Some(cluster)
    }

    /// Starts the agent of a node.
    pub(crate) fn start_agent(&mut self, index: usize) {
        let (node, line) = (&self.nodes[index], self.network.line(index));
        let (host, address) = (node.engine.host(), line.address.to_string());
        let token = token_of(&node.name);
        let settings = [
            ("SETPOINT_AGENT__RUNTIME", "docker"),
            ("SETPOINT_AGENT__DOCKER__HOST", host.as_str()),
            ("SETPOINT_AGENT__DOCKER__NETWORK", &self.pods_join),
            ("SETPOINT_AGENT__ADDRESS", &address),
            ("SETPOINT_AGENT__TOKEN", &token),
        ];
        let server = format!("http://{}:{}", self.network.leaders_side(), self.api.port);
        self.house.start_agent_in(&line.namespace, &node.name, &server, &settings);
    }

    /// The storage that all nodes share.
    pub(crate) fn shared(&self) -> &Path {
        self.shared.path()
    }

    /// Where a port of this node is reached from the leader's side.
    pub(crate) fn at(&self, index: usize, port: u16) -> std::net::SocketAddr {
        (self.network.line(index).address, port).into()
    }

    /// Cuts a node off.
    pub(crate) fn cut(&self, index: usize, how: Cut) {
        self.network.cut(index, how);
    }

    /// Puts its line together again.
    pub(crate) fn mend(&self, index: usize, how: Cut) {
        self.network.mend(index, how);
    }

    /// Carries out a verb, which must succeed.
    pub(crate) fn verb(&self, arguments: &str) {
        self.house.does(&self.api.base, arguments);
    }

    /// Begins a verb and waits for its end beside what else is done; what it printed.
    pub(crate) fn verb_beside(&self, arguments: &[&str]) -> tokio::task::JoinHandle<String> {
        let mut verb = self.house.verb_to_speak_with(&self.api.base, arguments);
        let what = arguments.join(" ");
        tokio::task::spawn_blocking(move || {
            let output = verb.output().expect("the verb runs");
            let said =
                [output.stdout, output.stderr].map(|b| String::from_utf8_lossy(&b).into_owned());
            assert!(output.status.success(), "{what}: {said:?}");
            said.concat()
        })
    }

    /// The pods of this fleet that run on an engine: their names and uids.
    ///
    /// # Panics
    /// When two containers of one pod's name run there at once.
    pub(crate) async fn running(&self, index: usize) -> Result<BTreeMap<String, String>, String> {
        let filters = [("label".to_owned(), vec![format!("{FLEET}={}", self.fleet)])].into();
        let options = ListContainersOptionsBuilder::new().filters(&filters).build();
        let listed = self.nodes[index].docker.list_containers(Some(options)).await;
        let mut running = BTreeMap::new();
        for container in listed.map_err(|error| error.to_string())? {
            let labels = container.labels.unwrap_or_default();
            // One that only holds a network has no name in the spec.
            if !labels.contains_key(CONTAINER) {
                continue;
            }
            let (name, uid) = (labels[POD_NAME].clone(), labels[POD_UID].clone());
            let former = running.insert(name.clone(), uid);
            assert_eq!(former, None, "{name} runs twice on {}", NODES[index]);
        }
        Ok(running)
    }

    /// Whether exactly the pods that are placed run, each on its node.
    pub(crate) async fn exactly_the_placed_run(&self) -> Result<(), String> {
        for (index, name) in NODES.iter().enumerate() {
            let running = self.running(index).await?;
            let pods = self.api.pods().await?;
            let placed = pods.iter().filter(|(_, pod)| pod.node == *name);
            let placed: BTreeSet<&String> = placed.map(|(uid, _)| uid).collect();
            let runs: BTreeSet<&String> = running.values().collect();
            if placed != runs {
                return Err(format!("{name}: {placed:?} placed, {runs:?} run"));
            }
        }
        Ok(())
    }
}

fn token_of(node: &str) -> String {
    format!("token-of-the-agent-of-{node}")
}

/// The number of a node.
pub(crate) fn index_of(node: &str) -> usize {
    NODES.iter().position(|name| *name == node).expect("one of the nodes")
}

/// Whether all nodes are.
pub(crate) async fn all_ready(api: &Api) -> Result<(), String> {
    for name in NODES {
        let conditions = ready_condition(api, name).await?;
        if conditions["status"] != "True" {
            return Err(format!("{name}: {conditions}"));
        }
    }
    Ok(())
}

/// What the leader says of a node's being ready.
pub(crate) async fn ready_condition(api: &Api, node: &str) -> Result<Value, String> {
    let node = api.get(&format!("/api/v1/nodes/{node}")).await?;
    let conditions = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.into_iter().find(|condition| condition["type"] == "Ready");
    found.ok_or_else(|| "nobody says whether it is ready".to_owned())
}
