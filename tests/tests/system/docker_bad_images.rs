//! Updates to images that are bad, of pods that are Docker containers: they go back by themselves, the Service
//! answers all the while, and what failed is not tried again.
//!
//! Bad in two ways: one cannot be pulled, of the other the program ends at once.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use setpoint_actuator_docker::testing::require_networks;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::api::Api;
use crate::docker_bridged::{Fleet, said};
use crate::docker_images::Image;
use crate::docker_web::{PAGE, image, places, service, web};
use crate::house::{Alone, LOOK_EVERY, alone, free_port};
use crate::ledger;
use crate::load_by_clock::{ANSWER_MAX, LoadByClock, get};

const REPLICAS: u64 = 4;
/// A pod that fails is noticed in seconds; the rest is for a busy machine.
const GOES_BACK_WITHIN: Duration = Duration::from_secs(60);
/// Pods start, and are watched for three seconds then.
const HEALTHY_WITHIN: Duration = Duration::from_secs(120);
/// Long enough for another try, if there were one.
const A_WHILE: Duration = Duration::from_secs(4);
const ASKED_EVERY: Duration = Duration::from_millis(50);
/// As long as a new pod is watched.
const MONITOR: &str = "3s";
const MONITOR_MS: &str = "3000";

/// The image whose program ends at once.
const ENDS: &str = "web:ends";

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_goes_back_from_bad_images_while_its_service_answers() {
    let Some((_alone, mut fleet)) = started().await else { return };
    let manifest = |image: &str| {
        let mut web = web(image, REPLICAS);
        web["metadata"]["annotations"] = json!({
            "setpoint.dev/update-failure-action": "rollback",
            "setpoint.dev/update-monitor-ms": MONITOR_MS,
        });
        web
    };
    fleet.api.apply(&[service()]).await.expect("it is applied");
    let file = fleet.house.path.join("web.json");
    let write = |image: &str| fs::write(&file, manifest(image).to_string()).expect("it is written");
    write("web:1");
    let applied = format!("apply -f {}", file.display());
    fleet.does(&applied);
    let places = places(&mut fleet).await;
    // One pod more than there are, and none fewer.
    let story = Story { workload: "web", pods_min: REPLICAS, failures: 1 };
    story.is_healthy(&mut fleet, 1).await;
    for (revision, bad) in [(2, &*nowhere()), (4, ENDS)] {
        let load = Watched::start(&fleet, &story, places.clone());
        write(bad);
        fleet.does(&applied);
        story.went_back(&mut fleet, revision, bad).await;
        let again = fleet.does(&applied);
        let stays = format!("spec.template stays at revision {}", revision + 1);
        assert!(again.contains(&stays), "{again}");
        story.nothing_is_tried(&mut fleet, bad).await;
        load.ends_well(story.pods_min).await;
    }
    ledger::audit(&fleet.api).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compose_service_goes_back_from_bad_images_while_it_answers() {
    let Some((_alone, mut fleet)) = started().await else { return };
    let port = free_port();
    let file = fleet.house.path.join("compose.yaml");
    let test = ["CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/index.html"];
    let write = |image: &str| {
        let project = json!({"name": "shop", "services": {"web": {
            "image": image,
            "ports": [format!("{port}:8080")],
            "stop_grace_period": "20s",
            "healthcheck": {"test": test, "interval": "1s", "timeout": "10s", "retries": 10},
            "deploy": {
                "replicas": REPLICAS,
                "update_config": {"parallelism": 2, "failure_action": "rollback",
                    "monitor": MONITOR, "max_failure_ratio": 0.3},
                "rollback_config": {"parallelism": 2, "order": "start-first"},
            },
        }}});
        fs::write(&file, project.to_string()).expect("it is written");
    };
    write("web:1");
    let applied = format!("apply -f {}", file.display());
    fleet.does(&applied);
    // Two are stopped first, as Docker has it; one that fails of four would not be more than the ratio.
    let story = Story { workload: "shop-web", pods_min: REPLICAS - 2, failures: 2 };
    story.is_healthy(&mut fleet, 1).await;
    let places = fleet.published(port);
    for at in &places {
        let answers = async || get(*at, PAGE, ANSWER_MAX).await;
        fleet.house.until(&format!("{at} answers"), HEALTHY_WITHIN, answers).await;
    }
    for (revision, bad) in [(2, &*nowhere()), (4, ENDS)] {
        let load = Watched::start(&fleet, &story, places.clone());
        write(bad);
        fleet.does(&applied);
        story.went_back(&mut fleet, revision, bad).await;
        fleet.does(&applied);
        story.nothing_is_tried(&mut fleet, bad).await;
        load.ends_well(story.pods_min).await;
    }
    ledger::audit(&fleet.api).await;
}

/// Two nodes that have a good image, and one whose program ends at once.
async fn started() -> Option<(Alone, Fleet)> {
    if !require_networks() {
        return None;
    }
    let alone = alone();
    let ends = Image { name: ENDS, furnished: String::new(), runs: &["false"] };
    let fleet = Fleet::start(2, &[image("web:1", "one"), ends]).await;
    Some((alone, fleet))
}

/// An image of a registry that is not there.
fn nowhere() -> String {
    format!("127.0.0.1:{}/web:2", free_port())
}

/// What is to become of a workload.
struct Story {
    workload: &'static str,
    /// So many pods serve at every moment.
    pods_min: u64,
    /// So many pods of a bad image are there until it is given up.
    failures: usize,
}

impl Story {
    fn path(&self) -> String {
        format!("/apis/apps/v1/namespaces/default/deployments/{}", self.workload)
    }

    /// Waits until all pods serve, and a revision counts as healthy.
    async fn is_healthy(&self, fleet: &mut Fleet, revision: i64) {
        let (api, path) = (fleet.api.clone(), self.path());
        let history =
            format!("/setpoint/v1/namespaces/default/deployments/{}/history", self.workload);
        let look = async || {
            let status = api.get(&path).await?["status"].clone();
            let all = api.get(&history).await?["revisions"].clone();
            let of = |one: &&Value| one["revision"] == revision && one["healthy"] == true;
            let is_healthy = all.as_array().is_some_and(|all| all.iter().any(|one| of(&one)));
            let is_whole = ["replicas", "updatedReplicas", "availableReplicas"]
                .iter()
                .all(|field| status[*field] == REPLICAS);
            if is_healthy && is_whole { Ok(()) } else { Err(format!("{status} {all}")) }
        };
        let what = format!("revision {revision} is healthy");
        fleet.house.until(&what, HEALTHY_WITHIN, look).await;
    }

    /// Waits until a revision failed and the one before it runs again; it is said everywhere why.
    async fn went_back(&self, fleet: &mut Fleet, revision: i64, bad: &str) {
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
        let failed = format!("revision {revision} failed: {} of", self.failures);
        assert!(pinned.contains(&failed), "{pinned}");
        self.is_healthy(fleet, revision + 1).await;

        let status = fleet.verb(&format!("rollout status deployment/{}", self.workload));
        assert!(!status.status.success(), "what was asked for does not run: {}", said(&status));
        assert!(said(&status).contains(&failed), "{}", said(&status));
        let history = fleet.does(&format!("rollout history deployment/{}", self.workload));
        let number = format!("{revision} ");
        let row = history.lines().find(|line| line.starts_with(&number)).unwrap_or_default();
        assert!(row.contains("failed (") && row.contains(bad), "{history}");
        let events = fleet.api.get("/api/v1/namespaces/default/events").await.expect("events");
        let events = events["items"].as_array().cloned().unwrap_or_default();
        let own = events.iter().filter(|event| event["involvedObject"]["name"] == self.workload);
        let own: Vec<String> = own.map(|event| event["message"].to_string()).collect();
        assert!(own.iter().any(|message| message.contains(&failed)), "no event says it: {own:#?}");
    }

    /// Of the bad image there were no more pods than had to fail, and for a while no more come.
    async fn nothing_is_tried(&self, fleet: &mut Fleet, bad: &str) {
        sleep(A_WHILE).await;
        let placements = ledger::values(&fleet.api, "setpoint.placements").await;
        let of_bad = placements.iter().filter(|placement| placement.to_string().contains(bad));
        let mut uids: Vec<String> = of_bad.map(|placement| placement["uid"].to_string()).collect();
        uids.sort();
        uids.dedup();
        assert_eq!(uids.len(), self.failures, "pods of {bad}");
        let web = fleet.api.get(&self.path()).await.expect("it is there");
        assert_eq!(web["spec"]["template"]["spec"]["containers"][0]["image"], "web:1");
    }
}

/// Load on a workload, and how many of its pods serve meanwhile.
struct Watched {
    load: LoadByClock,
    least: JoinHandle<()>,
    told: Arc<AtomicU64>,
}

impl Watched {
    fn start(fleet: &Fleet, story: &Story, places: Vec<SocketAddr>) -> Watched {
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

    async fn ends_well(self, pods_min: u64) {
        self.load.ends_without_a_failure().await;
        assert!(!self.least.is_finished(), "nobody looked any more");
        self.least.abort();
        let least = self.told.load(Ordering::Relaxed);
        assert!(least >= pods_min, "at one moment only {least} pods served");
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
