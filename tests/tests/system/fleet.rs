//! What runs on the nodes, beside what should: at the end, and at every moment.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::api::Api;
use crate::house::House;
use crate::processes;

const CONVERGES_WITHIN: Duration = Duration::from_secs(60);
/// Often enough to see a process that lives for an agent's turn, seldom enough to leave it the cores.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// An agent that found no engine ready asks again after two seconds.
const HEARD_WITHIN: Duration = Duration::from_secs(10);

/// Every placed pod runs as one process, nothing else runs, and there are as many as asked for.
pub(crate) async fn converged(house: &mut House, api: &Api) {
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

/// Looks at the nodes all the time: no uid runs twice, and no agent accepts a lower term or epoch
/// than before.
pub(crate) struct Watchman {
    enough: Arc<AtomicBool>,
    terms: Arc<AtomicUsize>,
    thread: std::thread::JoinHandle<Result<usize, String>>,
}

impl Watchman {
    /// Watches the nodes of this house from now on.
    pub(crate) fn start(house: &House, nodes: &[&str]) -> Watchman {
        let enough = Arc::new(AtomicBool::new(false));
        let mark = |node: &&str| house.path.join(node).join("agents").join(node).join("guard.json");
        let (folder, marks) = (house.path.clone(), nodes.iter().map(mark).collect());
        let terms = Arc::new(AtomicUsize::new(0));
        let (until, seen) = (enough.clone(), terms.clone());
        let thread = std::thread::spawn(move || watch(&folder, marks, &until, &seen));
        Watchman { enough, terms, thread }
    }

    /// Ends the watch, when agents have had their time to hear of the last leader: what runs may be
    /// right before they do.
    ///
    /// # Panics
    /// When it saw what must not be, or never saw a term change.
    pub(crate) fn end(self, terms_min: usize) {
        let until = Instant::now() + HEARD_WITHIN;
        let is_enough = || self.terms.load(Ordering::Relaxed) >= terms_min;
        while !is_enough() && Instant::now() < until && !self.thread.is_finished() {
            std::thread::sleep(LOOK_EVERY);
        }
        self.enough.store(true, Ordering::Relaxed);
        let terms =
            self.thread.join().expect("the watchman ended").unwrap_or_else(|e| panic!("{e}"));
        assert!(terms >= terms_min, "agents saw {terms} terms, fewer than {terms_min}");
    }
}

/// How many terms the agents accepted, or what must not be.
fn watch(
    folder: &Path,
    marks: Vec<PathBuf>,
    enough: &AtomicBool,
    seen: &AtomicUsize,
) -> Result<usize, String> {
    let mut accepted: BTreeMap<PathBuf, (i64, i64)> = BTreeMap::new();
    let mut terms = BTreeSet::new();
    while !enough.load(Ordering::Relaxed) {
        let running = processes::by_pod(folder);
        if let Some((uid, pids)) = running.iter().find(|(_, pids)| pids.len() > 1) {
            return Err(format!("pod {uid} runs more than once: {pids:?}"));
        }
        for path in &marks {
            let Some(now) = mark_of(path) else { continue };
            terms.insert(now.0);
            seen.store(terms.len(), Ordering::Relaxed);
            let before = accepted.insert(path.clone(), now).unwrap_or((-1, -1));
            if now < before {
                return Err(format!("{}: {before:?} was accepted, then {now:?}", path.display()));
            }
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(terms.len())
}

/// The (term, epoch) that an agent accepted last.
fn mark_of(path: &Path) -> Option<(i64, i64)> {
    let mark: Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    Some((mark["term"].as_i64()?, mark["epoch"].as_i64()?))
}
