//! Kafka killed with -9 and started again under load, and frozen for a while: pods run on, nothing
//! is lost, nothing happens twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nix::sys::signal::Signal;
use reqwest::Method;
use setpoint_ingest_kafka::testing::{Fault, Kafka, Proxy};

use crate::fleet::{self, Watchman};
use crate::house::alone;
use crate::kafka_house::{KafkaHouse, LEADS_WITHIN, NODES};
use crate::load::{Load, seeded};
use crate::{kafka_log, ledger, processes};

/// What agents were already told is done by then.
const SETTLES_WITHIN: Duration = Duration::from_secs(4);
/// After [`SETTLES_WITHIN`]: five seconds from the first append that failed, and some for a busy
/// machine.
const UNREADY_WITHIN: Duration = Duration::from_secs(3);
/// What must not happen during the outage is looked for this long.
const OUTAGE: Duration = Duration::from_secs(5);
/// A commit may take 30 s, and the machine be slow.
const GIVES_UP_WITHIN: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn kafka_killed_and_started_again_loses_nothing_and_pods_run_on() {
    let _alone = alone();
    let mut random = seeded();
    let Some(mut fleet) = KafkaHouse::start(&["engine-1", "engine-2"]) else { return };
    fleet.leader().await;
    let watchman = Watchman::start(&fleet.house, &NODES);
    let load = Load::start(&fleet.apis(), &mut random).await;

    tokio::time::sleep(Duration::from_secs(2)).await;
    fleet.kafka.kill();
    let before = load.acknowledged();
    tokio::time::sleep(SETTLES_WITHIN).await;
    not_ready_and_alive(&mut fleet).await;
    let folder = fleet.house.path.clone();
    let ran = processes::by_pod(&folder);
    tokio::time::sleep(OUTAGE).await;
    assert_eq!(processes::by_pod(&folder), ran, "pods run on while Kafka is away");
    fleet.kafka.resume();
    decides_again(&mut fleet, &load, &before).await;

    let before = load.acknowledged();
    fleet.signal_kafka(Signal::SIGSTOP);
    tokio::time::sleep(OUTAGE).await;
    fleet.signal_kafka(Signal::SIGCONT);
    decides_again(&mut fleet, &load, &before).await;

    load.end().await;
    let leader = fleet.leader().await;
    let api = fleet.engines[leader].api.clone();
    fleet::converged(&mut fleet.house, &api).await;
    watchman.end(1);
    ledger::audit(&api).await;
    let lost = ledger::nodes_lost(&api).await;
    assert_eq!(lost, BTreeSet::new(), "a node was declared lost for Kafka's absence");
    kafka_log::audit(&fleet.kafka.bootstrap_servers());
}

/// The commit stands on Kafka, and its leader never hears of it: it must not go on from a guess.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_learned_from_the_log() {
    let _alone = alone();
    let mut random = seeded();
    let proxy = Proxy::listen();
    let Some(kafka) = Kafka::start_behind(&proxy) else { return };
    let mut fleet = KafkaHouse::on(kafka, &["engine"]);
    fleet.leader().await;
    let watchman = Watchman::start(&fleet.house, &NODES);
    let load = Load::start(&fleet.apis(), &mut random).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = load.acknowledged();
    proxy.arm(Fault::AnswerLost);
    let api = fleet.engines[0].api.clone();
    fleet
        .house
        .until("the engine steps down", GIVES_UP_WITHIN, async || {
            let status = api.get("/setpoint/v1/status").await?;
            let is_down = proxy.is_dark() && status["role"] == "starting";
            if is_down { Ok(()) } else { Err(status.to_string()) }
        })
        .await;
    proxy.heal();
    decides_again(&mut fleet, &load, &before).await;
    load.end().await;
    fleet::converged(&mut fleet.house, &api).await;
    watchman.end(2);
    ledger::audit(&api).await;
    kafka_log::audit(&fleet.kafka.bootstrap_servers());
}

/// Whoever asks is told that answers are not current any more; nobody need restart an engine for it.
async fn not_ready_and_alive(fleet: &mut KafkaHouse) {
    for engine in fleet.engines.iter().map(|engine| engine.api.clone()) {
        let asked = async |path: &str| engine.call(Method::GET, path, "text/plain", "").await;
        fleet
            .house
            .until("an engine is not ready", UNREADY_WITHIN, async || {
                let (code, body) = asked("/readyz").await?;
                let says = body.to_string();
                let is_told = says.contains("the log");
                if code == 503 && is_told { Ok(()) } else { Err(format!("{code}: {says}")) }
            })
            .await;
        let (code, _) = asked("/livez").await.expect("it answers");
        assert_eq!(code, 200, "an engine without its log lives");
    }
}

/// An engine leads, what was acknowledged stands, and more is acknowledged.
async fn decides_again(fleet: &mut KafkaHouse, load: &Load, before: &BTreeMap<String, u64>) {
    let leader = fleet.leader().await;
    let api = fleet.engines[leader].api.clone();
    fleet
        .house
        .until("every workload is changed again", LEADS_WITHIN, async || {
            let now = load.acknowledged();
            let is_more = before.iter().all(|(name, serial)| now[name] > *serial);
            if is_more { Ok(()) } else { Err(format!("{before:?}, then {now:?}")) }
        })
        .await;
    load.nothing_is_lost(&api, before).await;
}
