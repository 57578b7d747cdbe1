//! Epochs that this binary would decide otherwise: other rules are followed and told, the same rules
//! stop it.

use std::time::Duration;

use crate::house::alone;
use crate::settled::Settled;
use crate::stopped::Stopped;

/// What an engine that cannot go on may take to say so.
const ENDS_WITHIN: Duration = Duration::from_secs(20);
/// A version that this binary never was.
const OTHER_RULES: &str = "none of ours";

#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_of_other_rules_is_followed_and_the_difference_told() {
    let _alone = alone();
    let mut fleet = Settled::new().await;
    let before = fleet.running();
    fleet.house.kill("engine");
    let stopped = Stopped::new(&fleet.house.path, "engine").append_a_stop(OTHER_RULES);
    assert!(before.contains_key(&stopped));
    fleet.start().await;
    assert!(fleet.house.said("engine", "decided otherwise than recorded"));
    let metrics = fleet.api.get("/metrics").await.expect("metrics");
    let metrics = metrics.as_str().unwrap_or_default();
    let counted = metrics.lines().find(|l| l.starts_with("setpoint_replay_differences_total"));
    assert!(counted.is_some_and(|line| !line.ends_with(" 0")), "{counted:?}");
    // What was recorded holds: that pod goes, and our rules replace it; no other is touched.
    fleet.converged(4, "1000000").await;
    let after = fleet.running();
    assert!(!after.contains_key(&stopped), "the recorded stop is followed");
    let others = before.iter().filter(|(uid, _)| **uid != stopped);
    assert!(others.clone().all(|(uid, pids)| after.get(uid) == Some(pids)), "the others run on");
    // The next start replays the mark that the leader left, and goes on as well.
    fleet.house.kill("engine");
    fleet.start().await;
    fleet.stays(&after).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_of_the_same_rules_with_another_hash_stops_the_engine() {
    let _alone = alone();
    let mut fleet = Settled::new().await;
    fleet.house.kill("engine");
    Stopped::new(&fleet.house.path, "engine").append_a_stop(setpoint_rules::RULES_VERSION);
    fleet.launch();
    let printed = fleet.house.ended("engine", ENDS_WITHIN).await;
    assert!(printed.contains("replays to other decisions than recorded"), "{printed}");
}
