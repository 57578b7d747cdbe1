//! Pods that keep more on the disk than they may, on real processes.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use setpoint_schemas::{EVICTED, PodObserved, PodPhase};

use crate::fake_api::FakeApi;
use crate::node::{Node, placement, shell};

/// Longer than the agent takes to look.
const LOOKS: Duration = Duration::from_secs(2);

/// Longer than a pod takes to start, or to be removed, on a busy machine.
const DONE_WITHIN: Duration = Duration::from_secs(30);
/// Often enough to see a pod that starts and is evicted again.
const SIGHT_EVERY: Duration = Duration::from_millis(20);

/// A pod that writes so many MiB into its volume, which may hold one, and stays.
fn writing(mib: u32) -> Value {
    let script = format!(
        "head -c {} /dev/zero > $SETPOINT_MOUNT_CACHE/x; exec sleep 1000",
        u64::from(mib) << 20
    );
    let mut spec = shell(&script);
    spec["volumes"] = json!([{"name": "cache", "emptyDir": {"sizeLimit": "1Mi"}}]);
    spec["containers"][0]["volumeMounts"] = json!([{"name": "cache", "mountPath": "/cache"}]);
    spec
}

#[tokio::test(flavor = "multi_thread")]
async fn who_fills_a_folder_beyond_its_limit_is_evicted_and_all_of_it_removed() {
    let api = FakeApi::start().await;
    let node = Node::new(&api);
    api.place(1, 1, vec![placement("large", writing(8)), placement("small", writing(0))]);
    let agent = node.agent();
    let pod = api.reaches("large", |pod| pod.phase == PodPhase::Failed).await;
    assert_eq!(pod.reason, EVICTED);
    assert_eq!(pod.message, "Usage of EmptyDir volume \"cache\" exceeds the limit \"1Mi\". ");
    let is_left = async || node.has("large").await;
    let begun = Instant::now();
    while is_left().await {
        assert!(begun.elapsed() < DONE_WITHIN, "its folder stays");
        tokio::time::sleep(SIGHT_EVERY).await;
    }
    api.reaches("small", |pod| pod.ready).await;
    tokio::time::sleep(LOOKS).await;
    assert!(node.runs_a_container_of("small").await, "it keeps to its limit");
    agent.kill().await;

    // Another life of the agent does not start it again, though it starts what is new beside it.
    let names = [("large", 8), ("small", 0), ("third", 0)];
    api.place(1, 2, names.map(|(name, mib)| placement(name, writing(mib))).to_vec());
    let agent = node.agent();
    let (begun, mut ready_at) = (Instant::now(), None);
    while ready_at.is_none_or(|at: Instant| at.elapsed() < LOOKS) {
        assert!(!is_left().await, "it has ended for good");
        assert!(begun.elapsed() < DONE_WITHIN, "the new one does not get ready");
        let is_ready = api.seen(|seen| seen.pods.get("third").is_some_and(|pod| pod.ready));
        ready_at = ready_at.or_else(|| is_ready.then(Instant::now));
        tokio::time::sleep(SIGHT_EVERY).await;
    }
    let is_failed = |pod: &PodObserved| pod.phase == PodPhase::Failed;
    assert!(api.seen(|seen| seen.pods.get("large").is_none_or(is_failed)), "and is said to have");
    agent.end().await;
    node.clean().await;
}
