//! Who sends slowly, or sends what nobody reads, keeps nobody else from writing.

use std::time::Duration;

use crate::common::{Server, server, server_with};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const TOKENS: &str = "admin-admin-admin-1,ada,admin\nreader-reader-reader,rob,read-only\n\
                      node-one-node-one-1,n1,node,n1\n";
const ADMIN: &str = "admin-admin-admin-1";
const READER: &str = "reader-reader-reader";
const NODE: &str = "node-one-node-one-1";
const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
/// More than there are turns for clients.
const SLOW: usize = 300;
/// Far below the patience with a slow body, far above what a write takes here.
const PATIENCE: Duration = Duration::from_secs(15);

async fn tokens_only(folder: &tempfile::TempDir) -> Server {
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, TOKENS).unwrap();
    server_with(None, Some(tokens)).await
}

/// Says that a thousand bytes come, and sends one.
async fn begin(server: &Server, token: &str, path: &str) -> TcpStream {
    let address = server.base.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

async fn send(server: &Server, token: &str, path: &str, body: String) -> u16 {
    let call = server.client.post(format!("{}{path}", server.base)).bearer_auth(token);
    let call = call.header("content-type", "application/json").body(body).send();
    tokio::time::timeout(PATIENCE, call).await.expect("it is answered").unwrap().status().as_u16()
}

#[tokio::test]
async fn bodies_that_do_not_come_hold_up_neither_writes_nor_leases() {
    let folder = tempfile::tempdir().unwrap();
    let server = tokens_only(&folder).await;
    let mut open = Vec::new();
    for token in [READER, ADMIN] {
        for _ in 0..SLOW {
            open.push(begin(&server, token, CONFIG_MAPS).await);
        }
    }
    // As many as fill all that a node may have open at once.
    for _ in 0..SLOW {
        open.push(begin(&server, NODE, "/setpoint/v1/nodes/n1/pods").await);
    }
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
    assert_eq!(send(&server, ADMIN, CONFIG_MAPS, map.to_string()).await, 201);
    let lease = json!({"node": "n2", "session": "s1", "sequence": 1, "time_ms": 5}).to_string();
    assert_eq!(send(&server, ADMIN, "/setpoint/v1/nodes/n2/lease", lease).await, 200);
    let lease = json!({"node": "n1", "session": "s1", "sequence": 1, "time_ms": 5}).to_string();
    let own = send(&server, NODE, "/setpoint/v1/nodes/n1/lease", lease).await;
    assert_eq!(own, 429, "a node that fills its own room harms itself");
}

#[tokio::test]
async fn who_may_not_is_told_before_the_body_comes() {
    let folder = tempfile::tempdir().unwrap();
    let server = tokens_only(&folder).await;
    for (token, path, code) in [
        (READER, CONFIG_MAPS, "403"),
        (NODE, CONFIG_MAPS, "403"),
        (READER, "/setpoint/v1/apply", "403"),
        (NODE, "/setpoint/v1/nodes/n2/pods", "403"),
        (ADMIN, "/apis/nowhere/v1/things", "404"),
        ("nobody-nobody-nobody", CONFIG_MAPS, "401"),
    ] {
        let mut stream = begin(&server, token, path).await;
        let mut line = [0_u8; 12];
        let answer = tokio::time::timeout(PATIENCE, stream.read_exact(&mut line)).await;
        answer.expect("it is answered").unwrap();
        assert_eq!(std::str::from_utf8(&line).unwrap(), format!("HTTP/1.1 {code}"), "{path}");
    }
}

#[tokio::test]
async fn a_path_with_an_impossible_number_is_answered_with_a_status() {
    let server = server().await;
    for (method, path) in [
        ("GET", "/setpoint/v1/log/setpoint.nodes/4294967295"),
        ("GET", "/setpoint/v1/log/setpoint.nodes/first"),
        ("POST", "/setpoint/v1/deadletter/setpoint.nodes/0/99999999999999999999/replay"),
    ] {
        let (code, status) = server.send(method, path, "application/json", "").await;
        assert_eq!((code, &status["kind"]), (400, &json!("Status")), "{path}: {status}");
    }
}

#[tokio::test]
async fn a_body_that_nobody_reads_is_refused_by_its_kind() {
    let server = server().await;
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
    for (header, value, code) in [
        ("content-type", "image/png", 415),
        ("content-type", "application/vnd.kubernetes.protobuf", 415),
        ("content-encoding", "gzip", 415),
        ("content-type", "application/yaml", 201),
    ] {
        let call = server.client.post(format!("{}{CONFIG_MAPS}", server.base));
        let response = call.header(header, value).body(map.to_string()).send().await.unwrap();
        assert_eq!(response.status().as_u16(), code, "{header}: {value}");
        if code == 415 {
            let status: serde_json::Value = response.json().await.unwrap();
            assert_eq!(status["reason"], "UnsupportedMediaType");
        }
    }
}
