//! Updates of sets to images that are bad, of pods that are Docker containers: they go back by themselves, by a
//! deadline or by how their new pods begin, while the good pods answer; and a good image goes through then.

use std::fs;

use serde_json::{Value, json};
use setpoint_actuator_docker::testing::require_networks;

use crate::docker_bridged::Fleet;
use crate::docker_reverts::{ENDS, Story, Watched, ends, nowhere};
use crate::docker_web::{image, places, service, web};
use crate::house::alone;
use crate::ledger;

const REPLICAS: u64 = 2;
/// Several times as long as the next pod takes on a busy machine.
const DEADLINE: (&str, &str) = ("update-deadline-ms", "10000");
/// A program that ends at once does so sooner.
const MONITOR: (&str, &str) = ("update-monitor-ms", "2000");

#[tokio::test(flavor = "multi_thread")]
async fn a_stateful_set_goes_back_from_a_bad_image_and_on_to_a_good_one() {
    if !require_networks() {
        return;
    }
    let _alone = alone();
    let mut fleet = Fleet::start(1, &[image("web:1", "one"), image("web:2", "two")]).await;
    // The pod whose image cannot be pulled never becomes ready: the next one waits for it.
    let story = story("statefulsets", "it made no progress for 10 s");
    let set = |image: &str| {
        let mut set = watched("StatefulSet", image, DEADLINE);
        set["spec"]["serviceName"] = json!("web");
        set["spec"]["replicas"] = json!(REPLICAS);
        set
    };
    goes_back_and_on(&mut fleet, &story, &nowhere(), &set).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_set_goes_back_from_a_bad_image_and_on_to_a_good_one() {
    if !require_networks() {
        return;
    }
    let _alone = alone();
    let images = [image("web:1", "one"), image("web:2", "two"), ends()];
    let mut fleet = Fleet::start(2, &images).await;
    let story = story("daemonsets", "1 of");
    let set = |image: &str| watched("DaemonSet", image, MONITOR);
    goes_back_and_on(&mut fleet, &story, ENDS, &set).await;
}

/// A set of which one pod is replaced at a time.
fn story(kind: &'static str, why: &str) -> Story {
    let (workload, pods_min, why) = ("web", REPLICAS - 1, why.to_owned());
    Story { kind, workload, replicas: REPLICAS, pods_min, failures: 1, why }
}

/// A set of the web server in this image whose failed updates go back, judged by this.
fn watched(kind: &str, image: &str, by: (&str, &str)) -> Value {
    let mut set = web(image, REPLICAS);
    set["kind"] = json!(kind);
    let back = ("update-failure-action", "rollback");
    for (name, value) in [back, by] {
        set["metadata"]["annotations"][format!("setpoint.dev/{name}")] = json!(value);
    }
    let spec = set["spec"].as_object_mut().expect("a spec");
    for of_deployments in ["strategy", "replicas"] {
        spec.remove(of_deployments);
    }
    set
}

async fn goes_back_and_on(
    fleet: &mut Fleet,
    story: &Story,
    bad: &str,
    set: &dyn Fn(&str) -> Value,
) {
    let file = fleet.house.path.join("web.json");
    let applied = format!("apply -f {}", file.display());
    let write = |image: &str| fs::write(&file, set(image).to_string()).expect("it is written");
    fleet.api.apply(&[service()]).await.expect("it is applied");
    write("web:1");
    fleet.does(&applied);
    let places = places(fleet).await;
    story.is_healthy(fleet, 1).await;

    let load = Watched::start(fleet, story, places);
    write(bad);
    fleet.does(&applied);
    story.went_back(fleet, 2, bad).await;
    let again = fleet.does(&applied);
    assert!(again.contains("spec.template stays at revision 3"), "{again}");

    write("web:2");
    fleet.does(&applied);
    let status = fleet.does(&format!("rollout status {}", story.named()));
    assert!(status.contains("successfully rolled out"), "{status}");
    story.is_healthy(fleet, 4).await;
    story.no_more_were_tried(fleet, bad).await;
    let told = load.ends_well(story.pods_min).await;
    for version in ["one end", "two end"] {
        assert!(told.answers.contains_key(version), "no {version:?}: {:?}", told.answers);
    }
    ledger::audit(&fleet.api).await;
}
