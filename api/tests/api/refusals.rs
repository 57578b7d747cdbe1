//! Writes that are refused before the leader is asked.

use serde_json::{Value, json};

use crate::common::{deployment, furnish, server};

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

#[tokio::test]
async fn a_pod_of_a_workload_is_not_changed_as_if_someone_had_asked_for_it() {
    let server = server().await;
    furnish(&server).await;
    let pod = "/api/v1/namespaces/default/pods/web-1";
    let (_, served) = server.get(pod).await;
    let label = r#"{"metadata":{"labels":{"a":"b"}}}"#.to_owned();
    let asked = [
        ("PATCH", "application/merge-patch+json", label),
        ("PUT", "application/json", served.to_string()),
    ];
    for (method, kind, body) in asked {
        let (code, answer) = server.send(method, pod, kind, &body).await;
        let message = answer["message"].as_str().unwrap_or_default();
        assert_eq!((code, message.contains("change that")), (422, true), "{method}: {answer}");
    }
    let log = server.leader.log.lock().unwrap().join("\n");
    assert!(!log.contains("web-1"), "nothing was asked of the leader: {log}");
}

#[tokio::test]
async fn what_is_deleted_by_its_uid_is_never_another_of_its_name() {
    let server = server().await;
    furnish(&server).await;
    let (web, json) = (format!("{DEPLOYMENTS}/web"), "application/json");
    let evicted = "/api/v1/namespaces/default/pods/web-1/eviction";
    let options = |uid: Value| json!({"preconditions": {"uid": uid}});
    let eviction =
        |uid: Value| json!({"metadata": {"name": "web-1"}, "deleteOptions": options(uid)});
    let dry = format!("{web}?dryRun=All");
    let former = || json!("former");
    for (method, path, body) in [
        ("DELETE", &*web, options(former())),
        ("DELETE", &*dry, options(former())),
        ("POST", evicted, eviction(former())),
    ] {
        let (code, answer) = server.send(method, path, json, &body.to_string()).await;
        assert_eq!(
            (code, &answer["reason"]),
            (409, &json!("Conflict")),
            "{method} {path}: {answer}"
        );
        let said = "the UID in the precondition (former) does not match the UID in record (";
        assert!(answer["message"].as_str().unwrap_or_default().contains(said), "{answer}");
    }
    let (code, _) = server.send("DELETE", &web, json, &options(json!(7)).to_string()).await;
    assert_eq!(code, 400);
    assert_eq!(server.leader.log.lock().unwrap().len(), 1, "only the creation was asked");

    let (_, served) = server.get(&web).await;
    let metadata = &served["metadata"];
    let body = options(metadata["uid"].clone()).to_string();
    assert_eq!(server.send("DELETE", &web, json, &body).await.0, 200);
    let asked = server.leader.log.lock().unwrap().last().cloned().unwrap();
    let asked: Value = serde_json::from_str(&asked).unwrap();
    let version = asked["items"][0]["expected_version"].to_string();
    assert_eq!(metadata["resourceVersion"], version, "it was still that one: {asked}");
}

#[tokio::test]
async fn a_key_that_stands_twice_in_a_body_is_refused_by_its_path() {
    let server = server().await;
    server.post(DEPLOYMENTS, deployment("web", 1)).await;
    let web = format!("{DEPLOYMENTS}/web");
    let twice = |object: &Value| {
        object.to_string().replacen("\"replicas\":", "\"replicas\":9,\"replicas\":", 1)
    };
    let (other, whole) = (twice(&deployment("other", 1)), twice(&deployment("web", 2)));
    let applied = twice(&json!({"items": [deployment("web", 2)]}));
    let patch = r#"{"spec":{"replicas":9,"replicas":2}}"#.to_owned();
    let steps = r#"[{"op":"replace","path":"/spec/replicas","value":9,"value":2}]"#.to_owned();
    let asked = [
        ("POST", DEPLOYMENTS, "application/json", other, "spec.replicas"),
        ("PUT", &web, "application/json", whole.clone(), "spec.replicas"),
        ("PATCH", &web, "application/merge-patch+json", patch, "spec.replicas"),
        ("PATCH", &web, "application/json-patch+json", steps, "[0].value"),
        ("PATCH", &web, "application/apply-patch+yaml", whole, "spec.replicas"),
        ("POST", "/setpoint/v1/apply", "application/json", applied, "items[0].spec.replicas"),
    ];
    for (method, path, kind, body, place) in asked {
        let (code, answer) = server.send(method, path, kind, &body).await;
        let wanted = format!("strict decoding error: duplicate field {place:?}");
        assert_eq!((code, &answer["message"]), (400, &json!(wanted)), "{method} {path}: {answer}");
    }
    let yaml = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: 9\n  replicas: 2\n";
    let (code, answer) = server.send("PATCH", &web, "application/apply-patch+yaml", yaml).await;
    assert_eq!(code, 400, "YAML: {answer}");
    assert_eq!(server.get(&web).await.1["spec"]["replicas"], 1, "nothing of it was taken");
}
