//! The routes as tables: what is asked, which code, what is found in the answer.

use crate::common::{Server, T0, deployment, furnish, observed, placement, record, served, server};
use serde_json::{Value, json};
use setpoint_api::{Change, NodeServed, WaitingPod};
use setpoint_schemas::{Action, Decision, NodeName, Placement, PodUid, ResourceKey, ResourceName};
use std::sync::Arc;

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

async fn check_reads(server: &Server, table: &[(&str, u16, &str, Value)]) {
    for (path, code, pointer, wanted) in table {
        let (found, body) = server.get(path).await;
        assert_eq!(found, *code, "{path}: {body}");
        assert_eq!(body.pointer(pointer), Some(wanted), "{path} {pointer}: {body}");
    }
}

#[tokio::test]
async fn reads_answer_as_kubernetes_answers_them() {
    let server = server().await;
    furnish(&server).await;
    check_reads(
        &server,
        &[
            ("/version", 200, "/major", json!("1")),
            ("/api", 200, "/versions/0", json!("v1")),
            ("/apis", 200, "/groups/0/name", json!("apps")),
            ("/apis/apps", 200, "/preferredVersion/version", json!("v1")),
            ("/api/v1", 200, "/resources/0/name", json!("pods")),
            ("/apis/networking.k8s.io/v1", 200, "/resources/0/kind", json!("Ingress")),
            ("/openapi/v2", 200, "/swagger", json!("2.0")),
            (DEPLOYMENTS, 200, "/items/0/metadata/name", json!("web")),
            ("/apis/apps/v1/deployments", 200, "/kind", json!("DeploymentList")),
            ("/apis/apps/v1/namespaces/default/deployments/web", 200, "/spec/replicas", json!(2)),
            (
                "/apis/apps/v1/namespaces/default/deployments/web/scale",
                200,
                "/spec/replicas",
                json!(2),
            ),
            ("/api/v1/namespaces/default/pods/web-1", 200, "/spec/nodeName", json!("n1")),
            ("/api/v1/namespaces/default/pods/web-1", 200, "/status/phase", json!("Running")),
            ("/api/v1/namespaces/default/pods/web-1", 200, "/status/hostIP", json!("127.0.0.1")),
            ("/api/v1/namespaces/default/pods/web-1", 200, "/metadata/uid", json!("web-1")),
            (
                "/api/v1/namespaces/default/pods/web-1",
                200,
                "/metadata/ownerReferences/0/name",
                json!("web"),
            ),
            (
                "/api/v1/namespaces/default/pods/web-1",
                200,
                "/status/containerStatuses/0/restartCount",
                json!(2),
            ),
            ("/api/v1/nodes/n1", 200, "/status/allocatable/cpu", json!("3500m")),
            ("/api/v1/nodes/n1", 200, "/status/requested/cpu", json!("100m")),
            ("/api/v1/nodes/n1", 200, "/status/conditions/0/status", json!("True")),
            ("/api/v1/namespaces/default/pods/none", 404, "/reason", json!("NotFound")),
            ("/api/v1/namespaces/default/pods/web-1/portforward", 501, "/code", json!(501)),
            (
                "/apis/apps/v1/namespaces/default/deployments/none",
                404,
                "/message",
                json!("deployments.apps \"none\" not found"),
            ),
            ("/apis/nowhere/v1/things", 404, "/kind", json!("Status")),
            ("/nowhere", 404, "/reason", json!("NotFound")),
            ("/api/v1/pods?fieldSelector=spec.color%3Dred", 400, "/reason", json!("BadRequest")),
            ("/api/v1/pods?labelSelector=a+b", 400, "/reason", json!("BadRequest")),
            ("/setpoint/v1/status", 200, "/pods/ready", json!(1)),
            ("/setpoint/v1/explain?kind=deploy&name=web", 200, "/kind", json!("Deployment")),
            ("/setpoint/v1/explain?kind=pod&name=missing", 404, "/reason", json!("NotFound")),
            ("/setpoint/v1/log/setpoint.epochs/0?from=3", 200, "/from", json!(3)),
            ("/setpoint/v1/deadletter?limit=7", 200, "/limit", json!(7)),
            ("/setpoint/v1/namespaces/default/deployments/web/history", 200, "/name", json!("web")),
            ("/livez", 200, "", json!("ok")),
            ("/readyz", 200, "", json!("ok")),
        ],
    )
    .await;
}

#[tokio::test]
async fn selectors_and_pages_choose_what_is_listed() {
    let server = server().await;
    furnish(&server).await;
    for name in ["a", "b", "c"] {
        server.post(DEPLOYMENTS, deployment(name, 1)).await;
    }
    for (path, names) in [
        (format!("{DEPLOYMENTS}?labelSelector=app%3Da"), "a"),
        (format!("{DEPLOYMENTS}?labelSelector=app+in+(a,b)"), "a b"),
        (format!("{DEPLOYMENTS}?labelSelector=app!%3Da"), "b c web"),
        (format!("{DEPLOYMENTS}?fieldSelector=metadata.name%3Dc"), "c"),
        (format!("{DEPLOYMENTS}?limit=2"), "a b"),
        (
            "/api/v1/pods?fieldSelector=spec.nodeName%3Dn1,status.phase%3DRunning".to_owned(),
            "web-1",
        ),
        ("/api/v1/pods?fieldSelector=spec.nodeName%3Dn2".to_owned(), ""),
        ("/api/v1/namespaces/other/pods".to_owned(), ""),
    ] {
        assert_eq!(names_in(&server.get(&path).await.1), names, "{path}");
    }
    let (_, first) = server.get(&format!("{DEPLOYMENTS}?limit=3")).await;
    let token = first["metadata"]["continue"].as_str().unwrap();
    let (_, second) = server.get(&format!("{DEPLOYMENTS}?limit=3&continue={token}")).await;
    assert_eq!(names_in(&second), "web");
    assert!(second["metadata"]["continue"].is_null());
}

fn names_in(list: &Value) -> String {
    let items = list["items"].as_array().unwrap();
    let names: Vec<&str> = items.iter().map(|i| i["metadata"]["name"].as_str().unwrap()).collect();
    names.join(" ")
}

#[tokio::test]
async fn every_write_is_read_back_and_every_refusal_has_its_reason() {
    const MERGE: &str = "application/merge-patch+json";
    const STRATEGIC: &str = "application/strategic-merge-patch+json";
    const JSON: &str = "application/json-patch+json";
    const APPLY: &str = "application/apply-patch+yaml";
    let server = server().await;
    let web = format!("{DEPLOYMENTS}/web");
    let scale = format!("{web}/scale");
    let ingress = "/apis/networking.k8s.io/v1/namespaces/default/ingresses";
    let plain = "application/json";
    let whole = deployment("web", 2).to_string();
    let stale = {
        let mut stale = deployment("web", 9);
        stale["metadata"]["resourceVersion"] = json!("1");
        stale.to_string()
    };
    for (method, path, kind, body, code, pointer, wanted) in [
        ("POST", DEPLOYMENTS, plain, &*whole, 201, "/spec/replicas", json!(2)),
        ("POST", DEPLOYMENTS, plain, &*whole, 409, "/reason", json!("AlreadyExists")),
        ("POST", DEPLOYMENTS, plain, "{", 400, "/reason", json!("BadRequest")),
        (
            "POST",
            DEPLOYMENTS,
            plain,
            r#"{"apiVersion":"v1","kind":"Pod"}"#,
            400,
            "/code",
            json!(400),
        ),
        (
            "POST",
            DEPLOYMENTS,
            "application/vnd.kubernetes.protobuf",
            "k8s",
            415,
            "/code",
            json!(415),
        ),
        ("PUT", &web, plain, &*stale, 409, "/reason", json!("Conflict")),
        ("PATCH", &web, MERGE, r#"{"spec":{"replicas":3}}"#, 200, "/spec/replicas", json!(3)),
        ("PATCH", &web, MERGE, r#"{"spec":{"nonsense":1}}"#, 422, "/reason", json!("Invalid")),
        (
            "PATCH",
            &web,
            STRATEGIC,
            r#"{"spec":{"template":{"spec":{"containers":[{"name":"main","image":"x:2"}]}}}}"#,
            200,
            "/spec/template/spec/containers/0/image",
            json!("x:2"),
        ),
        (
            "PATCH",
            &web,
            JSON,
            r#"[{"op":"replace","path":"/spec/replicas","value":4}]"#,
            200,
            "/spec/replicas",
            json!(4),
        ),
        ("PATCH", &web, JSON, r#"[{"op":"remove","path":"/spec/none"}]"#, 422, "/code", json!(422)),
        ("PATCH", &web, "text/plain", "{}", 415, "/code", json!(415)),
        (
            "PATCH",
            &web,
            APPLY,
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 5}",
            200,
            "/spec/replicas",
            json!(5),
        ),
        ("PATCH", &scale, MERGE, r#"{"spec":{"replicas":6}}"#, 200, "/spec/replicas", json!(6)),
        ("PUT", &scale, plain, r#"{"spec":{"replicas":7}}"#, 200, "/spec/replicas", json!(7)),
        ("PUT", &scale, plain, r#"{"spec":{"replicas":-1}}"#, 422, "/reason", json!("Invalid")),
        ("PUT", &scale, plain, r#"{"spec":{"replicas":"3"}}"#, 422, "/reason", json!("Invalid")),
        ("PATCH", &scale, MERGE, r#"{"spec":{"replicas":3.5}}"#, 422, "/reason", json!("Invalid")),
        ("PATCH", &web, MERGE, r#"{"metadata":{"name":"other"}}"#, 400, "/code", json!(400)),
        (
            "PATCH",
            &format!("{web}?dryRun=All"),
            MERGE,
            r#"{"spec":{"replicas":99}}"#,
            200,
            "/spec/replicas",
            json!(99),
        ),
        ("GET", &web, plain, "", 200, "/spec/replicas", json!(7)),
        (
            "POST",
            ingress,
            plain,
            r#"{"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{"name":"i"}}"#,
            201,
            "/metadata/namespace",
            json!("default"),
        ),
        ("DELETE", &web, plain, "", 200, "/status", json!("Success")),
        ("DELETE", &web, plain, "", 404, "/reason", json!("NotFound")),
        ("PUT", &web, plain, &*whole, 404, "/reason", json!("NotFound")),
        ("DELETE", ingress, plain, "", 200, "/items/0/metadata/name", json!("i")),
        ("POST", "/setpoint/v1/nodes/n1/confirm-lost", plain, "", 200, "/accepted", json!(true)),
        (
            "POST",
            "/setpoint/v1/namespaces/default/deployments/web/undo",
            plain,
            r#"{"toRevision":1}"#,
            200,
            "/accepted",
            json!(true),
        ),
    ] {
        let (found, body) = server.send(method, path, kind, body).await;
        assert_eq!(found, code, "{method} {path}: {body}");
        assert_eq!(body.pointer(pointer), Some(&wanted), "{method} {path}: {body}");
    }
}

#[tokio::test]
async fn a_write_to_a_status_changes_nothing_and_is_answered_by_what_is() {
    let server = server().await;
    server.post(DEPLOYMENTS, deployment("web", 2)).await;
    let web = format!("{DEPLOYMENTS}/web");
    let (status, dry) = (format!("{web}/status"), format!("{web}/status?dryRun=All"));
    let asked = server.leader.log.lock().unwrap().len();
    let (_, before) = server.get(&web).await;
    let merge = r#"{"metadata":{"labels":{"a":"b"}},"spec":{"replicas":0},"status":{"note":"x"}}"#;
    let steps = r#"[{"op":"replace","path":"/spec/replicas","value":0}]"#;
    let whole = deployment("web", 9).to_string();
    for (method, path, kind, body) in [
        ("PATCH", &status, "application/merge-patch+json", merge),
        ("PATCH", &status, "application/strategic-merge-patch+json", merge),
        ("PATCH", &status, "application/json-patch+json", steps),
        ("PATCH", &status, "application/apply-patch+yaml", &*whole),
        ("PUT", &status, "application/json", &*whole),
        ("PATCH", &dry, "application/merge-patch+json", merge),
    ] {
        let (code, answer) = server.send(method, path, kind, body).await;
        assert_eq!((code, &answer), (200, &before), "{method} {kind}");
    }
    let none = format!("{DEPLOYMENTS}/none/status");
    let (code, _) = server.send("PATCH", &none, "application/merge-patch+json", merge).await;
    assert_eq!(code, 404);
    assert_eq!(server.get(&web).await.1, before);
    assert_eq!(server.leader.log.lock().unwrap().len(), asked, "nothing was asked of the leader");
}

#[tokio::test]
async fn an_apply_is_all_or_nothing_and_says_what_became_of_each_object() {
    let server = server().await;
    let apply = |items: Value, more: Value| {
        let mut body = json!({"fieldManager": "cli", "items": items});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let map = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "b"}});
    let mut wrong = deployment("bad", 1);
    wrong["spec"]["nonsense"] = json!(1);
    for (body, accepted, results) in [
        (apply(json!([map("one"), wrong.clone()]), json!({})), false, "refused refused"),
        (apply(json!([map("one"), map("one")]), json!({})), false, "refused refused"),
        (apply(json!([map("one")]), json!({"dryRun": true})), true, "created"),
        (apply(json!([map("one"), map("two")]), json!({})), true, "created created"),
        (apply(json!([map("one")]), json!({"dryRun": true})), true, "unchanged"),
        (apply(json!([map("one"), map("two")]), json!({})), true, "unchanged unchanged"),
        (apply(json!([wrong]), json!({"allowIgnored": true})), true, "created"),
        (apply(json!([map("one")]), json!({"prune": {"selector": "app=none"}})), true, "unchanged"),
        (apply(json!([map("one")]), json!({"prune": true})), true, "unchanged deleted deleted"),
    ] {
        let (code, answer) = server.post("/setpoint/v1/apply", body.clone()).await;
        assert_eq!(code, 200, "{answer}");
        let lines = answer["results"].as_array().unwrap();
        let found: Vec<&str> = lines.iter().map(|line| line["result"].as_str().unwrap()).collect();
        assert_eq!(
            (answer["accepted"].as_bool(), &*found.join(" ")),
            (Some(accepted), results),
            "{body}\n{answer}"
        );
    }
    assert_eq!(server.get("/api/v1/configmaps").await.1["items"].as_array().unwrap().len(), 1);
    assert_eq!(server.post("/setpoint/v1/apply", json!({"items": []})).await.0, 400);
}

#[tokio::test]
async fn what_was_allowed_once_is_not_refused_when_something_else_changes() {
    const MERGE: &str = "application/merge-patch+json";
    let server = server().await;
    let (plain, web) = ("application/json", format!("{DEPLOYMENTS}/web"));
    let mut odd = deployment("web", 1);
    odd["spec"]["nonsense"] = json!(1);
    let body = json!({"items": [odd.clone()], "allowIgnored": true});
    assert_eq!(server.post("/setpoint/v1/apply", body).await.1["accepted"], true);
    odd["spec"]["replicas"] = json!(4);
    let applied = json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"nonsense": 5}});
    for (method, kind, body, code) in [
        ("PATCH", MERGE, r#"{"spec":{"replicas":3}}"#, 200),
        ("PUT", plain, &*odd.to_string(), 200),
        ("PATCH", "application/apply-patch+yaml", &*applied.to_string(), 200),
        ("PATCH", MERGE, r#"{"spec":{"nonsense":null}}"#, 200),
        ("PATCH", MERGE, r#"{"spec":{"nonsense":2}}"#, 422),
    ] {
        let (found, answer) = server.send(method, &web, kind, body).await;
        assert_eq!(found, code, "{method} {body}: {answer}");
    }
}

#[tokio::test]
async fn a_dry_run_answers_what_would_be_and_leaves_no_trace() {
    const MERGE: &str = "application/merge-patch+json";
    let server = server().await;
    let (plain, web) = ("application/json", format!("{DEPLOYMENTS}/web?dryRun=All"));
    let (post, scale) = (format!("{DEPLOYMENTS}?dryRun=All"), format!("{DEPLOYMENTS}/web/scale"));
    let whole = deployment("web", 2).to_string();
    let stale = {
        let mut stale = deployment("web", 9);
        stale["metadata"]["resourceVersion"] = json!("1");
        stale.to_string()
    };
    let first = server.send("POST", &post, plain, &whole).await;
    assert_eq!((first.0, &first.1["spec"]["replicas"]), (201, &json!(2)));
    assert_eq!(server.get(&scale).await.0, 404, "it was not created");
    assert_eq!(server.send("POST", DEPLOYMENTS, plain, &whole).await.0, 201);
    for (method, path, kind, body, code, pointer, wanted) in [
        ("POST", &post, plain, &*whole, 409, "/reason", json!("AlreadyExists")),
        ("PUT", &web, plain, &*stale, 409, "/reason", json!("Conflict")),
        ("PATCH", &web, MERGE, r#"{"spec":{"replicas":9}}"#, 200, "/spec/replicas", json!(9)),
        ("PATCH", &web, MERGE, r#"{"spec":{"replicas":2}}"#, 200, "/spec/replicas", json!(2)),
        (
            "PATCH",
            &format!("{scale}?dryRun=All"),
            MERGE,
            r#"{"spec":{"replicas":9}}"#,
            200,
            "/spec/replicas",
            json!(9),
        ),
        ("DELETE", &web, plain, "", 200, "/status", json!("Success")),
        ("GET", &web, plain, "", 200, "/spec/replicas", json!(2)),
    ] {
        let (found, body) = server.send(method, path, kind, body).await;
        assert_eq!(found, code, "{method} {path}: {body}");
        assert_eq!(body.pointer(pointer), Some(&wanted), "{method} {path}: {body}");
    }
    let asked = server.leader.log.lock().unwrap().len();
    assert_eq!(asked, 1, "only the creation reached the log");
}

#[tokio::test]
async fn openapi_says_of_every_kind_that_it_can_be_tried() {
    let server = server().await;
    let (_, document) = server.get("/openapi/v2").await;
    let path = "/apis/apps/v1/namespaces/{namespace}/deployments/{name}";
    let patch = &document["paths"][path]["patch"];
    assert_eq!(patch["parameters"][0]["name"], "dryRun");
    assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], "Deployment");
    let kind = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
    let call = server.client.get(format!("{}/openapi/v2", server.base)).header("accept", kind);
    let bytes = call.send().await.unwrap().bytes().await.unwrap();
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds(path) && holds("dryRun") && holds(r#""kind":"Ingress""#));
}

#[tokio::test]
async fn decisions_are_found_by_the_pods_name_its_uid_and_after_it_is_gone() {
    let server = server().await;
    furnish(&server).await;
    let uid = PodUid::parse("web-1").unwrap();
    let decision = Decision {
        action: Action::Place,
        pod: "uid-9".to_owned(),
        resource: "apps/Deployment/default/web".to_owned(),
        ..setpoint_schemas::samples::decision()
    };
    let named = placement("uid-9", "n1", 2);
    let named = Placement { name: ResourceName::parse("web-9").unwrap(), ..(*named).clone() };
    let nine = PodUid::parse("uid-9").unwrap();
    server.leader.commit(|_| {
        vec![
            Change::Placement(nine.clone(), Some(Arc::new(named))),
            Change::Decision(Arc::new(decision)),
        ]
    });
    server.leader.commit(|_| vec![Change::Placement(uid, None)]);
    server.leader.commit(|_| vec![Change::Placement(nine, None)]);
    for (query, found) in [
        ("pod=web-9", 1),
        ("pod=pod/web-9", 1),
        ("pod=uid-9", 1),
        ("pod=web-9&namespace=default", 1),
        ("pod=web-9&namespace=other", 0),
        ("pod=web-1", 0),
        ("", 1),
    ] {
        let (_, answer) = server.get(&format!("/setpoint/v1/decisions?{query}")).await;
        let decisions = answer["decisions"].as_array().unwrap();
        assert_eq!(decisions.len(), found, "{query}: {answer}");
        assert!(decisions.iter().all(|decision| decision["podName"] == "web-9"), "{answer}");
    }
}

#[tokio::test]
async fn a_dead_letter_is_replayed_or_says_why_not() {
    let server = server().await;
    let replay = |offset: i64| format!("/setpoint/v1/deadletter/setpoint.pods/0/{offset}/replay");
    let (code, body) = server.post(&replay(4), json!({})).await;
    assert_eq!((code, &body["topic"]), (200, &json!("setpoint.pods")));
    let (code, body) = server.post(&replay(5), json!({})).await;
    assert_eq!((code, &body["message"]), (422, &json!("it still cannot be used")));
}

#[tokio::test]
async fn a_body_over_the_bound_is_refused_and_a_panic_is_an_error_like_any_other() {
    let server = server().await;
    let mut large = deployment("large", 1);
    large["metadata"]["annotations"] = json!({"a": "x".repeat(1 << 20)});
    let (code, body) = server.post(DEPLOYMENTS, large.clone()).await;
    assert_eq!((code, &body["reason"]), (413, &json!("RequestEntityTooLarge")));
    assert!(body["message"].as_str().unwrap().contains("1048576 bytes"), "{body}");
    // Small enough as a body, too large as a record with what surrounds it.
    large["metadata"]["annotations"] = json!({"a": "x".repeat((1 << 20) - 250)});
    let (code, body) = server.post(DEPLOYMENTS, large.clone()).await;
    assert_eq!(code, 413, "{} bytes: {body}", large.to_string().len());
    let apply = json!({"items": [large]});
    assert_eq!(server.post("/setpoint/v1/apply", apply).await.0, 413);
    let mut panics = deployment("panics", 1);
    panics["spec"]["panic"] = json!(true);
    let (code, body) = server.post(DEPLOYMENTS, panics).await;
    assert_eq!((code, &body["reason"]), (500, &json!("InternalError")));
    assert_eq!(server.get("/livez").await.0, 200);
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(server.send("POST", DEPLOYMENTS, "application/json", &deep).await.0, 400);
    assert_eq!(server.send("POST", DEPLOYMENTS, "application/yaml", &deep).await.0, 400);
}

#[tokio::test]
async fn a_pod_shows_where_it_stands_from_waiting_to_stopping() {
    let server = server().await;
    furnish(&server).await;
    let pod = "/api/v1/namespaces/default/pods/web-2";
    let uid = PodUid::parse("web-2").unwrap();
    let waiting = Arc::new(WaitingPod {
        nominated: None,
        uid: uid.clone(),
        workload: ResourceKey::parse("apps/Deployment/default/web").unwrap(),
        namespace: "default".to_owned(),
        name: "web-2".to_owned(),
        reason: "Unschedulable".to_owned(),
        message: "0/1 nodes are available: 1 Insufficient cpu".to_owned(),
        since_ms: T0,
    });
    server.leader.commit(|_| vec![Change::Waiting(uid.clone(), Some(waiting))]);
    let (_, seen) = server.get(pod).await;
    assert_eq!(seen["status"]["phase"], "Pending");
    assert_eq!(seen["status"]["conditions"][0]["reason"], "Unschedulable");
    assert_eq!(seen["status"]["message"], "0/1 nodes are available: 1 Insufficient cpu");
    assert_eq!(seen["spec"]["containers"][0]["image"], "busybox:1");
    for list in ["containerStatuses", "initContainerStatuses"] {
        assert_eq!(seen["status"].get(list), None, "nothing speaks of them yet");
    }

    server.leader.commit(|epoch| {
        vec![Change::Placement(uid.clone(), Some(placement("web-2", "n1", epoch)))]
    });
    let (_, seen) = server.get(pod).await;
    assert_eq!(
        seen["status"]["containerStatuses"][0]["state"]["waiting"]["reason"],
        "ContainerCreating"
    );

    server.leader.commit(|_| vec![Change::Pod(observed("web-2", "n1", true).into())]);
    assert_eq!(server.get(pod).await.1["status"]["phase"], "Running");

    server.leader.commit(|_| vec![Change::Placement(uid.clone(), None)]);
    let (_, seen) = server.get(pod).await;
    assert!(seen["metadata"]["deletionTimestamp"].is_string(), "{seen}");
    assert_eq!(seen["metadata"]["labels"]["app"], "web");

    server.leader.commit(|_| vec![Change::PodGone(uid)]);
    assert_eq!(server.get(pod).await.0, 404);
}

#[tokio::test]
async fn a_lost_node_is_unknown_and_a_cordoned_one_says_so() {
    let server = server().await;
    furnish(&server).await;
    let name = NodeName::parse("n1").unwrap();
    server.leader.commit(|epoch| vec![Change::Node(name, Some(served(record("n1"), true, epoch)))]);
    let (_, node) = server.get("/api/v1/nodes/n1").await;
    assert_eq!(node["status"]["conditions"][0]["status"], "Unknown");
    let silent = served(record("n2"), false, 2);
    let doubt = Some("replacements are held: 3 of 6 nodes are silent".to_owned());
    let silent = Arc::new(NodeServed { doubt: doubt.clone(), ..(*silent).clone() });
    let name = NodeName::parse("n2").unwrap();
    server.leader.commit(|_| vec![Change::Node(name, Some(silent.clone()))]);
    let (_, node) = server.get("/api/v1/nodes/n2").await;
    let ready = &node["status"]["conditions"][0];
    let told = [&ready["type"], &ready["status"], &ready["reason"], &ready["message"]];
    assert_eq!(
        told,
        [&json!("Ready"), &json!("Unknown"), &json!("ReplacementsHeld"), &json!(doubt)]
    );
    let cordon = r#"{"spec":{"unschedulable":true}}"#;
    let kind = "application/strategic-merge-patch+json";
    for _ in 0..2 {
        let (code, node) = server.send("PATCH", "/api/v1/nodes/n1", kind, cordon).await;
        assert_eq!((code, &node["spec"]["unschedulable"]), (200, &json!(true)), "{node}");
        assert_eq!(node["status"]["allocatable"]["cpu"], "3500m");
    }
}

#[tokio::test]
async fn a_pod_whose_probe_fails_says_what_failed() {
    let server = server().await;
    furnish(&server).await;
    let mut seen = observed("web-1", "n1", false);
    seen.sequence += 1;
    seen.containers[0].started = false;
    seen.containers[0].message = "Startup probe failed: no".to_owned();
    server.leader.commit(|_| vec![Change::Pod(seen.into())]);
    let (_, pod) = server.get("/api/v1/namespaces/default/pods/web-1").await;
    let container = &pod["status"]["containerStatuses"][0];
    assert_eq!((&container["ready"], &container["started"]), (&json!(false), &json!(false)));
    let ready = &pod["status"]["conditions"][1];
    assert_eq!(
        (&ready["type"], &ready["status"], &ready["reason"]),
        (&json!("Ready"), &json!("False"), &json!("ContainersNotReady"))
    );
    let why = "containers with unready status: [main]; main: Startup probe failed: no";
    assert_eq!(ready["message"], why);
}
