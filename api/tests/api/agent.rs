//! What agents say and ask.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::common::{furnish, observed, placement, record, served, server};
use serde_json::json;
use setpoint_api::Change;
use setpoint_schemas::{ConditionStatus, NodeName, NodeReport, PlacementList, PodUid};

const PLACEMENTS: &str = "/setpoint/v1/nodes/n1/placements";

#[tokio::test]
async fn a_node_registers_reports_and_is_refused_what_is_not_its_own() {
    let server = server().await;
    let node = serde_json::to_string(&record("n1")).unwrap();
    let report = NodeReport { observed: vec![observed("p", "n1", true)], snapshot: None };
    let report = serde_json::to_string(&report).unwrap();
    let lease = json!({"node": "n1", "session": "s1", "sequence": 1, "time_ms": 5}).to_string();
    for (method, path, body, code) in [
        ("PUT", "/setpoint/v1/nodes/n1", &*node, 200),
        ("PUT", "/setpoint/v1/nodes/n2", &*node, 400),
        ("PUT", "/setpoint/v1/nodes/N_1", &*node, 400),
        ("PUT", "/setpoint/v1/nodes/n1", "{}", 400),
        ("POST", "/setpoint/v1/nodes/n1/lease", &*lease, 200),
        ("POST", "/setpoint/v1/nodes/n2/lease", &*lease, 400),
        ("POST", "/setpoint/v1/nodes/n1/pods", &*report, 204),
        ("POST", "/setpoint/v1/nodes/n2/pods", &*report, 400),
        ("POST", "/setpoint/v1/nodes/n1/usage", "[]", 204),
    ] {
        let (found, answer) = server.send(method, path, "application/json", body).await;
        assert_eq!(found, code, "{method} {path}: {answer}");
        if code == 200 {
            assert_eq!(answer, json!({"lease_renew_ms": 1_500}), "how often to renew the lease");
        }
    }
    assert_eq!(server.get("/api/v1/nodes/n1").await.0, 200);
    assert_eq!(
        server.get("/api/v1/namespaces/default/pods/p").await.1["status"]["phase"],
        "Running"
    );
}

#[tokio::test]
async fn a_node_says_nothing_of_a_pod_that_is_placed_on_another() {
    let server = server().await;
    furnish(&server).await;
    let report = |pods: &[&str]| {
        let observed = pods.iter().map(|pod| observed(pod, "n2", false)).collect();
        serde_json::to_string(&NodeReport { observed, snapshot: None }).unwrap()
    };
    // `web-1` is placed on n1 and ready there; nobody knows where the others are placed.
    for (pods, code, stands) in [
        (&["orphan-1"][..], 204, "orphan-1"),
        (&["web-1"][..], 422, "web-1"),
        (&["web-1", "orphan-2"][..], 422, "orphan-2"),
    ] {
        let path = "/setpoint/v1/nodes/n2/pods";
        let (found, answer) = server.send("POST", path, "application/json", &report(pods)).await;
        assert_eq!(found, code, "{pods:?}: {answer}");
        if code == 422 {
            let message = answer["message"].as_str().unwrap();
            assert!(message.contains("pod web-1 is placed on node n1"), "{message}");
        }
        let pod = server.get(&format!("/api/v1/namespaces/default/pods/{stands}")).await;
        assert_eq!(pod.0, 200, "{stands}");
    }
    let ready = "/status/containerStatuses/0/ready";
    let (_, pod) = server.get("/api/v1/namespaces/default/pods/web-1").await;
    assert_eq!(pod.pointer(ready), Some(&json!(true)), "{pod}");
}

#[tokio::test]
async fn numbers_that_no_session_reaches_are_refused() {
    let server = server().await;
    for (sequence, time_ms, code) in
        [(0, 0, 204), (-1, 5, 422), (i64::MAX, 5, 422), (1, -1, 422), (1, i64::MAX, 422)]
    {
        let mut pod = observed("p", "n1", true);
        (pod.sequence, pod.time_ms) = (sequence, time_ms);
        let report = NodeReport { observed: vec![pod], snapshot: None };
        let snapshot = json!({"observed": [], "snapshot": {"node": "n1", "session": "s1",
            "sequence": sequence, "time_ms": time_ms, "uids": []}});
        let lease =
            json!({"node": "n1", "session": "s1", "sequence": sequence, "time_ms": time_ms});
        for (path, body) in
            [("pods", serde_json::to_value(&report).unwrap()), ("pods", snapshot), ("lease", lease)]
        {
            let (found, answer) = server.post(&format!("/setpoint/v1/nodes/n1/{path}"), body).await;
            // A renewal that is taken is answered with how often to renew.
            let code = if (path, code) == ("lease", 204) { 200 } else { code };
            assert_eq!(found, code, "{path} {sequence} {time_ms}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_node_that_is_not_ready_is_counted_so_though_it_is_not_lost() {
    let server = server().await;
    furnish(&server).await;
    let mut silent = (*served(record("n2"), false, 7)).clone();
    silent.doubt = Some("nobody is heard".to_owned());
    let mut unready = record("n3");
    unready.conditions[0].status = ConditionStatus::False;
    for node in [Arc::new(silent), served(unready, false, 7), served(record("n4"), true, 7)] {
        let name = node.record.node.clone();
        server.leader.commit(|_| vec![Change::Node(name, Some(node))]);
    }
    let (_, status) = server.get("/setpoint/v1/status").await;
    assert_eq!(status["nodes"], json!({"total": 4, "lost": 1, "notReady": 3}));
}

#[tokio::test]
async fn a_poll_answers_at_once_when_there_is_news_and_otherwise_waits_for_it() {
    let server = server().await;
    furnish(&server).await;
    let list: PlacementList = serde_json::from_value(server.get(PLACEMENTS).await.1).unwrap();
    assert_eq!((list.complete, list.placements.len(), list.fleet.as_str()), (true, 1, "test"));
    let uid = PodUid::parse("web-1").unwrap();
    let begun = Instant::now();
    let path = format!("{PLACEMENTS}?after={}&term={}", list.epoch, list.term);
    let poll = server.get(&path);
    let change = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        // Another node's news is no news.
        server.leader.commit(|epoch| {
            let other = placement("other", "n2", epoch);
            vec![Change::Placement(other.uid.clone(), Some(other))]
        });
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.leader.commit(|_| vec![Change::Placement(uid, None)])
    };
    let ((code, answer), epoch) = tokio::join!(poll, change);
    let list: PlacementList = serde_json::from_value(answer).unwrap();
    assert_eq!((code, list.placements.len(), list.epoch), (200, 0, epoch));
    assert!(begun.elapsed() >= Duration::from_millis(600));
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_model_that_is_not_up_to_date_gives_no_list() {
    let server = server().await;
    furnish(&server).await;
    server.leader.model.set_ready(false);
    for path in [PLACEMENTS, "/api/v1/pods", "/readyz?verbose"] {
        assert_eq!(server.get(path).await.0, 503, "{path}");
    }
    assert_eq!(server.get("/livez").await.0, 200);
}

#[tokio::test]
async fn a_new_term_is_news_to_every_node() {
    let server = server().await;
    furnish(&server).await;
    let path = format!("{PLACEMENTS}?after={}&term=1", server.leader.model.epoch());
    let reign = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        server.leader.model.apply(Vec::new(), 99, 2, 0);
    };
    let ((_, answer), ()) = tokio::join!(server.get(&path), reign);
    assert_eq!((&answer["term"], &answer["epoch"]), (&json!(2), &json!(99)));
}

#[tokio::test]
async fn a_model_that_begins_anew_serves_nothing_that_went_away_meanwhile() {
    let server = server().await;
    furnish(&server).await;
    let list: PlacementList = serde_json::from_value(server.get(PLACEMENTS).await.1).unwrap();
    assert_eq!(list.placements.len(), 1);
    let model = &server.leader.model;
    model.set_ready(false);
    model.begin_anew();
    // Another leader has withdrawn the pod: what is followed anew does not speak of it.
    let node = served(record("n1"), false, 99);
    model.apply(vec![Change::Node(NodeName::parse("n1").unwrap(), Some(node))], 99, 2, 0);
    assert_eq!(server.get(PLACEMENTS).await.0, 503, "it is not complete yet");
    model.set_ready(true);
    let path = format!("{PLACEMENTS}?after={}&term={}", list.epoch, list.term);
    let list: PlacementList = serde_json::from_value(server.get(&path).await.1).unwrap();
    assert_eq!((list.term, list.epoch, list.placements.len()), (2, 99, 0));
    assert_eq!(server.get("/api/v1/namespaces/default/pods/web-1").await.0, 404);
    assert_eq!(server.get("/api/v1/nodes/n1").await.0, 200);
}
