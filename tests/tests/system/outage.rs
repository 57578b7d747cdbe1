//! The engine is away for a while: pods run on, and what crashes meanwhile is restarted in place.

use std::collections::BTreeSet;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::api::{Api, deployment};
use crate::house::{House, alone};
use crate::{ledger, processes};

const NODES: [&str; 2] = ["node-1", "node-2"];
const REPLICAS: u64 = 4;
/// Longer than the grace of a lease, so that a wrong judgement after the return would show.
const AWAY: Duration = Duration::from_secs(20);
const LEADS_WITHIN: Duration = Duration::from_secs(20);
const CONVERGES_WITHIN: Duration = Duration::from_secs(30);
/// The first restart in place waits for nothing.
const RESTARTS_WITHIN: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_engine_stops_nothing_and_crashes_are_restarted_meanwhile() {
    let _alone = alone();
    let (mut house, api) = House::with_nodes(
        &[
            ("SETPOINT_ENGINE__POLICY__LEASE_RENEW_MS", "1000"),
            ("SETPOINT_ENGINE__POLICY__LEASE_GRACE_MS", "3000"),
        ],
        &NODES,
    )
    .await;
    api.apply(&[deployment("web", REPLICAS)]).await.expect("it is applied");
    settled(&mut house, &api).await;
    let before = processes::by_pod(&house.path);

    house.kill("engine");
    let began = std::time::Instant::now();
    let (uid, pids) = before.iter().next().expect("a pod");
    pids.iter().for_each(|pid| processes::signal(*pid, Signal::SIGKILL));
    let path = house.path.clone();
    let restarted = async || {
        let now = processes::by_pod(&path);
        let pids_now = now.get(uid).cloned().unwrap_or_default();
        let is_new = !pids_now.is_empty() && pids_now.is_disjoint(pids);
        if is_new { Ok(now) } else { Err(format!("{uid} has {pids_now:?}")) }
    };
    let during = house.until("the crashed container runs again", RESTARTS_WITHIN, restarted).await;
    while began.elapsed() < AWAY {
        let now = processes::by_pod(&house.path);
        assert_eq!(now, during, "nothing else changes while the engine is away");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }

    house.start_engine("engine", api.port);
    house.leads(&api, LEADS_WITHIN).await;
    settled(&mut house, &api).await;
    let counted = async || {
        let count = restarts(&api, uid).await?;
        if count == 1 { Ok(()) } else { Err(format!("{count} restarts")) }
    };
    house.until("the restart is told afterwards", CONVERGES_WITHIN, counted).await;
    assert_eq!(processes::by_pod(&house.path), during, "the return changes nothing that runs");
    ledger::audit(&api).await;
}

/// All pods are ready, and the same run.
async fn settled(house: &mut House, api: &Api) {
    let path = house.path.clone();
    let look = async || {
        let pods = api.pods().await?;
        let ready = pods.values().filter(|pod| pod.ready).count();
        let running = processes::by_pod(&path);
        let placed: BTreeSet<&String> = pods.keys().collect();
        let well = ready as u64 == REPLICAS && placed == running.keys().collect();
        if well { Ok(()) } else { Err(format!("{ready} ready, {} run", running.len())) }
    };
    house.until("the workload has settled", CONVERGES_WITHIN, look).await;
}

async fn restarts(api: &Api, uid: &str) -> Result<i64, String> {
    let pods = api.get("/api/v1/pods").await?;
    let items = pods["items"].as_array().cloned().unwrap_or_default();
    let pod = items.iter().find(|pod| pod["metadata"]["uid"] == uid).ok_or("the pod is gone")?;
    Ok(pod["status"]["containerStatuses"][0]["restartCount"].as_i64().unwrap_or(0))
}
