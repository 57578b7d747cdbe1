//! Two hundred simulated nodes in one process of the real program, against the real API.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;

use crate::api::{Api, deployment};
use crate::house::{House, alone};
use crate::ledger;

const NODES: usize = 200;
const REPLICAS: u64 = 1_000;
const REPLICAS_LATER: u64 = 400;
/// Two hundred nodes that start over one interval of the lease, on a busy machine.
const REGISTER_WITHIN: Duration = Duration::from_secs(60);
const CONVERGES_WITHIN: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_nodes_take_a_thousand_pods_and_vanish_together_without_harm() {
    let _alone = alone();
    let (mut house, api) = House::with_nodes(
        &[
            // Five renewals may be late on a busy machine before a node counts as lost.
            ("SETPOINT_ENGINE__POLICY__LEASE_RENEW_MS", "3000"),
            ("SETPOINT_ENGINE__POLICY__LEASE_GRACE_MS", "15000"),
            // Hundreds of agents in one process, one line for each is enough.
            ("SETPOINT_TRACE__FILTER", "warn"),
        ],
        &[],
    )
    .await;
    start_agents(&mut house, &api);
    let registered = async || {
        let count = ready_nodes(&api).await?;
        if count == NODES { Ok(()) } else { Err(format!("{count} are ready")) }
    };
    house.until("all nodes are ready", REGISTER_WITHIN, registered).await;
    api.apply(&[deployment("web", REPLICAS)]).await.expect("it is applied");
    let before = settled(&mut house, &api, REPLICAS).await;
    let nodes: BTreeSet<&str> = before.values().map(String::as_str).collect();
    assert!(nodes.len() > NODES / 2, "the pods stand on {} nodes only", nodes.len());

    // All at once: that is a doubt about ourselves, not the end of two hundred machines.
    house.kill("sim");
    let held = async || {
        let status = api.get("/setpoint/v1/status").await?;
        let holds = status["holds"].as_array().is_some_and(|holds| !holds.is_empty());
        if holds { Ok(()) } else { Err(status.to_string()) }
    };
    house.until("replacements are held", CONVERGES_WITHIN, held).await;
    start_agents(&mut house, &api);
    let after = settled(&mut house, &api, REPLICAS).await;
    let moved: Vec<_> = before.iter().filter(|(uid, _)| !after.contains_key(*uid)).collect();
    let decisions = ledger::values(&api, "setpoint.decisions").await;
    let lost: Vec<_> = decisions.iter().filter(|d| d["action"] == "NodeLost").collect();
    assert!(moved.is_empty(), "pods were replaced: {moved:?}, because {lost:#?}");

    let path = "/apis/apps/v1/namespaces/default/deployments/web";
    let fewer = json!({"spec": {"replicas": REPLICAS_LATER}});
    api.patch(path, &fewer).await.expect("it is scaled");
    settled(&mut house, &api, REPLICAS_LATER).await;
    ledger::audit(&api).await;
}

fn start_agents(house: &mut House, api: &Api) {
    let nodes = NODES.to_string();
    let settings =
        [("SETPOINT_AGENT__RUNTIME", "simulated"), ("SETPOINT_AGENT__SIMULATED__NODES", &nodes)];
    house.start_agent("sim", &api.base, &settings);
}

/// Waits until there are so many pods and all are ready; their nodes by uid.
async fn settled(house: &mut House, api: &Api, replicas: u64) -> BTreeMap<String, String> {
    let look = async || {
        let status = api.get("/setpoint/v1/status").await?;
        let pods = api.pods().await?;
        let ready = pods.values().filter(|pod| pod.ready).count() as u64;
        let free = status["holds"].as_array().is_none_or(Vec::is_empty);
        if free && pods.len() as u64 == replicas && ready == replicas {
            return Ok(pods.into_iter().map(|(uid, pod)| (uid, pod.node)).collect());
        }
        Err(format!("{} pods, {ready} ready, holds {}", pods.len(), status["holds"]))
    };
    house.until("all pods are ready", CONVERGES_WITHIN, look).await
}

async fn ready_nodes(api: &Api) -> Result<usize, String> {
    let nodes = api.get("/api/v1/nodes").await?;
    let items = nodes["items"].as_array().cloned().unwrap_or_default();
    let is_ready = |node: &&serde_json::Value| {
        let conditions = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True")
    };
    Ok(items.iter().filter(is_ready).count())
}
