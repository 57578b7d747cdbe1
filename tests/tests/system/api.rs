//! The API as a test calls it.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// A call that takes longer has failed; the API itself gives up on a verdict after 25 s.
const CALL_MAX: Duration = Duration::from_secs(30);

/// A client of one engine.
#[derive(Clone)]
pub(crate) struct Api {
    http: reqwest::Client,
    pub(crate) port: u16,
    /// Such as `http://127.0.0.1:6440`.
    pub(crate) base: String,
    /// What it shows; empty for nothing.
    token: String,
}

/// A pod that is there and not leaving, as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pod {
    pub(crate) name: String,
    pub(crate) node: String,
    pub(crate) ready: bool,
}

impl Api {
    /// Of the engine on this port of the loopback address.
    pub(crate) fn new(port: u16) -> Api {
        let base = format!("http://127.0.0.1:{port}");
        Api { http: client(CALL_MAX), port, base, token: String::new() }
    }

    /// The same with calls that take no longer than this.
    pub(crate) fn patient(self, within: Duration) -> Api {
        Api { http: client(within), ..self }
    }

    /// The same with this token.
    pub(crate) fn with_token(self, token: &str) -> Api {
        Api { token: token.to_owned(), ..self }
    }

    /// Any call: its status and its body, as JSON where it is JSON.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        kind: &str,
        body: impl Into<reqwest::Body>,
    ) -> Result<(StatusCode, Value), String> {
        let request = self.http.request(method, format!("{}{path}", self.base));
        let mut request = request.header("content-type", kind).body(body);
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        let answer = request.send().await.map_err(|error| error.to_string())?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| error.to_string())?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    /// Reads; an answer other than 2xx is an error.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, String> {
        well(self.call(Method::GET, path, "application/json", "").await?)
    }

    /// Posts JSON.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value, String> {
        well(self.call(Method::POST, path, "application/json", body.to_string()).await?)
    }

    /// Merges a patch into an object.
    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Result<Value, String> {
        let kind = "application/merge-patch+json";
        well(self.call(Method::PATCH, path, kind, body.to_string()).await?)
    }

    /// Deletes an object; it may be leaving for a while then.
    pub(crate) async fn delete(&self, path: &str) -> Result<Value, String> {
        well(self.call(Method::DELETE, path, "application/json", "").await?)
    }

    /// Applies objects, all or nothing; refused is an error.
    pub(crate) async fn apply(&self, items: &[Value]) -> Result<Value, String> {
        let body = json!({"fieldManager": "test", "items": items});
        let answer = self.post("/setpoint/v1/apply", &body).await?;
        if answer["accepted"] == true { Ok(answer) } else { Err(answer.to_string()) }
    }

    /// The pods that are there and not leaving, by uid.
    pub(crate) async fn pods(&self) -> Result<BTreeMap<String, Pod>, String> {
        let pods = self.get("/api/v1/pods").await?;
        let items = pods["items"].as_array().cloned().unwrap_or_default();
        let present = items.iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        Ok(present.map(pod).collect())
    }

    /// All records of a partition of the log that are kept, in order.
    pub(crate) async fn log(&self, topic: &str) -> Result<Vec<Value>, String> {
        let mut records: Vec<Value> = Vec::new();
        let mut from = 0;
        loop {
            let page =
                self.get(&format!("/setpoint/v1/log/{topic}/0?from={from}&max=1000")).await?;
            let more = page["records"].as_array().cloned().unwrap_or_default();
            let Some(last) = more.last() else { return Ok(records) };
            from = last["offset"].as_i64().ok_or("a record without an offset")? + 1;
            records.extend(more);
        }
    }
}

fn client(within: Duration) -> reqwest::Client {
    // Another test of this process may have chosen it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().timeout(within).no_proxy().build().expect("a client")
}

/// A Deployment whose container sleeps.
pub(crate) fn deployment(name: &str, replicas: u64) -> Value {
    let container = json!({
        "name": "main", "image": "busybox:local", "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", "1000000"],
        "resources": {"requests": {"cpu": "10m", "memory": "8Mi"}},
    });
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": name}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
            },
        },
    })
}

fn well((status, body): (StatusCode, Value)) -> Result<Value, String> {
    if status.is_success() { Ok(body) } else { Err(format!("{status}: {body}")) }
}

fn pod(object: &Value) -> (String, Pod) {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let is_ready = |c: &Value| c["type"] == "Ready" && c["status"] == "True";
    let pod = Pod {
        name: text("/metadata/name").to_owned(),
        node: text("/spec/nodeName").to_owned(),
        ready: conditions.iter().any(is_ready),
    };
    (text("/metadata/uid").to_owned(), pod)
}
