//! Updates to images that are bad, of pods that are Docker containers: they go back by themselves, the Service
//! answers all the while, and what failed is not tried again.
//!
//! Bad in two ways: one cannot be pulled, of the other the program ends at once.

use std::fs;

use serde_json::json;
use setpoint_actuator_docker::testing::require_networks;

use crate::docker_bridged::Fleet;
use crate::docker_reverts::{ENDS, HEALTHY_WITHIN, Story, Watched, ends, nowhere};
use crate::docker_web::{PAGE, image, places, service, web};
use crate::house::{Alone, alone, free_port};
use crate::ledger;
use crate::load_by_clock::{ANSWER_MAX, get};

const REPLICAS: u64 = 4;
/// As long as a new pod is watched.
const MONITOR: &str = "3s";
const MONITOR_MS: &str = "3000";

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
    let story = story("web", REPLICAS, 1);
    story.is_healthy(&mut fleet, 1).await;
    for (revision, bad) in [(2, &*nowhere()), (4, ENDS)] {
        let load = Watched::start(&fleet, &story, places.clone());
        write(bad);
        fleet.does(&applied);
        story.went_back(&mut fleet, revision, bad).await;
        let again = fleet.does(&applied);
        let stays = format!("spec.template stays at revision {}", revision + 1);
        assert!(again.contains(&stays), "{again}");
        story.nothing_is_tried(&fleet, bad).await;
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
    let story = story("shop-web", REPLICAS - 2, 2);
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
        story.nothing_is_tried(&fleet, bad).await;
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
    let fleet = Fleet::start(2, &[image("web:1", "one"), ends()]).await;
    Some((alone, fleet))
}

/// A Deployment that fails as soon as so many of its new pods did.
fn story(workload: &'static str, pods_min: u64, failures: usize) -> Story {
    let why = format!("{failures} of");
    Story { kind: "deployments", workload, replicas: REPLICAS, pods_min, failures, why }
}
