//! A StatefulSet on real processes: identities in order, and none twice, measured by a lock that each
//! holds while it runs.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::api::{Api, deployment};
use crate::house::{House, LEADS_WITHIN, alone, free_port};

const SEEN_WITHIN: Duration = Duration::from_secs(60);
/// The promise of six seconds, its drift, half a grace, and a busy machine's time.
const REPLACED_WITHIN: Duration = Duration::from_secs(60);
const ENGINE: [(&str, &str); 2] = [
    ("SETPOINT_ENGINE__POLICY__LEASE_RENEW_MS", "1000"),
    ("SETPOINT_ENGINE__POLICY__LEASE_GRACE_MS", "4000"),
];
const AGENT: [(&str, &str); 3] = [
    ("SETPOINT_AGENT__RUNTIME", "process"),
    ("SETPOINT_ENGINE__POLICY__LEASE_RENEW_MS", "1000"),
    ("SETPOINT_AGENT__FENCE_MS", "6000"),
];

/// A set of three whose pods each lock a file of their name, and complain where it is locked.
fn set(folder: &Path, revision: &str) -> Value {
    let folder = folder.display();
    let script = format!(
        "exec 9>{folder}/lock-$SETPOINT_POD_NAME; \
         flock -n 9 || echo $SETPOINT_POD_NAME >> {folder}/twice; \
         echo $SETPOINT_POD_NAME $REVISION >> {folder}/began; exec sleep 1000000"
    );
    let mut set = deployment("db", 3);
    set["kind"] = json!("StatefulSet");
    set["spec"]["serviceName"] = json!("db");
    let container = &mut set["spec"]["template"]["spec"]["containers"][0];
    container["command"] = json!(["/bin/sh", "-c", script]);
    container["env"] = json!([{"name": "REVISION", "value": revision}]);
    set
}

fn began(folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("began")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

async fn are_ready(house: &mut House, api: &Api, within: Duration, revision: &str) {
    let folder = house.path.clone();
    house
        .until("three pods are ready", within, async || {
            let pods = api.pods().await?;
            let mut names: Vec<&str> =
                pods.values().filter(|pod| pod.ready).map(|pod| pod.name.as_str()).collect();
            names.sort_unstable();
            let set = api.get("/apis/apps/v1/namespaces/default/statefulsets/db").await?;
            let is_over = set["status"]["currentRevision"] == set["status"]["updateRevision"];
            let is_last = began(&folder).iter().any(|line| *line == format!("db-0 {revision}"));
            match names == ["db-0", "db-1", "db-2"] && is_over && is_last {
                true => Ok(()),
                false => Err(format!("{names:?}, {}", set["status"])),
            }
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn identities_come_in_order_roll_in_reverse_and_survive_a_dead_agent_without_a_twin() {
    let _alone = alone();
    let (mut house, api) = (House::new(&[]), Api::new(free_port()));
    house.start_engine_with("engine", api.port, &ENGINE);
    for node in ["node-1", "node-2"] {
        house.start_agent(node, &api.base, &AGENT);
    }
    house.leads(&api, LEADS_WITHIN).await;
    let folder = house.path.clone();

    api.apply(&[set(&folder, "a")]).await.expect("it is applied");
    are_ready(&mut house, &api, SEEN_WITHIN, "a").await;
    assert_eq!(began(&folder), ["db-0 a", "db-1 a", "db-2 a"], "in order");

    api.apply(&[set(&folder, "b")]).await.expect("it is applied");
    are_ready(&mut house, &api, SEEN_WITHIN, "b").await;
    assert_eq!(began(&folder)[3..], ["db-2 b", "db-1 b", "db-0 b"], "the last first");

    let first = |pods: std::collections::BTreeMap<String, crate::api::Pod>| {
        pods.into_iter().find(|(_, pod)| pod.name == "db-0").expect("it is there")
    };
    let (uid, home) = first(api.pods().await.expect("it answers"));
    // As kill -9; the processes of its pods run on.
    house.kill(&home.node);
    let other = if home.node == "node-1" { "node-2" } else { "node-1" };
    house
        .until("db-0 runs elsewhere", REPLACED_WITHIN, async || {
            let pods = api.pods().await?;
            let moved = pods.iter().find(|(_, pod)| pod.name == "db-0" && pod.ready);
            match moved {
                Some((now, pod)) if *now != uid && pod.node == other => Ok(()),
                other => Err(format!("{:?}", other.map(|(uid, pod)| (uid, &pod.node)))),
            }
        })
        .await;
    let twice = std::fs::read_to_string(folder.join("twice")).unwrap_or_default();
    assert_eq!(twice, "", "no identity ran twice");
}
