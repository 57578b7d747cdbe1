//! A real Docker Engine that Setpoint does not manage: shown, and never acted upon.

use std::time::Duration;

use serde_json::{Value, json};
use setpoint_actuator_docker::testing::require;

use crate::api::{Api, deployment};
use crate::docker_engines::Node;
use crate::house::{House, alone, free_port};
use crate::ledger;

const WATCHED: &str = "legacy";
const LEADS_WITHIN: Duration = Duration::from_secs(20);
/// One event and one report, on a busy machine.
const SEEN_WITHIN: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_is_not_ours_is_shown_and_left_alone() {
    if !require() {
        return;
    }
    let _alone = alone();
    let mut engine = Node::start(WATCHED).await;
    let mut house = House::new(&[
        ("SETPOINT_ENGINE__POLICY__LEASE_RENEW_MS", "1000"),
        ("SETPOINT_ENGINE__POLICY__LEASE_GRACE_MS", "3000"),
    ]);
    let port = free_port();
    let api = Api::new(port);
    let redis = engine.run_beside("redis", &[]).await;
    let db = engine.run_beside("db", &[("com.docker.compose.project", "shop")]).await;
    let since = engine.started(&redis).await;
    house.start_engine("engine", port);
    house.leads(&api, LEADS_WITHIN).await;
    house.start_agent("node-1", &api.base, &[("SETPOINT_AGENT__RUNTIME", "process")]);
    start_watcher(&mut house, &api, &engine);
    shows(&mut house, &api, &["docker/redis-legacy", "shop/db-legacy"]).await;
    let pod = api.get("/api/v1/namespaces/docker/pods/redis-legacy").await.expect("it is shown");
    assert_eq!(pod["spec"]["nodeName"], WATCHED);
    assert_eq!(pod["metadata"]["labels"]["setpoint.dev/watched"], "true");
    assert_eq!(pod["status"]["containerStatuses"][0]["containerID"], redis.as_str());
    let node = api.get(&format!("/api/v1/nodes/{WATCHED}")).await.expect("it is a node");
    assert_eq!(node["spec"]["unschedulable"], true);

    nothing_is_placed_there(&mut house, &api).await;

    // What comes and goes is seen; also across an outage of the engine and of the watcher.
    let late = engine.run_beside("late", &[]).await;
    let all = ["docker/late-legacy", "docker/redis-legacy", "shop/db-legacy"];
    shows(&mut house, &api, &all).await;
    house.kill("engine");
    house.start_engine("engine", port);
    house.leads(&api, LEADS_WITHIN).await;
    shows(&mut house, &api, &all).await;
    house.kill(WATCHED);
    engine.remove(&late).await;
    start_watcher(&mut house, &api, &engine);
    shows(&mut house, &api, &["docker/redis-legacy", "shop/db-legacy"]).await;
    engine.remove(&db).await;
    shows(&mut house, &api, &["docker/redis-legacy"]).await;

    assert_eq!(engine.started(&redis).await, since, "nobody touched it");
    nothing_was_decided(&api).await;
    engine.engine.stop();
}

fn start_watcher(house: &mut House, api: &Api, node: &Node) {
    let host = node.engine.host();
    let settings = [
        ("SETPOINT_AGENT__RUNTIME", "docker"),
        ("SETPOINT_AGENT__DOCKER__WATCH", "true"),
        ("SETPOINT_AGENT__DOCKER__HOST", &host),
    ];
    house.start_agent(WATCHED, &api.base, &settings);
}

/// Waits until exactly these pods of the watched node are shown, and run.
async fn shows(house: &mut House, api: &Api, names: &[&str]) {
    let look = async || {
        let pods = api.get("/api/v1/pods?labelSelector=setpoint.dev/watched%3Dtrue").await?;
        let items = pods["items"].as_array().cloned().unwrap_or_default();
        let text =
            |pod: &Value, field: &str| pod["metadata"][field].as_str().unwrap_or("").to_owned();
        let name = |pod: &Value| format!("{}/{}", text(pod, "namespace"), text(pod, "name"));
        let runs = |pod: &Value| pod["status"]["phase"] == "Running";
        let mut shown: Vec<String> = items.iter().filter(|pod| runs(pod)).map(name).collect();
        shown.sort();
        if shown == names { Ok(()) } else { Err(format!("{shown:?} are shown")) }
    };
    house.until("the watched pods are shown", SEEN_WITHIN, look).await;
}

/// Neither the pods of a Deployment nor of a DaemonSet that bears every taint come to its node.
async fn nothing_is_placed_there(house: &mut House, api: &Api) {
    let mut daemons = deployment("daemons", 1);
    daemons["kind"] = json!("DaemonSet");
    daemons["spec"].as_object_mut().expect("a spec").remove("replicas");
    daemons["spec"]["template"]["spec"]["tolerations"] = json!([{"operator": "Exists"}]);
    api.apply(&[deployment("web", 3), daemons]).await.expect("it is applied");
    let placed = async || {
        let pods = api.pods().await?;
        let ours: Vec<_> = pods.values().filter(|p| p.node != WATCHED && p.ready).collect();
        if ours.len() == 4 { Ok(pods) } else { Err(format!("{pods:?}")) }
    };
    let pods = house.until("the workloads run beside it", SEEN_WITHIN, placed).await;
    let names =
        |pod: &&crate::api::Pod| pod.name.starts_with("web-") || pod.name.starts_with("daemons-");
    let ours: Vec<_> = pods.values().filter(names).collect();
    assert!(ours.iter().all(|pod| pod.node != WATCHED), "{ours:?}");
}

/// The log has no placement and no decision that speaks of a watched pod.
async fn nothing_was_decided(api: &Api) {
    let of_docker = |value: &Value, field: &str| {
        value[field].as_str().is_some_and(|uid| uid.starts_with("docker-"))
    };
    for (topic, field) in [("setpoint.decisions", "pod"), ("setpoint.placements", "uid")] {
        let values = ledger::values(api, topic).await;
        assert!(!values.is_empty(), "{topic} has records");
        let about: Vec<_> = values.iter().filter(|value| of_docker(value, field)).collect();
        assert!(about.is_empty(), "{topic} speaks of watched pods: {about:?}");
    }
}
