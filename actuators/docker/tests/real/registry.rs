//! An image behind a registry that demands a login, pulled by a real engine from a small registry of the
//! test's own, on the loopback.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use setpoint_actuator_docker::testing::require;
use setpoint_actuators::{Credentials, Login};

use crate::common::{Node, pod};

const PASSWORD: &str = "s3cret";
/// `me:s3cret`.
const AUTHORIZATION: &str = "authorization: basic bWU6czNjcmV0";
/// A connection on which nothing comes is the engine's to close.
const READ_MAX: Duration = Duration::from_secs(10);
/// A head of a request is a few hundred bytes.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// An archive without files, its digest, and an image of nothing but that.
const LAYER: [u8; 1024] = [0; 1024];
const LAYER_DIGEST: &str =
    "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";
const CONFIG: &str = r#"{"architecture":"amd64","os":"linux","config":{"Cmd":["none"]},"rootfs":{"type":"layers","diff_ids":["sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"]}}"#;
const CONFIG_DIGEST: &str =
    "sha256:6b57663ed6b4b6ab412f371623e2cf6d40c98cc34800a9128b05a8585df2877b";
const MANIFEST: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:6b57663ed6b4b6ab412f371623e2cf6d40c98cc34800a9128b05a8585df2877b","size":177},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef","size":1024}]}"#;
const MANIFEST_DIGEST: &str =
    "sha256:2e69c8fc2cce1376e646fa95a67dbd4be0a183cdd34dc7b8c60b7ca1f03ccbcb";
const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_pulled_with_the_login_of_its_registry() {
    if !require() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let node = Node::start(folder.path()).await;
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    // Ends with the test's process.
    std::thread::spawn(move || listener.incoming().flatten().for_each(serve_aside));
    let registry = format!("127.0.0.1:{port}");
    let image = format!("{registry}/app:1");
    let mut wanted =
        pod("private", &format!(r#"{{"containers": [{{"name": "main", "image": "{image}"}}]}}"#));

    let error = node.run(&wanted).await.expect_err("nobody may pull it");
    assert_eq!(error.reason(), "ErrImagePull", "{error}");
    wanted.credentials = login(&registry, "wrong-s3cret");
    let error = node.run(&wanted).await.expect_err("this one may not");
    assert_eq!(error.reason(), "ErrImagePull", "another login need not wait: {error}");
    assert!(!format!("{error} {error:?}").contains("wrong-s3cret"), "{error}");
    assert!(node.docker.inspect_image(&image).await.is_err(), "nothing was pulled");

    wanted.credentials = login(&registry, PASSWORD);
    // There is no program in it, so that it is pulled and does not run.
    let error = node.run(&wanted).await.expect_err("it holds nothing");
    assert_ne!(error.reason(), "ErrImagePull", "{error}");
    node.docker.inspect_image(&image).await.expect("it was pulled");
    node.stop(&wanted).await;
}

fn login(registry: &str, password: &str) -> Credentials {
    let mut credentials = Credentials::default();
    let (username, password) = ("me".to_owned(), password.to_owned());
    credentials.add(registry, Login { username, password, ..Login::default() });
    credentials
}

fn serve_aside(stream: TcpStream) {
    std::thread::spawn(move || serve(stream));
}

/// One answer a connection. An engine asks by TLS first; what is no HTTP is told so.
fn serve(mut stream: TcpStream) {
    stream.set_read_timeout(Some(READ_MAX)).expect("a socket");
    let (mut head, mut piece) = (Vec::new(), [0_u8; 4096]);
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD_BYTES_MAX {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return,
            Ok(bytes) => head.extend_from_slice(&piece[..bytes]),
        }
        if !head[0].is_ascii_alphabetic() {
            break;
        }
    }
    let _ = stream.write_all(&answer(&String::from_utf8_lossy(&head)));
}

fn answer(head: &str) -> Vec<u8> {
    let mut words = head.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let is_allowed = head.lines().any(|line| line.eq_ignore_ascii_case(AUTHORIZATION));
    let blob = |digest: &str| format!("/v2/app/blobs/{digest}");
    let (status, kind, body): (&str, &str, &[u8]) = match path {
        _ if !head.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            ("400 Bad Request", "text/plain", b"")
        }
        _ if !is_allowed => ("401 Unauthorized", "application/json", b"{}"),
        "/v2/" => ("200 OK", "application/json", b"{}"),
        _ if path.starts_with("/v2/app/manifests/") => {
            ("200 OK", MANIFEST_TYPE, MANIFEST.as_bytes())
        }
        _ if path == blob(CONFIG_DIGEST) => {
            ("200 OK", "application/octet-stream", CONFIG.as_bytes())
        }
        _ if path == blob(LAYER_DIGEST) => ("200 OK", "application/octet-stream", &LAYER),
        _ => ("404 Not Found", "application/json", b"{}"),
    };
    let mut answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\
         Docker-Distribution-Api-Version: registry/2.0\r\n",
        body.len()
    );
    if status.starts_with("401") {
        answer.push_str("WWW-Authenticate: Basic realm=\"test\"\r\n");
    }
    if kind == MANIFEST_TYPE {
        answer.push_str(&format!("Docker-Content-Digest: {MANIFEST_DIGEST}\r\n"));
    }
    answer.push_str("\r\n");
    let mut answer = answer.into_bytes();
    if method != "HEAD" {
        answer.extend_from_slice(body);
    }
    answer
}
