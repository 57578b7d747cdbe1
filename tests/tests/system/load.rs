//! Load: each workload is changed again and again, and what was acknowledged is remembered.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::api::{Api, deployment};

const WORKLOADS: [&str; 3] = ["a", "b", "c"];
/// Enough that pods come and go all the time, few enough for a small machine.
const REPLICAS_MAX: u64 = 6;
const SERIAL: &str = "test/serial";
/// An engine that follows the log anew on a busy machine.
const ANSWERS_WITHIN: Duration = Duration::from_secs(20);

/// Changes that go on until they are ended.
pub(crate) struct Load {
    changes: Arc<Mutex<Changes>>,
    enough: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

/// The last change of each workload: what was tried, and what was acknowledged.
#[derive(Default)]
struct Changes {
    tried: BTreeMap<String, u64>,
    acknowledged: BTreeMap<String, u64>,
}

impl Load {
    /// Applies the workloads and changes them from now on, at whichever of these engines answers.
    pub(crate) async fn start(apis: &[Api], random: &mut StdRng) -> Load {
        for name in WORKLOADS {
            apis[0].apply(&[deployment(name, 2)]).await.expect("it is applied");
        }
        let (changes, enough) = (Arc::default(), Arc::default());
        let task = |name| {
            let random = StdRng::seed_from_u64(random.random());
            let (changes, enough) = (Arc::clone(&changes), Arc::clone(&enough));
            tokio::spawn(change(name, apis.to_vec(), random, changes, enough))
        };
        let tasks = WORKLOADS.map(task).into();
        Load { changes, enough, tasks }
    }

    /// The last acknowledged change of each workload.
    pub(crate) fn acknowledged(&self) -> BTreeMap<String, u64> {
        self.changes.lock().expect("nobody panicked").acknowledged.clone()
    }

    /// What was acknowledged before stands, or something later that was tried.
    ///
    /// # Panics
    /// When it does not.
    pub(crate) async fn nothing_is_lost(&self, api: &Api, before: &BTreeMap<String, u64>) {
        for (name, acknowledged) in before {
            let stands = serial_of(&answered(api, &path_of(name)).await);
            let tried = self.changes.lock().expect("nobody panicked").tried[name];
            assert!(
                (*acknowledged..=tried).contains(&stands),
                "{name}: {acknowledged} was acknowledged, {stands} stands, {tried} was tried"
            );
        }
    }

    /// Ends when the last change of each workload is acknowledged; how many there were.
    pub(crate) async fn end(self) -> u64 {
        self.enough.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.expect("the load ended");
        }
        self.changes.lock().expect("nobody panicked").acknowledged.values().sum()
    }
}

/// Changes one workload until it is enough and its last change is acknowledged.
async fn change(
    name: &'static str,
    apis: Vec<Api>,
    mut random: StdRng,
    changes: Arc<Mutex<Changes>>,
    enough: Arc<AtomicBool>,
) {
    for serial in 1.. {
        let api = &apis[random.random_range(0..apis.len())];
        changes.lock().expect("nobody panicked").tried.insert(name.to_owned(), serial);
        let mut patch = json!({
            "metadata": {"annotations": {SERIAL: serial.to_string()}},
            "spec": {"replicas": random.random_range(0..=REPLICAS_MAX)},
        });
        // A frozen engine may append a call long after its caller gave up: then it must be refused.
        let seen = if apis.len() > 1 { api.get(&path_of(name)).await } else { Ok(json!({})) };
        let answer = match seen {
            Ok(seen) => {
                patch["metadata"]["resourceVersion"] = seen["metadata"]["resourceVersion"].clone();
                api.patch(&path_of(name), &patch).await
            }
            Err(error) => Err(error),
        };
        if answer.is_ok() {
            changes.lock().expect("nobody panicked").acknowledged.insert(name.to_owned(), serial);
            if enough.load(Ordering::Relaxed) {
                return;
            }
        }
        let pause = match answer {
            Ok(_) => 20,
            // The workload's status has changed meanwhile, as it does all the time.
            Err(error) if error.starts_with("409") => 1,
            Err(_) => 100,
        };
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}

/// What stands there, once the engine answers: engines that came back together may take the lead
/// from each other at first, and answer nothing while they do.
async fn answered(api: &Api, path: &str) -> Value {
    let began = Instant::now();
    loop {
        match api.get(path).await {
            Ok(stands) => return stands,
            Err(error) => assert!(began.elapsed() < ANSWERS_WITHIN, "{path}: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A source of chance; `SETPOINT_SEED` repeats it.
pub(crate) fn seeded() -> StdRng {
    let given = std::env::var("SETPOINT_SEED").ok().and_then(|seed| seed.parse().ok());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let seed = given.unwrap_or(u64::from(now.subsec_nanos()));
    println!("SETPOINT_SEED={seed}");
    StdRng::seed_from_u64(seed)
}

fn path_of(workload: &str) -> String {
    format!("/apis/apps/v1/namespaces/default/deployments/{workload}")
}

fn serial_of(workload: &Value) -> u64 {
    let serial = workload["metadata"]["annotations"][SERIAL].as_str();
    serial.and_then(|serial| serial.parse().ok()).unwrap_or(0)
}
