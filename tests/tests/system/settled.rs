//! A small fleet at rest, for tests of what must not disturb it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::api::{Api, deployment};
use crate::house::{House, LEADS_WITHIN};
use crate::processes;

const NODES: [&str; 2] = ["node-1", "node-2"];
const REPLICAS: u64 = 4;
const CONVERGES_WITHIN: Duration = Duration::from_secs(40);

/// An engine, two agents, and one Deployment that runs.
pub(crate) struct Settled {
    pub(crate) house: House,
    pub(crate) api: Api,
}

impl Settled {
    /// A fleet at rest: four pods of `web` run on two nodes, after one update of its template.
    pub(crate) async fn new() -> Settled {
        let (house, api) = House::with_nodes(
            &[
                ("SETPOINT_ENGINE__POLICY__LEASE_RENEW_MS", "1000"),
                ("SETPOINT_ENGINE__CHECKPOINT_INTERVAL_MS", "500"),
            ],
            &NODES,
        )
        .await;
        let mut settled = Settled { house, api };
        settled.apply(REPLICAS, "1000001").await;
        settled.apply(REPLICAS, "1000000").await;
        settled.renewed().await;
        settled
    }

    /// Waits until the nodes have renewed their leases once more: the topic that is forgotten first.
    pub(crate) async fn renewed(&mut self) {
        let api = self.api.clone();
        let before = api.log("setpoint.leases").await.expect("leases").len();
        self.house
            .until("leases are renewed", CONVERGES_WITHIN, async || {
                let leases = api.log("setpoint.leases").await?.len();
                let enough = leases >= before + NODES.len();
                if enough { Ok(()) } else { Err(format!("{leases} renewals")) }
            })
            .await;
    }

    /// Applies `web` with so many pods that sleep so many seconds, and waits until they run.
    pub(crate) async fn apply(&mut self, replicas: u64, seconds: &str) {
        let mut web = deployment("web", replicas);
        let container = &mut web["spec"]["template"]["spec"]["containers"][0];
        container["command"] = serde_json::json!(["sleep", seconds]);
        self.api.apply(&[web]).await.expect("it is applied");
        self.converged(replicas, seconds).await;
    }

    /// Waits until exactly these pods run.
    pub(crate) async fn converged(&mut self, replicas: u64, seconds: &str) {
        let (folder, api) = (self.house.path.clone(), self.api.clone());
        let (what, sleeps) =
            (format!("{replicas} pods sleep {seconds} s"), format!("sleep {seconds}"));
        self.house
            .until(&what, CONVERGES_WITHIN, async || {
                let pods = api.pods().await?;
                let ready = pods.values().filter(|pod| pod.ready).count();
                let running = processes::by_pod(&folder);
                let same = pods.keys().collect::<BTreeSet<_>>() == running.keys().collect();
                let pids = running.values().flatten();
                let asleep =
                    pids.filter(|pid| processes::command(**pid).ends_with(&sleeps)).count();
                if same && ready as u64 == replicas && asleep as u64 == replicas {
                    return Ok(());
                }
                let (there, run) = (pods.len(), running.len());
                Err(format!("{there} there, {ready} ready, {run} run, {asleep} asleep"))
            })
            .await;
    }

    /// Which processes run, by pod.
    pub(crate) fn running(&self) -> BTreeMap<String, BTreeSet<i32>> {
        processes::by_pod(&self.house.path)
    }

    /// Starts the engine and waits until it leads.
    pub(crate) async fn start(&mut self) {
        self.launch();
        self.house.leads(&self.api, LEADS_WITHIN).await;
    }

    /// Starts the engine.
    pub(crate) fn launch(&mut self) {
        self.house.start_engine("engine", self.api.port);
    }

    /// For some looks, exactly these processes run and the engine holds exactly their pods.
    pub(crate) async fn stays(&mut self, running: &BTreeMap<String, BTreeSet<i32>>) {
        for _ in 0..10 {
            assert_eq!(self.running(), *running, "no pod is restarted, replaced or doubled");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let pods = self.api.pods().await.expect("pods");
        let held: BTreeSet<&String> = pods.keys().collect();
        assert_eq!(held, running.keys().collect::<BTreeSet<_>>(), "the engine holds these pods");
    }
}
