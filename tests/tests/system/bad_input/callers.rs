//! Callers without or with the wrong token, over TLS as off loopback.

use std::fs;
use std::path::Path;
use std::time::Duration;

use reqwest::{Certificate, Client, Method};
use serde_json::{Value, json};

use super::LEADS_WITHIN;
use crate::api::deployment;
use crate::house::{House, alone, free_port};

const ADMIN: &str = "admin-0123456789abcdef";
const READER: &str = "reader-0123456789abcdef";
const NODE: &str = "node-0123456789abcdef";
/// A busy machine answers sooner.
const CALL_MAX: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_without_the_right_token_is_refused_and_the_right_one_served() {
    let _alone = alone();
    let mut house = House::new(&[]);
    let certificate = certificate(&house.path);
    let port = free_port();
    let tokens = format!("admin:ops:{ADMIN},read-only:eye:{READER},node:node-1:{NODE}");
    let settings = [
        ("SETPOINT_API__TLS_CERT", "cert.pem"),
        ("SETPOINT_API__TLS_KEY", "key.pem"),
        ("SETPOINT_API__TOKENS", tokens.as_str()),
    ];
    house.start_engine_with("engine", port, &settings);
    // Another test of this process may have chosen it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .tls_certs_only([certificate])
        .timeout(CALL_MAX)
        .no_proxy()
        .build()
        .expect("a client");
    let caller = Caller { client, base: format!("https://localhost:{port}") };
    house
        .until("the engine leads", LEADS_WITHIN, async || {
            let (status, body) = caller.call(Method::GET, "/readyz", None, Value::Null).await?;
            if status == 200 { Ok(()) } else { Err(body) }
        })
        .await;

    let list = "/apis/apps/v1/deployments";
    let secrets = "/api/v1/namespaces/default/secrets";
    let apply = "/setpoint/v1/apply";
    let own = "/setpoint/v1/nodes/node-1/placements";
    let other = "/setpoint/v1/nodes/node-2/placements";
    let body = json!({"items": [deployment("web", 0)]});
    let get = Method::GET;
    let post = Method::POST;
    let cases: [(&Method, &str, Option<&str>, &Value, u16); 17] = [
        (&get, list, None, &Value::Null, 401),
        (&get, list, Some("wrong-0123456789abcdef"), &Value::Null, 401),
        (&get, list, Some(&ADMIN[..10]), &Value::Null, 401),
        (&get, list, Some(""), &Value::Null, 401),
        (&get, "/metrics", None, &Value::Null, 401),
        (&get, "/livez", None, &Value::Null, 200),
        (&post, apply, None, &body, 401),
        (&post, apply, Some(READER), &body, 403),
        (&post, apply, Some(NODE), &body, 403),
        (&get, secrets, Some(READER), &Value::Null, 403),
        (&get, secrets, Some(NODE), &Value::Null, 403),
        (&get, other, Some(NODE), &Value::Null, 403),
        (&get, own, Some(READER), &Value::Null, 403),
        (&get, list, Some(READER), &Value::Null, 200),
        (&get, secrets, Some(ADMIN), &Value::Null, 200),
        (&get, own, Some(NODE), &Value::Null, 200),
        (&post, apply, Some(ADMIN), &body, 200),
    ];
    for (method, path, token, body, expected) in cases {
        let what = format!("{method} {path} with {token:?}");
        let (status, answer) =
            caller.call(method.clone(), path, token, body.clone()).await.expect(&what);
        assert_eq!(status, expected, "{what}: {answer}");
    }
    plain_http_is_not_served(port).await;
    no_token_is_told(&house);
}

#[test]
fn an_address_off_loopback_without_tls_and_tokens_is_not_served() {
    let house = House::new(&[]);
    let output = house.run(&["engine", "--listen", "0.0.0.0:0"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("an address off loopback needs api.tls_cert"), "{said}");
}

#[test]
fn a_token_that_the_api_would_refuse_is_refused_with_the_settings() {
    let house = House::new(&[]);
    let output = house.run(&["engine", "--set", "api.tokens=admin:ops:hunter2"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("api.tokens, from flag --set"), "{said}");
    assert!(said.contains("fewer than 16 bytes"), "{said}");
    assert!(!said.contains("hunter2"), "the token is told: {said}");
}

struct Caller {
    client: Client,
    base: String,
}

impl Caller {
    async fn call(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Value,
    ) -> Result<(u16, String), String> {
        let mut call = self.client.request(method, format!("{}{path}", self.base));
        if let Some(token) = token {
            call = call.bearer_auth(token);
        }
        if !body.is_null() {
            call = call.json(&body);
        }
        let answer = call.send().await.map_err(|error| format!("{error:?}"))?;
        let status = answer.status().as_u16();
        Ok((status, answer.text().await.map_err(|error| error.to_string())?))
    }
}

async fn plain_http_is_not_served(port: u16) {
    let plain = Client::builder().timeout(CALL_MAX).no_proxy().build().expect("a client");
    let url = format!("http://localhost:{port}/apis/apps/v1/deployments");
    let answer = plain.get(url).bearer_auth(ADMIN).send().await;
    assert!(answer.is_err(), "plain HTTP is served: {answer:?}");
}

/// Neither in what the engine printed nor in the settings that it shows.
fn no_token_is_told(house: &House) {
    let shown = house.run(&["config", "view", "--set", &format!("api.tokens=admin:ops:{ADMIN}")]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("<redacted>"), "{shown}");
    let all = shown + &house.log_text("engine");
    for token in [ADMIN, READER, NODE] {
        assert!(!all.contains(token), "a token is told");
    }
}

/// Writes a self-signed certificate of this machine and its key; answers the certificate.
fn certificate(folder: &Path) -> Certificate {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
    fs::write(folder.join("cert.pem"), made.cert.pem()).expect("it is written");
    fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).expect("it is written");
    Certificate::from_pem(made.cert.pem().as_bytes()).expect("a certificate")
}
