//! An engine alone on Kafka, killed with -9 at random points under load, as on the embedded log.
//!
//! `SETPOINT_SEED` repeats the moments of the kills; `SETPOINT_TEST_LONG=1` kills twenty times.

use std::time::Duration;

use rand::RngExt;
use setpoint_test_support::is_long;

use crate::fleet::{self, Watchman};
use crate::house::alone;
use crate::kafka_house::{KafkaHouse, LEADS_WITHIN, NODES};
use crate::load::{Load, seeded};
use crate::{kafka_log, ledger};

/// Each costs the five seconds of silence after which an engine on Kafka leads.
const KILLS: usize = 3;
const KILLS_LONG: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_on_kafka_killed_at_random_points_loses_nothing_and_doubles_nothing() {
    let _alone = alone();
    let mut random = seeded();
    let Some(mut fleet) = KafkaHouse::start(&["engine"]) else { return };
    fleet.leader().await;
    let watchman = Watchman::start(&fleet.house, &NODES);
    let load = Load::start(&fleet.apis(), &mut random).await;
    let api = fleet.engines[0].api.clone();
    let kills = if is_long() { KILLS_LONG } else { KILLS };
    for _ in 0..kills {
        tokio::time::sleep(Duration::from_millis(random.random_range(500..2000))).await;
        fleet.house.kill("engine");
        let before = load.acknowledged();
        fleet.start_engine(0);
        let took = fleet.becomes(0, "leader", LEADS_WITHIN).await;
        println!("leads again after {took:?}");
        load.nothing_is_lost(&api, &before).await;
    }
    let acknowledged = load.end().await;
    fleet::converged(&mut fleet.house, &api).await;
    watchman.end(kills + 1);
    ledger::audit(&api).await;
    kafka_log::audit(&fleet.kafka.bootstrap_servers());
    assert!(acknowledged > 20, "there was no load: {acknowledged} changes");
}
