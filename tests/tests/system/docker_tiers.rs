//! An application of three tiers, applied as a Compose file, on three real Docker Engines: it answers through
//! its tiers at every node, and again after a node is lost.
//!
//! What has no data moves. What has data waits for the node that its data lives on, begins nowhere else with
//! nothing, and has all that was written when that node is back.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use setpoint_actuator_docker::testing::require_networks;
use tokio::time::sleep;

use crate::api::Api;
use crate::docker_bridged::Fleet;
use crate::docker_three_tiers::{images, write};
use crate::house::{LOOK_EVERY, alone, free_port};
use crate::ledger;
use crate::load_by_clock::{ANSWER_MAX, get};

const TIERS: [&str; 3] = ["shop-proxy", "shop-backend", "shop-db"];
/// Three containers one after the other, each when the one before it is so far, on a busy machine.
const ANSWERS_WITHIN: Duration = Duration::from_secs(120);
/// A lease of three seconds, another node for what ran there, and five seconds until somebody else answers
/// names at their address where the lost node did; the rest is for a busy machine.
const ANSWERS_AGAIN_WITHIN: Duration = Duration::from_secs(90);
/// Long enough to start a database somewhere else.
const A_WHILE: Duration = Duration::from_secs(5);
/// What is asked, beside the row to be written.
const ASK: &str = "/cgi-bin/ask?";

#[tokio::test(flavor = "multi_thread")]
async fn three_tiers_on_three_engines_answer_again_when_a_node_is_lost() {
    if !require_networks() {
        return;
    }
    let _alone = alone();
    let mut shop = {
        let (port, backend_port) = (free_port(), free_port());
        let fleet = Fleet::start(3, &images(backend_port)).await;
        let Some(file) = write(&fleet.house.path, port, backend_port) else { return };
        fleet.does(&format!("apply -f {}", file.display()));
        Shop { places: fleet.published(port), written: Vec::new(), fleet }
    };
    shop.all_answer(&[0, 1, 2], ANSWERS_WITHIN).await;

    shop.without_a_node_of_no_data().await;
    shop.without_the_node_of_the_data().await;
    ledger::audit(&shop.fleet.api).await;
}

struct Shop {
    fleet: Fleet,
    /// Where each node publishes the proxy's port.
    places: Vec<SocketAddr>,
    /// The rows of which it was said that they are kept.
    written: Vec<String>,
}

impl Shop {
    /// A node is lost on which stateless tiers run: they move, and the others answer as before.
    async fn without_a_node_of_no_data(&mut self) {
        let runs = self.runs().await;
        let home = runs["shop-db"];
        let others: BTreeSet<usize> = runs.values().copied().filter(|node| *node != home).collect();
        let lost = *others.first().expect("a tier runs on another node than the database");
        let left = without(lost);
        self.fleet.lose(lost);
        let took = self.all_answer(&left, ANSWERS_AGAIN_WITHIN).await;
        println!("{took:?} after the loss of node {lost}, of {runs:?}, all tiers answered again");
        let now = self.runs().await;
        assert!(now.values().all(|node| *node != lost), "{now:?} without {lost}");
        assert_eq!(now["shop-db"], home, "the database did not move");

        self.fleet.comes_back(lost);
        self.all_answer(&[0, 1, 2], ANSWERS_AGAIN_WITHIN).await;
    }

    /// The node is lost that the database's data lives on: the others say so, and nobody answers with less
    /// than was written, until it is back.
    async fn without_the_node_of_the_data(&mut self) {
        let home = self.runs().await["shop-db"];
        let left = without(home);
        self.fleet.lose(home);
        for index in &left {
            let (at, api) = (self.places[*index], self.fleet.api.clone());
            let says = async || match get(at, ASK, ANSWER_MAX).await {
                Err(why) if why.contains("502 Bad Gateway") => waits(&api, home).await,
                other => Err(format!("{other:?}")),
            };
            let what = "the stateless tiers answer, and the database waits for its node";
            self.fleet.house.until(what, ANSWERS_AGAIN_WITHIN, says).await;
        }
        let began = Instant::now();
        while began.elapsed() < A_WHILE {
            for index in &left {
                let answer = get(self.places[*index], ASK, ANSWER_MAX).await;
                assert!(answer.is_err(), "somebody answers without the data: {answer:?}");
            }
            sleep(LOOK_EVERY).await;
        }
        waits(&self.fleet.api, home).await.expect("it waits still");

        self.fleet.comes_back(home);
        let took = self.all_answer(&[0, 1, 2], ANSWERS_AGAIN_WITHIN).await;
        println!("{took:?} after its node was back, the database had all that was written");
        assert_eq!(self.runs().await["shop-db"], home, "it is where its data is");
    }

    /// Waits until each of these nodes takes a row and answers with all that were ever written, in order;
    /// how long that took.
    async fn all_answer(&mut self, nodes: &[usize], within: Duration) -> Duration {
        let began = Instant::now();
        for index in nodes {
            let at = self.places[*index];
            // Of a row that was written and not answered nobody said anything: it may be there or not.
            let answers = async || get(at, ASK, ANSWER_MAX).await.map(drop);
            self.fleet.house.until(&format!("{at} answers"), within, answers).await;
            let row = format!("row-{}", self.written.len());
            let asked = get(at, &format!("{ASK}{row}"), ANSWER_MAX).await;
            let answer = asked.unwrap_or_else(|why| panic!("{at} took no row: {why}"));
            self.written.push(row);
            let found: Vec<&str> = answer.lines().filter(|line| line.starts_with("row")).collect();
            assert_eq!(found, self.written, "{at} has other rows than were written");
        }
        began.elapsed()
    }

    /// On which node each tier runs, by its number; each has one pod, which is ready.
    async fn runs(&mut self) -> BTreeMap<&'static str, usize> {
        let api = self.fleet.api.clone();
        let all = async || {
            let pods = api.pods().await?;
            let of_tier = |tier: &&'static str| {
                let prefix = format!("{tier}-");
                let mut own = pods.values().filter(|pod| pod.name.starts_with(&prefix));
                own.next().filter(|pod| pod.ready).map(|pod| (*tier, pod.node.clone()))
            };
            let found: Vec<_> = TIERS.iter().filter_map(of_tier).collect();
            let is_it = found.len() == TIERS.len() && pods.len() == TIERS.len();
            if is_it { Ok(found) } else { Err(format!("{pods:?}")) }
        };
        let found = self.fleet.house.until("each tier has a ready pod", ANSWERS_WITHIN, all).await;
        found.into_iter().map(|(tier, node)| (tier, self.fleet.index_of(&node))).collect()
    }
}

/// Whether the database is known to be away, and no pod of it has a place on another node than this one.
async fn waits(api: &Api, home: usize) -> Result<(), String> {
    let db = api.get("/apis/apps/v1/namespaces/default/deployments/shop-db").await?;
    let available = db["status"]["availableReplicas"].as_u64().unwrap_or(0);
    let pods = api.pods().await?;
    let own: Vec<_> = pods.values().filter(|pod| pod.name.starts_with("shop-db-")).collect();
    let home = format!("node-{}", home + 1);
    let is_it = available == 0 && own.iter().all(|pod| pod.node.is_empty() || pod.node == home);
    if is_it { Ok(()) } else { Err(format!("{available} available: {own:?}")) }
}

/// The numbers of the two nodes that are left.
fn without(lost: usize) -> Vec<usize> {
    (0..3).filter(|index| *index != lost).collect()
}
