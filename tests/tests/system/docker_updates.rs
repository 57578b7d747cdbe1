//! Updates under load, of pods that are Docker containers on several nodes: no request fails.

use std::time::Duration;

use setpoint_actuator_docker::testing::require_networks;
use setpoint_test_support::is_long;

use crate::docker_bridged::Fleet;
use crate::docker_web::{PAGE, SLOW, image, places, service, settled, web};
use crate::house::alone;
use crate::ledger;
use crate::load_by_clock::{ANSWER_MAX, LoadByClock};

const REPLICAS: u64 = 3;
/// There and back.
const ROUNDS: usize = 2;
const ROUNDS_LONG: usize = 10;
/// Forty requests a second, by the clock: a fourth of them at each place.
const ASKED_EVERY: Duration = Duration::from_millis(25);
/// So often that each server has some of them under way whenever it is asked to end.
const ASKED_SLOWLY_EVERY: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread")]
async fn updates_of_containers_under_load_fail_no_request() {
    if !require_networks() {
        return;
    }
    let _alone = alone();
    let images = [image("web:1", "one"), image("web:2", "two")];
    let mut fleet = Fleet::start(3, &images).await;
    fleet.api.apply(&[service(), web("web:1", REPLICAS)]).await.expect("it is applied");
    settled(&mut fleet, REPLICAS).await;
    let places = places(&mut fleet).await;

    let quick = LoadByClock::start(places.clone(), PAGE, ASKED_EVERY, ANSWER_MAX);
    let slow = LoadByClock::start(places, SLOW, ASKED_SLOWLY_EVERY, ANSWER_MAX);
    for round in 0..if is_long() { ROUNDS_LONG } else { ROUNDS } {
        let next = if round % 2 == 0 { "web:2" } else { "web:1" };
        fleet.api.apply(&[web(next, REPLICAS)]).await.expect("it is applied");
        settled(&mut fleet, REPLICAS).await;
    }
    let quick = quick.ends_without_a_failure().await;
    let slow = slow.ends_without_a_failure().await;

    for version in ["one end", "two end"] {
        assert!(quick.answers.contains_key(version), "no {version:?}: {:?}", quick.answers);
    }
    // A connection that a server had when it was asked to end was answered to its end.
    for version in ["one", "two"] {
        let ended = format!("{version}, asked to end, end");
        assert!(slow.answers.contains_key(&ended), "no {ended:?}: {:?}", slow.answers);
    }
    ledger::audit(&fleet.api).await;
}
