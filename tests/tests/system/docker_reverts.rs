//! Updates that fail, of pods that are Docker containers: what becomes of a workload that goes back by itself, and
//! its Service under load meanwhile.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::api::Api;
use crate::docker_bridged::{Fleet, said};
use crate::docker_images::Image;
use crate::docker_web::PAGE;
use crate::house::{LOOK_EVERY, free_port};
use crate::ledger;
use crate::load_by_clock::{ANSWER_MAX, LoadByClock, Told};

/// A pod that fails is noticed in seconds; the rest is for a busy machine.
const GOES_BACK_WITHIN: Duration = Duration::from_secs(60);
/// Pods start, and are watched for some seconds then.
pub(crate) const HEALTHY_WITHIN: Duration = Duration::from_secs(120);
/// Long enough for another try, if there were one.
const A_WHILE: Duration = Duration::from_secs(4);
/// Twenty requests a second, by the clock.
const ASKED_EVERY: Duration = Duration::from_millis(50);
/// The image whose program ends at once.
pub(crate) const ENDS: &str = "web:ends";

/// The image whose program ends at once.
pub(crate) fn ends() -> Image {
    Image { name: ENDS, furnished: String::new(), runs: &["false"] }
}

/// An image of a registry that is not there.
pub(crate) fn nowhere() -> String {
    format!("127.0.0.1:{}/web:2", free_port())
}

/// What is to become of a workload of the image `web:1`.
pub(crate) struct Story {
    /// Its kind, as paths have it.
    pub(crate) kind: &'static str,
    pub(crate) workload: &'static str,
    /// So many pods are wanted.
    pub(crate) replicas: u64,
    /// So many pods serve at every moment.
    pub(crate) pods_min: u64,
    /// So many pods of a bad image are there until it is given up.
    pub(crate) failures: usize,
    /// How it is said why it is.
    pub(crate) why: String,
}

impl Story {
    fn path(&self) -> String {
        format!("/apis/apps/v1/namespaces/default/{}/{}", self.kind, self.workload)
    }

    /// As verbs name it.
    pub(crate) fn named(&self) -> String {
        format!("{}/{}", self.kind.trim_end_matches('s'), self.workload)
    }

    /// The counts of its status that are all that are wanted.
    fn counts(&self) -> [&'static str; 3] {
        match self.kind {
            "daemonsets" => ["desiredNumberScheduled", "updatedNumberScheduled", "numberAvailable"],
            _ => ["replicas", "updatedReplicas", "availableReplicas"],
        }
    }

    /// Waits until all pods serve, and a revision counts as healthy.
    pub(crate) async fn is_healthy(&self, fleet: &mut Fleet, revision: i64) {
        let (api, path) = (fleet.api.clone(), self.path());
        let (kind, workload) = (self.kind, self.workload);
        let history = format!("/setpoint/v1/namespaces/default/{kind}/{workload}/history");
        let look = async || {
            let status = api.get(&path).await?["status"].clone();
            let all = api.get(&history).await?["revisions"].clone();
            let of = |one: &&Value| one["revision"] == revision && one["healthy"] == true;
            let is_healthy = all.as_array().is_some_and(|all| all.iter().any(|one| of(&one)));
            let is_whole = self.counts().iter().all(|field| status[*field] == self.replicas);
            if is_healthy && is_whole { Ok(()) } else { Err(format!("{status} {all}")) }
        };
        let what = format!("revision {revision} is healthy");
        fleet.house.until(&what, HEALTHY_WITHIN, look).await;
    }

    /// Waits until a revision failed and the one before it runs again; it is said everywhere why.
    pub(crate) async fn went_back(&self, fleet: &mut Fleet, revision: i64, bad: &str) {
        let (api, path) = (fleet.api.clone(), self.path());
        let began = Instant::now();
        let look = async || {
            let web = api.get(&path).await?;
            let image = &web["spec"]["template"]["spec"]["containers"][0]["image"];
            let pinned = condition(&web, "Pinned");
            let is_it = image == "web:1" && pinned.contains("Reverted");
            if is_it { Ok(pinned) } else { Err(format!("{image}: {}", web["status"])) }
        };
        let pinned = fleet.house.until("it goes back", GOES_BACK_WITHIN, look).await;
        println!("{bad}: back after {:?}: {pinned}", began.elapsed());
        let failed = format!("revision {revision} failed: {}", self.why);
        assert!(pinned.contains(&failed), "{pinned}");
        self.is_healthy(fleet, revision + 1).await;

        let status = fleet.verb(&format!("rollout status {}", self.named()));
        assert!(!status.status.success(), "what was asked for does not run: {}", said(&status));
        assert!(said(&status).contains(&failed), "{}", said(&status));
        let history = fleet.does(&format!("rollout history {}", self.named()));
        let number = format!("{revision} ");
        let row = history.lines().find(|line| line.starts_with(&number)).unwrap_or_default();
        assert!(row.contains("failed (") && row.contains(bad), "{history}");
        let events = fleet.api.get("/api/v1/namespaces/default/events").await.expect("events");
        let events = events["items"].as_array().cloned().unwrap_or_default();
        let own = events.iter().filter(|event| event["involvedObject"]["name"] == self.workload);
        let own: Vec<String> = own.map(|event| event["message"].to_string()).collect();
        assert!(own.iter().any(|message| message.contains(&failed)), "no event says it: {own:#?}");
    }

    /// For a while nothing more of the bad image is tried.
    pub(crate) async fn nothing_is_tried(&self, fleet: &Fleet, bad: &str) {
        sleep(A_WHILE).await;
        self.no_more_were_tried(fleet, bad).await;
        let web = fleet.api.get(&self.path()).await.expect("it is there");
        assert_eq!(web["spec"]["template"]["spec"]["containers"][0]["image"], "web:1");
    }

    /// Of the bad image there were no more pods than had to fail.
    pub(crate) async fn no_more_were_tried(&self, fleet: &Fleet, bad: &str) {
        let placements = ledger::values(&fleet.api, "setpoint.placements").await;
        let of_bad = placements.iter().filter(|placement| placement.to_string().contains(bad));
        let mut uids: Vec<String> = of_bad.map(|placement| placement["uid"].to_string()).collect();
        uids.sort();
        uids.dedup();
        assert_eq!(uids.len(), self.failures, "pods of {bad}");
    }
}

/// Load on a workload, and how many of its pods serve meanwhile.
pub(crate) struct Watched {
    load: LoadByClock,
    least: JoinHandle<()>,
    told: Arc<AtomicU64>,
}

impl Watched {
    pub(crate) fn start(fleet: &Fleet, story: &Story, places: Vec<SocketAddr>) -> Watched {
        let load = LoadByClock::start(places, PAGE, ASKED_EVERY, ANSWER_MAX);
        let told = Arc::new(AtomicU64::new(u64::MAX));
        let (api, service, least) = (fleet.api.clone(), story.workload, told.clone());
        let least = tokio::spawn(async move {
            loop {
                let serve = serving(&api, service).await.expect("the API answers");
                least.fetch_min(serve, Ordering::Relaxed);
                sleep(LOOK_EVERY).await;
            }
        });
        Watched { load, least, told }
    }

    /// Ends it; what was answered.
    ///
    /// # Panics
    /// When a request failed, or fewer pods served at some moment.
    pub(crate) async fn ends_well(self, pods_min: u64) -> Told {
        let answered = self.load.ends_without_a_failure().await;
        assert!(!self.least.is_finished(), "nobody looked any more");
        self.least.abort();
        let least = self.told.load(Ordering::Relaxed);
        assert!(least >= pods_min, "at one moment only {least} pods served");
        answered
    }
}

/// How many endpoints of a Service are ready.
async fn serving(api: &Api, service: &str) -> Result<u64, String> {
    let slices = api.get("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices").await?;
    let slices = slices["items"].as_array().cloned().unwrap_or_default();
    let of = |slice: &&Value| slice["metadata"]["labels"]["kubernetes.io/service-name"] == service;
    let endpoints = slices.iter().filter(of).flat_map(|slice| slice["endpoints"].as_array());
    let ready = endpoints.flatten().filter(|endpoint| endpoint["conditions"]["ready"] == true);
    Ok(ready.count() as u64)
}

/// A condition's reason and message.
fn condition(object: &Value, kind: &str) -> String {
    let all = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = all.into_iter().find(|condition| condition["type"] == kind).unwrap_or_default();
    format!("{} {}", found["reason"], found["message"])
}
