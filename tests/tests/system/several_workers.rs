//! One worker, two workers and two processes decide the same, and none of them outlives a part of
//! itself: what is left says who is gone, and whoever starts next goes on from the log.
//!
//! An engine that replays other decisions than were recorded stops. So who leads on a log whose
//! epochs engines of other shapes wrote, its checkpoint lost, has decided every one of them alike.

use std::fs;
use std::time::Duration;

use setpoint_ingest_kafka::testing::Kafka;

use crate::api::{Api, deployment};
use crate::fleet;
use crate::house::{House, LEADS_WITHIN, alone, free_port};
use crate::kafka_house::NODES;
use crate::ledger;
use crate::settled::Settled;
use crate::stopped::Stopped;

/// How long what is left of a cluster may take to end.
const ENDS_WITHIN: Duration = Duration::from_secs(20);
/// A client tries elsewhere after this.
const CALL_MAX: Duration = Duration::from_secs(3);
/// What is promised of a takeover.
const TAKES_OVER_WITHIN: Duration = Duration::from_secs(10);
/// All engines of a fleet seal with one key: any 32 bytes will do.
const SEALING_KEY: &str = "c2VhbGluZy1rZXktb2YtdGhlLXN5c3RlbS10ZXN0cyE=";

const WORKERS: &str = "SETPOINT_ENGINE__WORKERS";
const PROCESSES: &str = "SETPOINT_ENGINE__PROCESSES";
const PROCESS: &str = "SETPOINT_ENGINE__PROCESS";

/// A list of two processes on this machine, as a file of this house.
fn hosts(house: &House) -> String {
    let path = house.path.join("hosts.txt");
    let text = format!("127.0.0.1:{}\n127.0.0.1:{}\n", free_port(), free_port());
    fs::write(&path, text).expect("a list of processes");
    path.to_str().expect("a path").to_owned()
}

/// Starts an engine as process 0 of two, and the other one beside it.
fn start_in_two(house: &mut House, name: &str, port: u16, workers: &str) {
    let hosts = hosts(house);
    let both = [(WORKERS, workers), (PROCESSES, &*hosts)];
    house.start_engine_with(name, port, &both);
    house.start_engine_with("second", free_port(), &[&both[..], &[(PROCESS, "1")]].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_worker_two_workers_and_two_processes_decide_the_same() {
    let _alone = alone();
    let mut fleet = Settled::new().await;
    let port = fleet.api.port;
    let stopped = Stopped::new(&fleet.house.path, "engine");
    for (replicas, shape) in [(5, "two workers"), (3, "two processes"), (6, "one worker")] {
        fleet.house.kill("engine");
        stopped.lose_checkpoint();
        fleet.house.forget_said("engine");
        match shape {
            "two processes" => start_in_two(&mut fleet.house, "engine", port, "2"),
            "two workers" => fleet.house.start_engine_with("engine", port, &[(WORKERS, "2")]),
            _ => fleet.launch(),
        }
        fleet.house.leads(&fleet.api, LEADS_WITHIN).await;
        assert!(fleet.house.said("engine", "recovering from the whole log"), "{shape}");
        fleet.apply(replicas, "1000000").await;
        if shape == "two processes" {
            fleet.house.kill("engine");
            let said = fleet.house.ended("second", ENDS_WITHIN).await;
            assert!(said.contains("process 0 of the cluster is gone"), "{said}");
            fleet.launch();
            fleet.house.leads(&fleet.api, LEADS_WITHIN).await;
        }
    }
    ledger::audit(&fleet.api).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_ends_the_cluster_and_a_restart_goes_on() {
    let _alone = alone();
    let mut fleet = Settled::new().await;
    let port = fleet.api.port;
    fleet.house.kill("engine");
    start_in_two(&mut fleet.house, "engine", port, "1");
    fleet.house.leads(&fleet.api, LEADS_WITHIN).await;
    fleet.apply(5, "1000000").await;
    let before = fleet.running();

    fleet.house.kill("second");
    let said = fleet.house.ended("engine", ENDS_WITHIN).await;
    assert!(said.contains("process 1 of the cluster is gone"), "{said}");
    assert_eq!(fleet.running(), before, "the pods run on");

    start_in_two(&mut fleet.house, "engine", port, "1");
    fleet.house.leads(&fleet.api, LEADS_WITHIN).await;
    fleet.stays(&before).await;
    fleet.apply(6, "1000000").await;
    ledger::audit(&fleet.api).await;
}

/// The leader is two processes of two workers, which read three partitions of each topic side by
/// side; the standby is one worker, steps the same epochs, and leads when a process dies.
#[tokio::test(flavor = "multi_thread")]
async fn a_standby_of_one_worker_follows_a_cluster_and_takes_over_from_it() {
    let _alone = alone();
    let Some(kafka) = Kafka::start() else { return };
    let mut house = House::new(&[
        ("SETPOINT_LOG__KIND", "kafka"),
        ("SETPOINT_LOG__KAFKA__BOOTSTRAP_SERVERS", &kafka.bootstrap_servers()),
        ("SETPOINT_LOG__PARTITIONS", "3"),
        ("SETPOINT_API__SEALING_KEY", SEALING_KEY),
        ("SETPOINT_ENGINE__POLICY__LEASE_RENEW_MS", "1000"),
        ("SETPOINT_ENGINE__CHECKPOINT_INTERVAL_MS", "1000"),
    ]);
    let [cluster, standby] = [(); 2].map(|()| Api::new(free_port()).patient(CALL_MAX));
    start_in_two(&mut house, "engine-1", cluster.port, "2");
    house.leads(&cluster, LEADS_WITHIN).await;
    for node in NODES {
        let servers = format!("{},{}", cluster.base, standby.base);
        house.start_agent(node, &servers, &[("SETPOINT_AGENT__RUNTIME", "process")]);
    }
    house.start_engine("engine-2", standby.port);
    becomes(&mut house, &standby, "standby", LEADS_WITHIN).await;
    cluster.apply(&[deployment("web", 6), deployment("jobs", 3)]).await.expect("it decides");
    fleet::converged(&mut house, &cluster).await;

    house.kill("second");
    let said = house.ended("engine-1", ENDS_WITHIN).await;
    assert!(said.contains("process 1 of the cluster is gone"), "{said}");
    becomes(&mut house, &standby, "leader", TAKES_OVER_WITHIN).await;
    standby.apply(&[deployment("web", 4)]).await.expect("the standby decides");
    fleet::converged(&mut house, &standby).await;
}

/// Waits until an engine has this role and answers as it.
async fn becomes(house: &mut House, api: &Api, role: &str, within: Duration) {
    house
        .until(&format!("an engine is the {role}"), within, async || {
            let status = api.get("/setpoint/v1/status").await?;
            let is = status["role"] == role && status["ready"] == true;
            if is { Ok(()) } else { Err(status.to_string()) }
        })
        .await;
}
