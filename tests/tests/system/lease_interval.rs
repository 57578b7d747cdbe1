//! An engine with a short grace and an agent with its own, longer interval: the agent learns.

use std::time::{Duration, Instant};

use crate::api::Api;
use crate::house::{House, LEADS_WITHIN, alone, free_port};

const READY_WITHIN: Duration = Duration::from_secs(30);
/// Several times the grace: by its own setting the agent would be lost in between.
const LOOKED_FOR: Duration = Duration::from_secs(12);

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_with_a_longer_interval_than_the_grace_is_not_lost() {
    let _alone = alone();
    let (mut house, api) = (House::new(&[]), Api::new(free_port()));
    let short = [
        ("SETPOINT_ENGINE__POLICY__LEASE_RENEW_MS", "1000"),
        ("SETPOINT_ENGINE__POLICY__LEASE_GRACE_MS", "3000"),
    ];
    house.start_engine_with("engine", api.port, &short);
    let long = [
        ("SETPOINT_AGENT__RUNTIME", "process"),
        ("SETPOINT_ENGINE__POLICY__LEASE_RENEW_MS", "6000"),
    ];
    house.start_agent("node-1", &api.base, &long);
    house.leads(&api, LEADS_WITHIN).await;
    house
        .until("the node is ready", READY_WITHIN, async || match doubts(&api).await? {
            (1, none) if none.is_empty() => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
    let said = "the lease is renewed as often as the engine expects";
    assert!(house.said("node-1", said), "the agent says so");
    let began = Instant::now();
    while began.elapsed() < LOOKED_FOR {
        let doubts = doubts(&api).await.expect("it answers");
        assert_eq!(doubts, (1, String::new()), "after {:?}", began.elapsed());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// How many nodes there are, and what is wrong with them.
async fn doubts(api: &Api) -> Result<(usize, String), String> {
    let nodes = api.get("/api/v1/nodes").await?;
    let nodes = nodes["items"].as_array().cloned().unwrap_or_default();
    let status = api.get("/setpoint/v1/status").await?;
    let holds = status["holds"].as_array().cloned().unwrap_or_default();
    let mut wrong: Vec<String> = holds.iter().map(ToString::to_string).collect();
    for node in &nodes {
        let conditions = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let ready = conditions.iter().find(|condition| condition["type"] == "Ready");
        if ready.is_none_or(|ready| ready["status"] != "True") {
            wrong.push(node["status"]["conditions"].to_string());
        }
    }
    Ok((nodes.len(), wrong.join(", ")))
}
