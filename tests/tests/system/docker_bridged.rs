//! Nodes whose pods are containers with addresses: real Docker Engines, each with a network of its own on
//! this machine, and agents that listen for Services.
//!
//! A container is reached from its own node; from others by that node's ferry, as on machines of their own.
//! Absent: kernels of their own. The agents share this machine's, so one of them at a time listens at a
//! Service's address and answers names, and another goes on when it ends; what a node publishes is its own.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use serde_json::Value;
use setpoint_actuator_docker::testing::Network;

use crate::api::Api;
use crate::docker_engines::Nodes;
use crate::docker_images::{self, Image};
use crate::house::{House, LEADS_WITHIN, free_port};

/// Several engines start, and say what they have, on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Where names are answered, of the addresses of Services: resolvers ask this port and no other.
const NAMES: (u8, u16) = (10, 53);

pub(crate) struct Fleet {
    // Dropped first: agents end before their engines do, and those before their networks.
    pub(crate) house: House,
    pub(crate) api: Api,
    pub(crate) nodes: Nodes,
    networks: Vec<Network>,
    services: Network,
    _secrets: Secrets,
}

/// Where the agents of a fleet write the secrets of its pods: in memory, and beside everything else of a test.
struct Secrets(PathBuf);

impl Drop for Secrets {
    fn drop(&mut self) {
        let _none_written = fs::remove_dir_all(&self.0);
    }
}

impl Fleet {
    /// An engine of ours, and so many nodes that have these images.
    pub(crate) async fn start(count: u8, images: &[Image]) -> Fleet {
        let services = Network::of_services().expect("addresses for Services");
        let range = services.range();
        let named = format!("bridged-{}", std::process::id());
        let secrets = Secrets(PathBuf::from("/dev/shm/setpoint").join(&named));
        let mut house = House::new(&[
            ("SETPOINT_FLEET", &*named),
            ("SETPOINT_ENGINE__POLICY__SERVICE_RANGE", &*range),
            ("SETPOINT_ENGINE__POLICY__LEASE_RENEW_MS", "1000"),
            ("SETPOINT_ENGINE__POLICY__LEASE_GRACE_MS", "3000"),
        ]);
        let api = Api::new(free_port());
        house.start_engine("engine", api.port);
        // Meanwhile the nodes do, which take their seconds as well.
        let network = |_| Network::of_containers().expect("a network");
        let networks: Vec<Network> = (1..=count).map(network).collect();
        let all = (1..=count).zip(&networks);
        let nodes = Nodes::start(all.map(|(n, network)| (name(n), network.surroundings()))).await;
        docker_images::make(&nodes, images).await;
        let mut fleet = Fleet { house, api, nodes, networks, services, _secrets: secrets };
        fleet.house.leads(&fleet.api, LEADS_WITHIN).await;
        (0..fleet.nodes.len()).for_each(|index| fleet.start_agent(index));
        let api = fleet.api.clone();
        let all_ready = async || {
            let nodes = api.get("/api/v1/nodes").await?;
            let nodes = nodes["items"].as_array().cloned().unwrap_or_default();
            let ready = nodes.iter().filter(|node| is_ready(node)).count();
            if ready == usize::from(count) { Ok(()) } else { Err(format!("{ready} are ready")) }
        };
        fleet.house.until("all nodes are ready", READY_WITHIN, all_ready).await;
        fleet
    }

    /// Starts the agent of a node.
    pub(crate) fn start_agent(&mut self, index: usize) {
        let node = &self.nodes[index];
        let (host, address) = (node.engine.host(), self.address(index).to_string());
        let names = SocketAddr::from((self.services.address(NAMES.0), NAMES.1)).to_string();
        let settings = [
            ("SETPOINT_AGENT__RUNTIME", "docker"),
            ("SETPOINT_AGENT__DOCKER__HOST", &*host),
            ("SETPOINT_AGENT__ADDRESS", &*address),
            ("SETPOINT_AGENT__SERVICES__PUBLISH", &*address),
            ("SETPOINT_AGENT__SERVICES__NAMES", &*names),
        ];
        self.house.start_agent(&node.name, &self.api.base, &settings);
    }

    /// Ends a node with all that it has, as when its machine loses power.
    pub(crate) fn lose(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        self.house.kill(&node.name);
        node.engine.lose();
    }

    /// The machine of a lost node is switched on again.
    pub(crate) fn comes_back(&mut self, index: usize) {
        self.nodes[index].engine.restart().expect("the engine comes back");
        self.start_agent(index);
    }

    /// The address of a node, at which it publishes ports.
    pub(crate) fn address(&self, index: usize) -> Ipv4Addr {
        self.networks[index].loopback(1)
    }

    /// The places of a port that every node publishes.
    pub(crate) fn published(&self, port: u16) -> Vec<SocketAddr> {
        (0..self.nodes.len()).map(|index| (self.address(index), port).into()).collect()
    }

    /// The index of the node of this name.
    pub(crate) fn index_of(&self, node: &str) -> usize {
        let found = self.nodes.iter().position(|of| of.name == node);
        found.unwrap_or_else(|| panic!("there is no node {node:?}"))
    }

    /// Carries out a verb.
    pub(crate) fn verb(&self, arguments: &str) -> Output {
        self.house.verb(&self.api.base, arguments)
    }

    /// Carries out a verb, which must succeed; what it says, errors included.
    pub(crate) fn does(&self, arguments: &str) -> String {
        let output = self.verb(arguments);
        let said = said(&output);
        assert!(output.status.success(), "{arguments}: {said}");
        said
    }
}

/// All that a verb said.
pub(crate) fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

fn name(number: u8) -> String {
    format!("node-{number}")
}

fn is_ready(node: &Value) -> bool {
    let conditions = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True")
}
