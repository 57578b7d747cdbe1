//! Pods that may run at most once: they end when the engine does not hear the node, whatever becomes of
//! the agent.

use std::time::{Duration, Instant};

use crate::fake_api::FakeApi;
use crate::node::{self, Node, guarded, placement, shell};

/// Short enough to wait for, and long enough for a busy machine.
const FENCE: Duration = Duration::from_secs(6);
/// What a look and a kill may take on a busy machine beyond that.
const SOON: Duration = Duration::from_secs(4);

/// Waits until the process has ended; how long that took.
async fn ends(pid: &str) -> Duration {
    let began = Instant::now();
    while node::runs(pid) {
        assert!(began.elapsed() < FENCE + SOON, "it still runs");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    began.elapsed()
}

/// A node with a pod that may run at most once and one that may run anywhere, their processes.
async fn both(api: &FakeApi, node: &Node) -> (node::Agent, String, String) {
    let sleep = || shell("exec sleep 1000");
    api.place(1, 1, vec![guarded("one", sleep()), placement("any", sleep())]);
    let agent = node.agent();
    let one = api.reaches("one", |pod| pod.ready).await;
    let any = api.reaches("any", |pod| pod.ready).await;
    (agent, one.containers[0].id.clone(), any.containers[0].id.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_not_heard_ends_them_and_starts_them_again_when_it_is() {
    let api = FakeApi::start().await;
    let node = Node::new(&api).fenced_within(FENCE);
    let (agent, one, any) = both(&api, &node).await;
    let record = api.seen(|seen| seen.node.clone()).expect("it is registered");
    assert_eq!(record.fenced_within_ms(), Some(6_000), "it promises so");
    tokio::time::sleep(FENCE).await;
    assert!(node::runs(&one), "as long as it is heard it runs on");

    api.set_down(true);
    ends(&one).await;
    assert!(node::runs(&any), "others run on");
    api.set_down(false);
    let again = api.reaches("one", |pod| pod.ready && pod.containers[0].id != one).await;
    assert!(node::runs(&again.containers[0].id));
    agent.end().await;
    node.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_that_no_list_tells_of_counts_for_nothing() {
    let api = FakeApi::start().await;
    let node = Node::new(&api).fenced_within(FENCE);
    let (agent, one, _) = both(&api, &node).await;
    api.grant_nothing();
    ends(&one).await;
    let leases = api.seen(|seen| seen.leases);
    api.until("its lease is acknowledged all the while", |seen| seen.leases > leases).await;
    agent.end().await;
    node.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_agent_their_supervisors_end_them() {
    let api = FakeApi::start().await;
    let node = Node::new(&api).fenced_within(FENCE);
    let (agent, one, any) = both(&api, &node).await;
    agent.kill().await;
    ends(&one).await;
    assert!(node::runs(&any), "others outlive the agent");
    node.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_agent_without_an_api_neither_keeps_nor_starts_them() {
    let api = FakeApi::start().await;
    let node = Node::new(&api).fenced_within(FENCE);
    let (agent, one, any) = both(&api, &node).await;
    agent.end().await;
    api.set_down(true);
    let agent = node.agent();
    assert!(node::runs(&one), "what was granted to the last life holds");
    ends(&one).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!node.runs_a_container_of("one").await, "nobody starts it");
    assert!(node::runs(&any));
    agent.end().await;
    node.clean().await;
}
