//! A Compose application on real processes whose services wait for each other: for health, and for an end.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::house::{House, beside};

/// A service is placed and started within a second; the machine may be busy.
const SOON: Duration = Duration::from_secs(60);
/// Enough to start what should not start.
const A_WHILE: Duration = Duration::from_secs(3);

/// Each service writes its name when it begins; each goes on when a file is there.
const APPLICATION: &str = r#"
name: shop
services:
  web:
    image: none
    entrypoint: [sh, -c, "echo web >> OUT/order; trap 'exit 0' TERM; while :; do sleep 0.1; done"]
    depends_on:
      db: {condition: service_healthy}
      migrate: {condition: service_completed_successfully}
  migrate:
    image: none
    entrypoint: [sh, -c, "echo migrate >> OUT/order; until [ -e OUT/migrate-goes ]; do sleep 0.1; done"]
    depends_on: {db: {condition: service_healthy}}
  db:
    image: none
    entrypoint: [sh, -c, "echo db >> OUT/order; trap 'exit 0' TERM; while :; do sleep 0.1; done"]
    healthcheck: {test: [CMD, test, -e, OUT/db-goes], interval: 1s, timeout: 1s, retries: 1000}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn services_start_when_those_are_so_far_that_they_depend_on() {
    let _beside = beside();
    let (mut house, api) = House::with_nodes(&[], &["n1"]).await;
    let out = house.path.join("out");
    fs::create_dir(&out).expect("a folder");
    let text = APPLICATION.replace("OUT", &out.display().to_string());
    house.applies(&api.base, "compose.yaml", &text);

    began(&mut house, &out, "db\n").await;
    tokio::time::sleep(A_WHILE).await;
    began(&mut house, &out, "db\n").await;
    fs::write(out.join("db-goes"), "").expect("it is written");
    began(&mut house, &out, "db\nmigrate\n").await;

    let path = "/apis/apps/v1/namespaces/default/deployments/shop-web";
    house
        .until("it says for what it waits", SOON, async || {
            let web = api.get(path).await?;
            let conditions = web["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let waits = conditions.iter().find(|condition| condition["type"] == "Waiting");
            let message = waits.and_then(|waits| waits["message"].as_str()).unwrap_or_default();
            let expected = "waits until Deployment shop-migrate has completed successfully";
            if message == expected { Ok(()) } else { Err(web["status"].to_string()) }
        })
        .await;
    tokio::time::sleep(A_WHILE).await;
    began(&mut house, &out, "db\nmigrate\n").await;
    fs::write(out.join("migrate-goes"), "").expect("it is written");
    began(&mut house, &out, "db\nmigrate\nweb\n").await;

    // What fails later stops nobody who has begun.
    fs::remove_file(out.join("db-goes")).expect("it is removed");
    tokio::time::sleep(A_WHILE).await;
    began(&mut house, &out, "db\nmigrate\nweb\n").await;
    let pods = api.pods().await.expect("it answers");
    let web: Vec<_> = pods.values().filter(|pod| pod.name.starts_with("shop-web")).collect();
    assert!(web.len() == 1 && web[0].ready, "{}", web.len());
}

/// Waits until these have begun, in this order.
async fn began(house: &mut House, out: &Path, order: &str) {
    let look = async || {
        let found = fs::read_to_string(out.join("order")).unwrap_or_default();
        if found == order { Ok(()) } else { Err(found) }
    };
    house.until(&format!("{order:?} have begun"), SOON, look).await;
}
