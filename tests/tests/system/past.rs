//! The past, asked of the real program: what was is told, and what was decided is decided again.

use serde_json::Value;

use crate::api::deployment;
use crate::house::{House, beside};

fn epoch(house: &House, server: &str) -> String {
    let status = house.does(server, "status -o json");
    let status: Value = serde_json::from_str(&status).expect("it is JSON");
    status["epoch"].to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_decision_is_decided_again_and_what_was_deleted_is_known() {
    let _beside = beside();
    let (mut house, api) = House::with_nodes(&[], &["n1"]).await;
    let server = api.base.clone();
    api.apply(&[deployment("web", 2)]).await.expect("it is applied");
    house.does(&server, "wait deployment/web --for=condition=Available --timeout 60s");
    let then = epoch(&house, &server);
    house.does(&server, "delete deployment/web");
    assert!(!house.verb(&server, "get deployment web").status.success(), "it is gone");

    let shown = house.does(&server, &format!("get deployment web --at {then} -o json"));
    let shown: Value = serde_json::from_str(&shown).expect("it is JSON");
    assert_eq!(shown["status"]["availableReplicas"], 2, "{shown}");
    let told = house.does(&server, &format!("explain deployment/web --at {then}"));
    assert!(told.contains("settled"), "{told}");

    let compared = |text: String| {
        let replayed: Value = serde_json::from_str(&text).expect("it is JSON");
        assert_eq!(replayed["divergence"], Value::Null, "{replayed}");
        assert_eq!(replayed["compared"]["gone"], 0, "{replayed}");
        replayed["compared"]["decisions"].as_u64().unwrap_or_default()
    };
    let running = compared(house.does(&server, "replay --verify -o json"));
    assert!(running >= 5, "accepted twice, placed two, stopped two: {running}");
    let later = compared(house.does(&server, &format!("replay --from {then} --verify -o json")));
    assert!((1..running).contains(&later), "{later} of {running}");
    house.kill("engine");
    let refused = house.verb(&server, "replay --verify");
    assert_eq!(refused.status.code(), Some(1), "nobody answers");
}
