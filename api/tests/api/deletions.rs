//! Deletions: what is asked for, how it reaches the leader, and what is answered.

use serde_json::{Value, json};

use crate::common::{Server, server};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// A server with a ConfigMap that a finalizer holds and one that nothing does.
async fn furnished() -> Server {
    let server = server().await;
    for (name, finalizers) in [("held", json!(["x.y/z"])), ("free", Value::Null)] {
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": "default", "finalizers": finalizers}});
        let (code, body) = server.post(MAPS, map).await;
        assert_eq!(code, 201, "{body}");
    }
    server
}

async fn delete(server: &Server, path: &str, options: &str) -> (u16, Value) {
    server.send("DELETE", &format!("{MAPS}/{path}"), "application/json", options).await
}

/// The options of the last deletion, as the leader reads them.
fn asked(server: &Server) -> String {
    let log = server.leader.log.lock().unwrap();
    let last: Value = serde_json::from_str(log.last().unwrap()).unwrap();
    last["items"][0]["body"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_is_held_is_answered_as_it_stays_and_what_is_gone_with_a_word() {
    let server = furnished().await;
    let (code, object) = delete(&server, "held", "").await;
    assert_eq!((code, &object["kind"]), (200, &json!("ConfigMap")), "{object}");
    assert!(object["metadata"]["deletionTimestamp"].is_string(), "{object}");
    assert_eq!(object["metadata"]["deletionGracePeriodSeconds"], 0);
    let (code, status) = delete(&server, "free", "").await;
    assert_eq!((code, &status["kind"]), (200, &json!("Status")), "{status}");
}

#[tokio::test]
async fn the_leader_is_told_what_becomes_of_what_is_owned() {
    for (path, options, expected) in [
        ("free", "", ""),
        ("free", r#"{"propagationPolicy": "Foreground"}"#, r#"{"propagationPolicy":"Foreground"}"#),
        ("free?propagationPolicy=Orphan", "", r#"{"propagationPolicy":"Orphan"}"#),
        ("free", r#"{"orphanDependents": true}"#, r#"{"propagationPolicy":"Orphan"}"#),
        ("free?orphanDependents=false", "", r#"{"propagationPolicy":"Background"}"#),
    ] {
        let server = furnished().await;
        let (code, body) = delete(&server, path, options).await;
        assert_eq!((code, asked(&server).as_str()), (200, expected), "{path} {options}: {body}");
    }
}

#[tokio::test]
async fn wishes_that_are_not_known_or_said_twice_are_refused() {
    let server = furnished().await;
    for (options, word) in [
        (r#"{"propagationPolicy": "Later"}"#, "Unsupported value: \"Later\""),
        (r#"{"propagationPolicy": "Orphan", "orphanDependents": true}"#, "cannot be both set"),
    ] {
        let (code, status) = delete(&server, "free", options).await;
        assert_eq!((code, &status["reason"]), (422, &json!("Invalid")), "{status}");
        assert!(status["message"].as_str().unwrap().contains(word), "{status}");
    }
}
