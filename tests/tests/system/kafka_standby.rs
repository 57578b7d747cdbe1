//! Two engines on one Kafka: when the leader is killed or frozen the standby leads within ten
//! seconds, and a frozen leader that wakes up writes nothing.
//!
//! `SETPOINT_SEED` repeats the moments; `SETPOINT_TEST_LONG=1` plays thirty rounds.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use rand::RngExt;
use setpoint_test_support::is_long;

use crate::api::deployment;
use crate::fleet::{self, Watchman};
use crate::house::alone;
use crate::kafka_house::{KafkaHouse, NODES};
use crate::load::{Load, seeded};
use crate::{kafka_log, ledger};

const ROUNDS: usize = 3;
const ROUNDS_LONG: usize = 30;
/// What is promised.
const TAKES_OVER_WITHIN: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_takes_over_and_the_zombie_writes_nothing() {
    let _alone = alone();
    let mut random = seeded();
    let Some(mut fleet) = KafkaHouse::start(&["engine-1", "engine-2"]) else { return };
    let mut leader = fleet.leader().await;
    let watchman = Watchman::start(&fleet.house, &NODES);
    let load = Load::start(&fleet.apis(), &mut random).await;

    let rounds = if is_long() { ROUNDS_LONG } else { ROUNDS };
    for round in 0..rounds {
        tokio::time::sleep(Duration::from_millis(random.random_range(500..2000))).await;
        let standby = 1 - leader;
        let (name, api) = (fleet.engines[leader].name, fleet.engines[standby].api.clone());
        let is_frozen = round % 2 == 0;
        let began = Instant::now();
        match is_frozen {
            true => fleet.house.signal(name, Signal::SIGSTOP),
            false => fleet.house.kill(name),
        }
        let before = load.acknowledged();
        let took = fleet.becomes(standby, "leader", TAKES_OVER_WITHIN).await;
        api.apply(&[deployment("new", round as u64 % 3)]).await.expect("the standby decides");
        println!("round {round}: leads after {took:?}, decided after {:?}", began.elapsed());
        load.nothing_is_lost(&api, &before).await;

        match is_frozen {
            true => fleet.house.signal(name, Signal::SIGCONT),
            false => fleet.start_engine(leader),
        }
        let leads = fleet.leader().await;
        assert_eq!(leads, standby, "the engine that was away stands by");
        leader = standby;
    }
    let acknowledged = load.end().await;
    let api = fleet.engines[leader].api.clone();
    fleet::converged(&mut fleet.house, &api).await;
    // The agents know both engines, and take calls at either.
    if let Some(pod) = api.pods().await.expect("it answers").into_values().next() {
        for engine in &fleet.engines {
            let read = fleet.house.verb(&engine.api.base, &format!("logs {}", pod.name));
            assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
        }
    }
    watchman.end(rounds + 1);
    ledger::audit(&api).await;
    kafka_log::audit(&fleet.kafka.bootstrap_servers());
    assert!(acknowledged > 20, "there was no load: {acknowledged} changes");
}

/// What a leader leaves that was killed in its commit. Such a record can be read by nobody until
/// its producer is fenced; whoever waits for it before fencing waits for half a minute.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_left_open_by_a_dead_leader_delays_no_takeover() {
    let _alone = alone();
    let Some(mut fleet) = KafkaHouse::start(&["engine-1", "engine-2"]) else { return };
    let leader = fleet.leader().await;
    let term = fleet.engines[leader].api.get("/setpoint/v1/status").await.expect("it answers");
    kafka_log::leave_open(&fleet.kafka.bootstrap_servers(), "setpoint.setpoint");
    let began = Instant::now();
    let apis = fleet.apis();
    fleet
        .house
        .until("an engine leads with a later term", TAKES_OVER_WITHIN, async || {
            let mut seen = Vec::new();
            for api in &apis {
                let status = api.get("/setpoint/v1/status").await?;
                if status["role"] == "leader" && status["term"].as_i64() > term["term"].as_i64() {
                    return Ok(());
                }
                seen.push(status);
            }
            Err(format!("{seen:?}"))
        })
        .await;
    println!("leads after {:?}", began.elapsed());
    fleet.leader().await;
    kafka_log::audit(&fleet.kafka.bootstrap_servers());
}
