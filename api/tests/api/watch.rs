//! Watches: what a client sees, line by line.

use std::sync::Arc;
use std::time::Duration;

use crate::common::{Server, deployment, furnish, observed, placement, server};
use futures::StreamExt;
use serde_json::{Value, json};
use setpoint_api::Change;
use setpoint_schemas::{Action, Decision, PodUid, Resource, samples};

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

/// Reads lines until there are so many, or the stream ends.
async fn lines(
    server: &Server,
    query: &str,
    count: usize,
    meanwhile: impl AsyncFnOnce(),
) -> Vec<Value> {
    let response = server.client.get(format!("{}{query}", server.base)).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let mut stream = response.bytes_stream();
    meanwhile().await;
    let mut text = String::new();
    let read = async {
        while text.matches('\n').count() < count {
            let Some(chunk) = stream.next().await else { break };
            text += std::str::from_utf8(&chunk.unwrap()).unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(10), read).await.expect("the lines come in time");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn told(lines: &[Value]) -> String {
    let line = |line: &Value| {
        let name = line["object"]["metadata"]["name"].as_str().unwrap_or("-").to_owned();
        format!("{} {name}", line["type"].as_str().unwrap())
    };
    lines.iter().map(line).collect::<Vec<_>>().join(", ")
}

#[tokio::test]
async fn a_watch_begins_with_what_there_is_and_goes_on_with_what_changes() {
    let server = server().await;
    server.post(DEPLOYMENTS, deployment("a", 1)).await;
    let seen = lines(&server, &format!("{DEPLOYMENTS}?watch=1"), 4, async || {
        server.post(DEPLOYMENTS, deployment("b", 1)).await;
        let patch = r#"{"spec":{"replicas":2}}"#;
        server
            .send("PATCH", &format!("{DEPLOYMENTS}/b"), "application/merge-patch+json", patch)
            .await;
        server.send("DELETE", &format!("{DEPLOYMENTS}/a"), "application/json", "").await;
    })
    .await;
    assert_eq!(told(&seen), "ADDED a, ADDED b, MODIFIED b, DELETED a");
}

#[tokio::test]
async fn endpoints_of_a_service_are_watched_as_their_pods_change() {
    let server = server().await;
    furnish(&server).await;
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}});
    assert_eq!(server.post("/api/v1/namespaces/default/services", service).await.0, 201);
    let slices = "/apis/discovery.k8s.io/v1/endpointslices";
    let query = format!("{slices}?watch=1&sendInitialEvents=true&resourceVersion=0");
    let seen = lines(&server, &query, 5, async || {
        server.leader.commit(|_| vec![Change::Pod(observed("web-1", "n1", false).into())]);
        let uid = PodUid::parse("web-1").unwrap();
        server.leader.commit(|_| vec![Change::Placement(uid.clone(), None)]);
        server.leader.commit(|_| vec![Change::PodGone(uid)]);
    })
    .await;
    let kinds: Vec<&str> = seen.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["ADDED", "BOOKMARK", "MODIFIED", "MODIFIED", "DELETED"]);
    let endpoint = |line: &Value| line["object"]["endpoints"][0].clone();
    let first = endpoint(&seen[0]);
    assert_eq!(
        (&first["addresses"], &first["nodeName"], &first["targetRef"]["name"]),
        (&json!(["10.0.0.7"]), &json!("n1"), &json!("web-1"))
    );
    assert_eq!(seen[0]["object"]["ports"][0]["port"], 8080);
    let conditions: Vec<Value> =
        [0, 2, 3].map(|line: usize| endpoint(&seen[line])["conditions"].clone()).into();
    let said = |ready: bool, serving: bool, terminating: bool| json!({"ready": ready, "serving": serving, "terminating": terminating});
    let expected = [said(true, true, false), said(false, false, false), said(false, false, true)];
    assert_eq!(conditions, expected);
    let (_, rest) = server.get(slices).await;
    assert_eq!(rest["items"], json!([]), "nothing is left of the pod");
}

#[tokio::test]
async fn a_watch_from_a_version_misses_nothing_and_repeats_nothing() {
    let server = server().await;
    server.post(DEPLOYMENTS, deployment("a", 1)).await;
    let (_, list) = server.get(DEPLOYMENTS).await;
    let version = list["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    server.post(DEPLOYMENTS, deployment("b", 1)).await;
    let query = format!("{DEPLOYMENTS}?watch=1&resourceVersion={version}&timeoutSeconds=1");
    assert_eq!(told(&lines(&server, &query, 9, async || ()).await), "ADDED b");
}

#[tokio::test]
async fn a_watch_that_was_cut_off_within_an_epoch_hears_all_of_it_again() {
    let server = server().await;
    let names = ["web-1", "web-2", "web-3"];
    let place = |name: &str, epoch| {
        Change::Placement(PodUid::parse(name).unwrap(), Some(placement(name, "n1", epoch)))
    };
    let all = server.leader.commit(|epoch| names.map(|name| place(name, epoch)).into());
    let one = server.leader.commit(|epoch| vec![place("web-4", epoch)]);
    let from =
        |epoch: i64| format!("/api/v1/pods?watch=1&resourceVersion={epoch}&timeoutSeconds=1");
    let seen = lines(&server, &from(all), 9, async || ()).await;
    assert_eq!(told(&seen), "ADDED web-1, ADDED web-2, ADDED web-3, ADDED web-4");
    assert_eq!(told(&lines(&server, &from(one), 9, async || ()).await), "");
}

#[tokio::test]
async fn large_objects_come_in_several_pieces_and_none_is_left_out() {
    let server = server().await;
    let map = |name: &str, epoch| {
        let body = json!({"data": {"a": "x".repeat(600 << 10)}}).to_string();
        let resource = Resource {
            api_version: "v1".to_owned(),
            kind: "ConfigMap".to_owned(),
            name: name.to_owned(),
            version: epoch,
            body: body.into(),
            ..samples::desired()
        };
        Change::Resource(resource.key(), Some(Arc::new(resource)))
    };
    let commit = |names: [&str; 4]| {
        server.leader.commit(|epoch| names.map(|name| map(name, epoch)).into());
    };
    commit(["a", "b", "c", "d"]);
    let seen = lines(&server, "/api/v1/configmaps?watch=1", 8, async || {
        commit(["e", "f", "g", "h"]);
    })
    .await;
    let all: Vec<String> = ('a'..='h').map(|name| format!("ADDED {name}")).collect();
    assert_eq!(told(&seen), all.join(", "));
}

#[tokio::test]
async fn another_object_of_a_name_begins_where_the_former_ends() {
    let server = server().await;
    let commit = |uid: &str| {
        server.leader.commit(|epoch| {
            let resource = Resource {
                api_version: "v1".to_owned(),
                kind: "ConfigMap".to_owned(),
                name: "a".to_owned(),
                uid: uid.to_owned(),
                version: epoch,
                ..samples::desired()
            };
            vec![Change::Resource(resource.key(), Some(Arc::new(resource)))]
        })
    };
    let told = |seen: &[Value]| {
        let uid = |line: &Value| line["object"]["metadata"]["uid"].as_str().unwrap().to_owned();
        let line = |line: &Value| format!("{} {}", line["type"].as_str().unwrap(), uid(line));
        seen.iter().map(line).collect::<Vec<_>>().join(", ")
    };
    commit("one");
    let mut second = 0;
    let seen = lines(&server, "/api/v1/configmaps?watch=1", 3, async || {
        second = commit("two");
    })
    .await;
    assert_eq!(told(&seen), "ADDED one, DELETED one, ADDED two");
    // Both have the same version: who was cut off between them hears both again.
    let query = format!("/api/v1/configmaps?watch=1&resourceVersion={second}");
    let seen = lines(&server, &query, 2, async || ()).await;
    assert_eq!(told(&seen), "DELETED one, ADDED two");
}

#[tokio::test]
async fn objects_enter_and_leave_a_watch_by_its_selector() {
    let server = server().await;
    server.post(DEPLOYMENTS, deployment("a", 1)).await;
    let query = format!("{DEPLOYMENTS}?watch=1&labelSelector=tier%3Dfront");
    let label = async |value: Value| {
        let patch = json!({"metadata": {"labels": {"tier": value}}}).to_string();
        server
            .send("PATCH", &format!("{DEPLOYMENTS}/a"), "application/merge-patch+json", &patch)
            .await;
    };
    let seen = lines(&server, &query, 2, async || {
        label(json!("front")).await;
        label(Value::Null).await;
    })
    .await;
    assert_eq!(told(&seen), "ADDED a, DELETED a");
}

#[tokio::test]
async fn a_version_that_is_too_old_is_gone() {
    let server = server().await;
    server.leader.model.set_ready(false);
    server.leader.commit(|_| Vec::new());
    server.leader.model.set_ready(true);
    let (code, body) = server.get(&format!("{DEPLOYMENTS}?watch=1&resourceVersion=1")).await;
    assert_eq!((code, &body["reason"]), (410, &json!("Expired")));
}

#[tokio::test]
async fn a_version_that_does_not_come_is_refused_as_too_large_and_one_that_comes_is_waited_for() {
    let server = server().await;
    server.post(DEPLOYMENTS, deployment("a", 1)).await;
    let impossible = [i64::MAX.to_string(), u64::MAX.to_string()];
    let [signed, unsigned] = impossible.each_ref();
    let reads = [
        format!("{DEPLOYMENTS}?watch=1&resourceVersion={signed}"),
        format!("{DEPLOYMENTS}?resourceVersion={unsigned}"),
        format!("{DEPLOYMENTS}/a?resourceVersion={signed}"),
        format!("/api/v1/events?watch=1&resourceVersion={signed}"),
    ];
    let answers = futures::future::join_all(reads.iter().map(|read| server.get(read))).await;
    for (read, (code, status)) in reads.iter().zip(answers) {
        let cause =
            json!({"reason": "ResourceVersionTooLarge", "message": "Too large resource version"});
        let found = (code, &status["reason"], &status["details"]["causes"][0]);
        assert_eq!(found, (504, &json!("Timeout"), &cause), "{read}: {status}");
    }
    for nonsense in ["-1", "seven"] {
        let (code, _) = server.get(&format!("{DEPLOYMENTS}?resourceVersion={nonsense}")).await;
        assert_eq!(code, 400, "{nonsense}");
    }

    // As from a server that follows another: the version is there soon.
    let soon = server.leader.model.epoch() + 1;
    let path = format!("{DEPLOYMENTS}?resourceVersion={soon}");
    let later = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.leader.commit(|_| Vec::new());
    };
    let ((code, list), ()) = tokio::join!(server.get(&path), later);
    assert_eq!((code, &list["metadata"]["resourceVersion"]), (200, &json!(soon.to_string())));
}

#[tokio::test]
async fn a_watch_that_cannot_go_on_says_so_and_ends() {
    let server = server().await;
    server.post(DEPLOYMENTS, deployment("a", 1)).await;
    let seen = lines(&server, &format!("{DEPLOYMENTS}?watch=1"), 9, async || {
        server.leader.model.set_ready(false);
        server.leader.commit(|_| Vec::new());
        server.leader.model.set_ready(true);
    })
    .await;
    let last = &seen.last().unwrap();
    assert_eq!((&last["type"], &last["object"]["code"]), (&json!("ERROR"), &json!(410)), "{last}");
}

#[tokio::test]
async fn a_watch_of_pods_follows_placement_and_observation() {
    let server = server().await;
    furnish(&server).await;
    let query = "/api/v1/pods?watch=1&fieldSelector=spec.nodeName%3Dn2";
    let uid = PodUid::parse("web-9").unwrap();
    let seen = lines(&server, query, 4, async || {
        server.leader.commit(|epoch| {
            vec![Change::Placement(uid.clone(), Some(placement("web-9", "n2", epoch)))]
        });
        server.leader.commit(|_| vec![Change::Pod(observed("web-9", "n2", true).into())]);
        server.leader.commit(|_| vec![Change::Placement(uid.clone(), None)]);
        server.leader.commit(|_| vec![Change::PodGone(uid.clone())]);
    })
    .await;
    assert_eq!(told(&seen), "ADDED web-9, MODIFIED web-9, MODIFIED web-9, DELETED web-9");
}

#[tokio::test]
async fn decisions_are_watched_as_events_from_a_version_on() {
    let server = server().await;
    let decide = |epoch: i64| {
        let decision = Decision {
            epoch,
            sequence: 0,
            action: Action::Accept,
            pod: String::new(),
            resource: "apps/Deployment/default/web".to_owned(),
            ..setpoint_schemas::samples::decision()
        };
        vec![Change::Decision(std::sync::Arc::new(decision))]
    };
    let first = server.leader.commit(decide);
    let events = "/api/v1/namespaces/default/events?watch=1";
    let query = format!("{events}&fieldSelector=involvedObject.kind%3DDeployment");
    let seen = lines(&server, &query, 1, async || ()).await;
    let name = seen[0]["object"]["metadata"]["name"].as_str().unwrap().to_owned();
    assert_eq!((told(&seen), name.starts_with("web.")), (format!("ADDED {name}"), true));
    let query = format!("{events}&resourceVersion={first}");
    let seen = lines(&server, &query, 1, async || {
        server.leader.commit(decide);
    })
    .await;
    assert_eq!(told(&seen), format!("MODIFIED {name}"), "the same words are the same event");
    assert_eq!(seen[0]["object"]["count"], 2);
    let seen = lines(&server, &query, 1, async || ()).await;
    assert_eq!((told(&seen), &seen[0]["object"]["count"]), (format!("MODIFIED {name}"), &json!(2)));
}

#[tokio::test]
async fn the_end_of_what_there_was_is_marked_when_asked_for() {
    let server = server().await;
    server.post(DEPLOYMENTS, deployment("a", 1)).await;
    let query = format!(
        "{DEPLOYMENTS}?watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan"
    );
    let seen = lines(&server, &query, 2, async || ()).await;
    assert_eq!(told(&seen), "ADDED a, BOOKMARK -");
    assert_eq!(seen[1]["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
}
