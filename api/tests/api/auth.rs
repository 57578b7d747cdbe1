//! TLS, tokens and the three roles.

use crate::common::{Leader, Server, furnish, record, server, server_with, state};
use serde_json::json;
use setpoint_api::{ServeError, ServeOptions, TlsFiles, serve};
use tokio_util::sync::CancellationToken;

const TOKENS: &str = "admin-admin-admin-1,ada,admin\nreader-reader-reader,rob,read-only\n\
                      node-one-node-one-1,n1,node,n1\nnode-two-node-two-2,n2,node,n2\n";
pub(crate) const ADMIN: &str = "admin-admin-admin-1";
const READER: &str = "reader-reader-reader";
const NODE: &str = "node-one-node-one-1";
const OTHER: &str = "node-two-node-two-2";

async fn guarded(folder: &tempfile::TempDir) -> Server {
    let (tls, tokens) = guards(folder);
    server_with(Some(tls), Some(tokens)).await
}

/// A certificate with its key, and a file of tokens.
pub(crate) fn guards(folder: &tempfile::TempDir) -> (TlsFiles, std::path::PathBuf) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(path("key.pem"), made.signing_key.serialize_pem()).unwrap();
    std::fs::write(path("tokens"), TOKENS).unwrap();
    let tls = TlsFiles { certificate: path("cert.pem"), key: path("key.pem") };
    (tls, path("tokens"))
}

async fn code_of(server: &Server, method: &str, path: &str, token: &str, body: &str) -> u16 {
    let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
    let mut call = server.client.request(method, format!("{}{path}", server.base));
    if !token.is_empty() {
        call = call.bearer_auth(token);
    }
    let kind = if body.starts_with("{\"spec\"") {
        "application/merge-patch+json"
    } else {
        "application/json"
    };
    let response = call.header("content-type", kind).body(body.to_owned()).send().await.unwrap();
    let code = response.status().as_u16();
    if code >= 400 {
        let status: serde_json::Value = response.json().await.unwrap();
        assert_eq!(status["kind"], "Status", "{path}");
        assert!(!status.to_string().contains(TOKENS.split(',').next().unwrap()));
    }
    code
}

#[tokio::test]
async fn each_role_may_do_what_it_may_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let server = guarded(&folder).await;
    let secret = |name: &str| {
        json!({"apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": name}, "stringData": {"a": "b"}})
        .to_string()
    };
    let web = crate::common::deployment("web", 1).to_string();
    let node = serde_json::to_string(&record("n1")).unwrap();
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    let secrets = "/api/v1/namespaces/default/secrets";
    let pod = "/api/v1/namespaces/default/pods/web-1";
    for (method, path, body) in [
        ("POST", deployments, &*web),
        ("POST", secrets, &*secret("mounted")),
        ("POST", secrets, &*secret("hidden")),
    ] {
        assert_eq!(code_of(&server, method, path, ADMIN, body).await, 201);
    }
    server.leader.commit(|epoch| {
        let placed = crate::common::placement("web-1", "n1", epoch);
        vec![setpoint_api::Change::Placement(placed.uid.clone(), Some(placed))]
    });
    let mounted = format!("{secrets}/mounted");
    let hidden = format!("{secrets}/hidden");
    let scaled = format!("{deployments}/web");
    let patch = r#"{"spec":{"replicas":2}}"#;
    // none, wrong, admin, read-only, node, other node
    for (method, path, body, codes) in [
        ("GET", "/livez", "", [200, 200, 200, 200, 200, 200]),
        ("GET", deployments, "", [401, 401, 200, 200, 403, 403]),
        ("GET", pod, "", [401, 401, 200, 200, 200, 404]),
        ("GET", "/api/v1/pods", "", [401, 401, 200, 200, 200, 200]),
        ("GET", &mounted, "", [401, 401, 200, 403, 200, 403]),
        ("GET", &hidden, "", [401, 401, 200, 403, 403, 403]),
        ("GET", secrets, "", [401, 401, 200, 403, 403, 403]),
        ("PATCH", &scaled, patch, [401, 401, 200, 403, 403, 403]),
        ("PUT", "/setpoint/v1/nodes/n1", &*node, [401, 401, 200, 403, 200, 403]),
        ("GET", "/setpoint/v1/nodes/n1/placements", "", [401, 401, 200, 403, 200, 403]),
        ("GET", "/api/v1/nodes/n1", "", [401, 401, 200, 200, 200, 403]),
        ("GET", "/api/v1/services", "", [401, 401, 200, 200, 200, 200]),
        ("GET", "/apis/discovery.k8s.io/v1/endpointslices", "", [401, 401, 200, 200, 200, 200]),
        ("GET", "/setpoint/v1/status", "", [401, 401, 200, 200, 403, 403]),
        ("POST", "/setpoint/v1/nodes/n1/confirm-lost", "", [401, 401, 200, 403, 403, 403]),
        ("POST", "/setpoint/v1/apply", "{}", [401, 401, 400, 403, 403, 403]),
        ("GET", "/setpoint/v1/log", "", [401, 401, 200, 200, 403, 403]),
        ("GET", "/setpoint/v1/log/setpoint.desired/0", "", [401, 401, 200, 200, 403, 403]),
        ("GET", "/setpoint/v1/log/setpoint.desired/0?raw=true", "", [401, 401, 200, 403, 403, 403]),
        ("GET", "/setpoint/v1/deadletter", "", [401, 401, 200, 200, 403, 403]),
        ("POST", "/setpoint/v1/deadletter/pods/0/4/replay", "", [401, 401, 200, 403, 403, 403]),
        ("GET", "/setpoint/v1/decisions", "", [401, 401, 200, 200, 403, 403]),
        ("GET", "/setpoint/v1/explain?kind=pod&name=web-1", "", [401, 401, 200, 200, 403, 403]),
        ("GET", "/metrics", "", [401, 401, 200, 200, 403, 403]),
    ] {
        let tokens = ["", "wrong-wrong-wrong-wrong", ADMIN, READER, NODE, OTHER];
        for (token, code) in tokens.into_iter().zip(codes) {
            assert_eq!(
                code_of(&server, method, path, token, body).await,
                code,
                "{method} {path} {token}"
            );
        }
    }
}

#[tokio::test]
async fn a_node_sees_only_its_own_pods_in_lists_and_watches() {
    let folder = tempfile::tempdir().unwrap();
    let server = guarded(&folder).await;
    server.leader.commit(|epoch| {
        let place = |uid, node| {
            let placed = crate::common::placement(uid, node, epoch);
            setpoint_api::Change::Placement(placed.uid.clone(), Some(placed))
        };
        vec![place("mine", "n1"), place("theirs", "n2")]
    });
    for path in ["/api/v1/pods", "/api/v1/pods?watch=1&timeoutSeconds=1"] {
        let call = server.client.get(format!("{}{path}", server.base)).bearer_auth(NODE);
        let text = call.send().await.unwrap().text().await.unwrap();
        assert!(text.contains("mine") && !text.contains("theirs"), "{path}: {text}");
    }
}

#[tokio::test]
async fn an_address_that_others_can_reach_needs_tls_and_tokens() {
    let address = "0.0.0.0:0".parse().unwrap();
    let options = ServeOptions { address, tls: None, tokens: None, connections: 8 };
    let served = serve(options, state(&Leader::new()), CancellationToken::new()).await;
    assert!(matches!(served, Err(ServeError::Unprotected { .. })));
}

#[tokio::test]
async fn without_tokens_a_web_page_under_another_name_is_not_served() {
    let server = server().await;
    furnish(&server).await;
    for (header, value, code) in [
        ("host", "evil.example.com", 403),
        ("origin", "https://evil.example.com", 403),
        ("origin", "http://localhost:3000", 200),
    ] {
        let call = server.client.get(format!("{}/api/v1/pods", server.base)).header(header, value);
        assert_eq!(call.send().await.unwrap().status().as_u16(), code, "{header}: {value}");
    }
}
