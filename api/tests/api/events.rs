//! Events: those that say the same are one, and the log knows those that are no longer kept.

use std::sync::Arc;

use serde_json::{Value, json};
use setpoint_api::{Change, DECISIONS_KEPT_MAX};
use setpoint_schemas::{Action, Decision, samples};

use crate::common::{Server, T0, server};

const OF_WEB: &str = "/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dweb";

fn decision(epoch: i64, sequence: i32, resource: &str, reason: &str) -> Change {
    Change::Decision(Arc::new(Decision {
        epoch,
        sequence,
        time_ms: T0 + epoch * 1_000,
        action: Action::Wait,
        pod: String::new(),
        resource: resource.to_owned(),
        node: String::new(),
        reason: reason.to_owned(),
        ..samples::decision()
    }))
}

async fn listed(server: &Server, path: &str) -> Vec<Value> {
    let (code, list) = server.get(path).await;
    assert_eq!(code, 200, "{list}");
    list["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn decisions_that_say_the_same_of_one_object_are_one_event() {
    let server = server().await;
    let web = "apps/Deployment/default/web";
    for reason in ["no room", "no room", "another", "no room"] {
        server.leader.commit(|epoch| vec![decision(epoch, 0, web, reason)]);
    }
    server.leader.commit(|epoch| vec![decision(epoch, 0, "apps/Deployment/default/db", "no room")]);
    let told: Vec<Value> = listed(&server, OF_WEB)
        .await
        .iter()
        .map(|e| json!([e["message"], e["count"], e["firstTimestamp"], e["lastTimestamp"]]))
        .collect();
    let time = |epoch: i64| format!("2023-11-14T22:13:{:02}Z", 20 + epoch);
    assert_eq!(
        told,
        [json!(["no room", 3, time(2), time(5)]), json!(["another", 1, time(4), time(4)])]
    );
    let all = listed(&server, "/api/v1/namespaces/default/events").await;
    assert_eq!(all.len(), 3, "another object's is another event");
    let series = &all.iter().find(|e| e["count"] == 3).unwrap()["series"];
    assert_eq!(series["lastObservedTime"], "2023-11-14T22:13:25.000000Z");
}

#[tokio::test]
async fn what_is_no_longer_kept_of_an_object_is_read_from_the_log() {
    let server = server().await;
    let web = "apps/Deployment/default/web";
    server.leader.commit(|epoch| vec![decision(epoch, 0, web, "no room")]);
    let messages = async || -> Vec<String> {
        let events = listed(&server, OF_WEB).await;
        events.iter().map(|e| e["message"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(messages().await, ["no room"], "all there was is kept");
    server.leader.commit(|epoch| {
        let other =
            |n: usize| decision(epoch, i32::try_from(n).unwrap(), "apps/Deployment/a/x", "no");
        (0..DECISIONS_KEPT_MAX).map(other).collect()
    });
    assert_eq!(messages().await, ["long ago"], "the ledger of the log has it");
    let other = listed(&server, &OF_WEB.replace("web", "db")).await;
    assert_eq!(other, Vec::<Value>::new(), "and nothing of what was not asked for");
}

#[tokio::test]
async fn what_was_decided_before_a_server_began_is_read_from_the_log() {
    let server = server().await;
    let web = "apps/Deployment/default/web";
    server.leader.commit(|epoch| vec![decision(epoch, 0, web, "no room")]);
    server.leader.model.lacks_earlier_decisions();
    let events = listed(&server, OF_WEB).await;
    let mut messages: Vec<&str> = events.iter().filter_map(|e| e["message"].as_str()).collect();
    messages.sort_unstable();
    assert_eq!(messages, ["long ago", "no room"]);
}
