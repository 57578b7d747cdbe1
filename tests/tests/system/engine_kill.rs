//! The engine killed with -9 at random points under load: nothing acknowledged is lost, nothing
//! happens twice, the ledger accounts for all of it.
//!
//! `SETPOINT_SEED` repeats the moments of the kills; `SETPOINT_TEST_LONG=1` kills a hundred times.

use std::time::Duration;

use rand::RngExt;
use setpoint_test_support::is_long;

use crate::house::{House, alone};
use crate::load::{Load, seeded};
use crate::{fleet, ledger};

const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];
const KILLS: usize = 20;
const KILLS_LONG: usize = 100;
/// An engine that recovers on a busy machine.
const LEADS_WITHIN: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_killed_at_random_points_loses_nothing_and_doubles_nothing() {
    let _alone = alone();
    let mut random = seeded();
    let (mut house, api) = House::with_nodes(
        &[
            ("SETPOINT_ENGINE__POLICY__LEASE_RENEW_MS", "1000"),
            ("SETPOINT_ENGINE__CHECKPOINT_INTERVAL_MS", "1000"),
        ],
        &NODES,
    )
    .await;
    let load = Load::start(std::slice::from_ref(&api), &mut random).await;
    for _ in 0..if is_long() { KILLS_LONG } else { KILLS } {
        tokio::time::sleep(Duration::from_millis(random.random_range(0..1000))).await;
        house.kill("engine");
        let before = load.acknowledged();
        house.start_engine("engine", api.port);
        house.leads(&api, LEADS_WITHIN).await;
        load.nothing_is_lost(&api, &before).await;
    }
    let acknowledged = load.end().await;
    fleet::converged(&mut house, &api).await;
    ledger::audit(&api).await;
    assert!(acknowledged > 20, "there was no load: {acknowledged} changes");
}
