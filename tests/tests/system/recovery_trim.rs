//! An engine whose log has forgotten what its checkpoint needs is rebuilt from the compacted topics:
//! the fleet does not notice.

use crate::house::alone;
use crate::settled::Settled;
use crate::stopped::{EVERYTHING_DAYS, LEASES_DAYS, Stopped};

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_without_checkpoint_on_a_trimmed_log_keeps_every_pod_and_goes_on() {
    let _alone = alone();
    let mut fleet = Settled::new().await;
    let before = fleet.running();
    for days in [LEASES_DAYS, EVERYTHING_DAYS] {
        fleet.house.kill("engine");
        let stopped = Stopped::new(&fleet.house.path, "engine");
        stopped.lose_checkpoint();
        stopped.trim(days);
        fleet.start().await;
        let said = "there is no checkpoint and the log is trimmed";
        assert!(fleet.house.said("engine", said), "{days} days: {said}");
        fleet.house.forget_said("engine");
        fleet.stays(&before).await;
        fleet.renewed().await;
    }
    // What was decided before is remembered: pods are added beside the old ones, and the update
    // that was made can be undone.
    fleet.apply(6, "1000000").await;
    let after = fleet.running();
    assert!(before.iter().all(|(uid, pids)| after.get(uid) == Some(pids)), "the old ones run on");
    let undone = fleet.house.verb(&fleet.api.base, "rollout undo deployment/web");
    assert!(undone.status.success(), "{undone:?}");
    fleet.converged(6, "1000001").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_older_than_the_log_is_noticed_and_not_built_upon() {
    let _alone = alone();
    let mut fleet = Settled::new().await;
    let kept = fleet.house.path.join("kept");
    let stopped = Stopped::new(&fleet.house.path, "engine");
    fleet.house.kill("engine");
    stopped.copy_checkpoint(&kept);
    fleet.start().await;
    fleet.apply(3, "1000000").await;
    fleet.renewed().await;
    let before = fleet.running();
    fleet.house.kill("engine");
    stopped.put_checkpoint(&kept);
    stopped.trim(LEASES_DAYS);
    fleet.start().await;
    let said = "the checkpoint is older than what the log still holds";
    assert!(fleet.house.said("engine", said), "{said}");
    fleet.stays(&before).await;
}
