//! The engine killed with -9 at random points under load: nothing acknowledged is lost, nothing
//! happens twice, the ledger accounts for all of it.
//!
//! `SETPOINT_SEED` repeats the moments of the kills; `SETPOINT_TEST_LONG=1` kills a hundred times.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::api::{Api, deployment};
use crate::house::{House, alone, free_port};
use crate::{ledger, processes};

const WORKLOADS: [&str; 3] = ["a", "b", "c"];
const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];
const KILLS: usize = 20;
const KILLS_LONG: usize = 100;
/// Enough that pods come and go all the time, few enough for a small machine.
const REPLICAS_MAX: u64 = 6;
const SERIAL: &str = "test/serial";
/// An engine that recovers on a busy machine.
const LEADS_WITHIN: Duration = Duration::from_secs(20);
const CONVERGES_WITHIN: Duration = Duration::from_secs(30);

/// The last change of each workload: what was tried, and what was acknowledged.
#[derive(Default)]
struct Changes {
    tried: BTreeMap<String, u64>,
    acknowledged: BTreeMap<String, u64>,
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_killed_at_random_points_loses_nothing_and_doubles_nothing() {
    let _alone = alone();
    let seed = seed();
    println!("SETPOINT_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut house = House::new(&[
        ("SETPOINT_ENGINE__POLICY__LEASE_RENEW_MS", "1000"),
        ("SETPOINT_ENGINE__CHECKPOINT_INTERVAL_MS", "1000"),
    ]);
    let port = free_port();
    let api = Api::new(port);
    house.start_engine("engine", port);
    for node in NODES {
        house.start_agent(node, &api.base, &[("SETPOINT_AGENT__RUNTIME", "process")]);
    }
    house.leads(&api, LEADS_WITHIN).await;
    for name in WORKLOADS {
        api.apply(&[deployment(name, 2)]).await.expect("it is applied");
    }

    let changes = Arc::new(Mutex::new(Changes::default()));
    let enough = Arc::new(AtomicBool::new(false));
    let loads: Vec<_> = WORKLOADS
        .iter()
        .map(|name| {
            let random = StdRng::seed_from_u64(random.random());
            tokio::spawn(load(name, api.clone(), random, changes.clone(), enough.clone()))
        })
        .collect();
    let is_long = std::env::var("SETPOINT_TEST_LONG").as_deref() == Ok("1");
    for _ in 0..if is_long { KILLS_LONG } else { KILLS } {
        tokio::time::sleep(Duration::from_millis(random.random_range(0..1000))).await;
        house.kill("engine");
        let before = changes.lock().unwrap().acknowledged.clone();
        house.start_engine("engine", port);
        house.leads(&api, LEADS_WITHIN).await;
        nothing_is_lost(&api, &before, &changes).await;
    }
    enough.store(true, Ordering::Relaxed);
    for load in loads {
        load.await.expect("the load ended");
    }

    converged(&mut house, &api).await;
    ledger::audit(&api).await;
    let acknowledged = changes.lock().unwrap().acknowledged.values().sum::<u64>();
    assert!(acknowledged > 20, "there was no load: {acknowledged} changes");
}

/// Changes one workload again and again, until it is enough and its last change is acknowledged.
async fn load(
    name: &'static str,
    api: Api,
    mut random: StdRng,
    changes: Arc<Mutex<Changes>>,
    enough: Arc<AtomicBool>,
) {
    let path = format!("/apis/apps/v1/namespaces/default/deployments/{name}");
    let mut serial = 0;
    loop {
        serial += 1;
        changes.lock().unwrap().tried.insert(name.to_owned(), serial);
        let patch = json!({
            "metadata": {"annotations": {SERIAL: serial.to_string()}},
            "spec": {"replicas": random.random_range(0..=REPLICAS_MAX)},
        });
        let answer = api.patch(&path, &patch).await;
        if answer.is_ok() {
            changes.lock().unwrap().acknowledged.insert(name.to_owned(), serial);
            if enough.load(Ordering::Relaxed) {
                return;
            }
        }
        let pause = if answer.is_ok() { 20 } else { 100 };
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}

/// What was acknowledged before the kill stands, or something later that was tried.
async fn nothing_is_lost(api: &Api, before: &BTreeMap<String, u64>, changes: &Mutex<Changes>) {
    for (name, acknowledged) in before {
        let path = format!("/apis/apps/v1/namespaces/default/deployments/{name}");
        let stands = api.get(&path).await.expect("the workload is there");
        let stands = serial_of(&stands);
        let tried = changes.lock().unwrap().tried[name];
        assert!(
            (*acknowledged..=tried).contains(&stands),
            "{name}: {acknowledged} was acknowledged, {stands} stands, {tried} was tried"
        );
    }
}

fn serial_of(workload: &Value) -> u64 {
    let serial = workload["metadata"]["annotations"][SERIAL].as_str();
    serial.and_then(|serial| serial.parse().ok()).unwrap_or(0)
}

/// Every placed pod runs as one process, nothing else runs, and there are as many as asked for.
async fn converged(house: &mut House, api: &Api) {
    let folder = house.path.clone();
    house
        .until("exactly the placed pods run", CONVERGES_WITHIN, async || {
            let workloads = api.get("/apis/apps/v1/deployments").await?;
            let items = workloads["items"].as_array().cloned().unwrap_or_default();
            let desired: u64 = items.iter().filter_map(|w| w["spec"]["replicas"].as_u64()).sum();
            let pods = api.pods().await?;
            let ready = pods.values().filter(|pod| pod.ready && !pod.node.is_empty()).count();
            let running = processes::by_pod(&folder);
            let once = running.values().all(|pids| pids.len() == 1);
            let placed: BTreeSet<&String> = pods.keys().collect();
            let same = placed == running.keys().collect();
            if same && once && ready == pods.len() && pods.len() as u64 == desired {
                return Ok(());
            }
            let (there, run) = (pods.len(), running.len());
            Err(format!("{desired} asked for, {there} there, {ready} ready, {run} run"))
        })
        .await;
}

fn seed() -> u64 {
    let given = std::env::var("SETPOINT_SEED").ok().and_then(|seed| seed.parse().ok());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    given.unwrap_or(u64::from(now.subsec_nanos()))
}
