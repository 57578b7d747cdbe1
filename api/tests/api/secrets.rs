//! Sealed Secrets: the clear text is found only where it may be.

use crate::common::{Server, server};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

const SECRETS: &str = "/api/v1/namespaces/default/secrets";
const CLEAR: &str = "correct-horse-battery";

fn secret(value: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {"name": "db", "annotations": {
            "kubectl.kubernetes.io/last-applied-configuration":
                json!({"stringData": {"password": value}}).to_string(),
        }},
        "stringData": {"password": value},
    })
}

fn leaks(text: &str) -> bool {
    text.contains(CLEAR) || text.contains(&BASE64.encode(CLEAR))
}

/// Everything that was handed to a port.
fn logged(server: &Server) -> String {
    server.leader.log.lock().unwrap().join("\n")
}

#[tokio::test]
async fn a_secret_reaches_the_log_only_sealed_and_its_reader_in_clear() {
    let server = server().await;
    let merge = "application/merge-patch+json";
    let json_patch = "application/json-patch+json";
    let patch = json!({"stringData": {"other": CLEAR}}).to_string();
    let moved =
        json!([{"op": "copy", "from": "/data/password", "path": "/data/again"}]).to_string();
    let applied = json!({"fieldManager": "cli", "items": [secret(CLEAR)]}).to_string();
    let (code, made) = server.post(SECRETS, secret(CLEAR)).await;
    assert_eq!((code, &made["data"]["password"]), (201, &json!(BASE64.encode(CLEAR))));
    for (path, kind, body) in [
        (&*format!("{SECRETS}/db"), merge, &*patch),
        (&*format!("{SECRETS}/db"), json_patch, &*moved),
    ] {
        let (code, answer) = server.send("PATCH", path, kind, body).await;
        assert_eq!(code, 200, "{answer}");
    }
    let (_, read) = server.get(&format!("{SECRETS}/db")).await;
    for key in ["password", "other", "again"] {
        assert_eq!(read["data"][key], BASE64.encode(CLEAR), "{key}");
    }
    let before = server.leader.model.epoch();
    let (_, answer) = server.send("POST", "/setpoint/v1/apply", "application/json", &applied).await;
    assert_eq!(answer["results"][0]["result"], "unchanged", "equal values seal equal");
    assert_eq!(server.leader.model.epoch(), before + 1);
    assert!(!leaks(&answer.to_string()), "{answer}");
    assert!(!leaks(&logged(&server)), "{}", logged(&server));
    assert!(logged(&server).contains("sealed:v1:"));
}

#[tokio::test]
async fn no_error_and_no_other_answer_holds_the_clear_text() {
    let server = server().await;
    server.post(SECRETS, secret(CLEAR)).await;
    let not_base64 = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"},
        "data": {"k": format!("{CLEAR}!")}});
    let refused = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"},
        "stringData": {"refused": CLEAR}});
    let number = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"},
        "stringData": {"k": {"v": CLEAR}}});
    for body in [not_base64, refused, number] {
        let (code, answer) = server.post(SECRETS, body.clone()).await;
        assert_eq!(code, 422, "{answer}");
        assert!(!leaks(&answer.to_string()), "{answer}");
        let (_, answer) = server.post("/setpoint/v1/apply", json!({"items": [body]})).await;
        assert_eq!(answer["accepted"], false);
        assert!(!leaks(&answer.to_string()), "{answer}");
    }
    let broken = format!("{{\"kind\":\"Secret\",\"stringData\":{{\"a\":\"{CLEAR}\"");
    for path in [SECRETS, "/setpoint/v1/apply"] {
        let (code, answer) = server.send("POST", path, "application/json", &broken).await;
        assert_eq!(code, 400);
        assert!(!leaks(&answer.to_string()), "{answer}");
    }
    let wrong = json!({"items": CLEAR, "force": CLEAR});
    assert!(!leaks(&server.post("/setpoint/v1/apply", wrong).await.1.to_string()));
    for path in [
        "/setpoint/v1/decisions",
        "/setpoint/v1/status",
        "/setpoint/v1/explain?kind=secret&name=db",
        "/setpoint/v1/log/setpoint.desired/0",
        "/setpoint/v1/deadletter",
        "/metrics",
        "/api/v1/events",
        "/api/v1/configmaps",
        "/api/v1/pods",
        "/api/v1/namespaces",
        "/readyz?verbose",
    ] {
        let (_, answer) = server.get(path).await;
        assert!(!leaks(&answer.to_string()), "{path}: {answer}");
    }
    assert!(!leaks(&logged(&server)));
}
