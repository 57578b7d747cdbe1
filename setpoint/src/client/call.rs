//! One call of the API.

use std::time::Duration;

use reqwest::{Certificate, Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use setpoint_settings::{ClientSettings, Secret};

use crate::client::{ApiError, Line, Watch, line};
use crate::failure::Failure;

/// The API of one server.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    server: String,
    token: Secret,
    timeout: Duration,
}

/// How a patch is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patch {
    /// RFC 7386.
    Merge,
    /// RFC 6902.
    Json,
    /// Kubernetes' own, which knows by what elements of lists are told apart.
    Strategic,
}

/// How long a connection may take: a server on another continent answers sooner.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

type Query<'a> = &'a [(&'a str, String)];

impl Client {
    /// A client of the server that the settings name.
    pub(crate) fn new(settings: &ClientSettings) -> Result<Self, Failure> {
        // A second installation in one process is refused, and the first one serves.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .user_agent(concat!("setpoint/", env!("CARGO_PKG_VERSION")));
        if is_loopback(&settings.server) {
            builder = builder.no_proxy();
        }
        if !settings.ca.is_empty() {
            builder = builder.tls_certs_merge(certificates(&settings.ca)?);
        }
        let http = builder
            .build()
            .map_err(|error| Failure::new("failed to set up the HTTP client").because(error))?;
        Ok(Client {
            http,
            server: settings.server.trim_end_matches('/').to_owned(),
            token: settings.token.clone(),
            timeout: Duration::from_millis(settings.timeout_ms),
        })
    }

    /// The server's address.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// Reads.
    pub(crate) async fn get(&self, path: &str, query: Query<'_>) -> Result<Value, ApiError> {
        let call = self.call(Method::GET, path).query(query);
        self.answer(call.timeout(self.timeout)).await
    }

    /// Reads, and nothing when it is not there.
    pub(crate) async fn find(&self, path: &str) -> Result<Option<Value>, ApiError> {
        match self.get(path, &[]).await {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Asks for something.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value, ApiError> {
        self.answer(self.call(Method::POST, path).json(body).timeout(self.timeout)).await
    }

    /// Changes a part.
    pub(crate) async fn patch(
        &self,
        path: &str,
        patch: Patch,
        body: &Value,
    ) -> Result<Value, ApiError> {
        let kind = match patch {
            Patch::Merge => "application/merge-patch+json",
            Patch::Json => "application/json-patch+json",
            Patch::Strategic => "application/strategic-merge-patch+json",
        };
        let call = self.call(Method::PATCH, path).query(&[("fieldManager", "setpoint")]);
        // The header first: `json` sets its own only where none is, and two are refused.
        let call = call.header("content-type", kind).json(body);
        self.answer(call.timeout(self.timeout)).await
    }

    /// Deletes.
    pub(crate) async fn delete(&self, path: &str) -> Result<Value, ApiError> {
        self.answer(self.call(Method::DELETE, path).timeout(self.timeout)).await
    }

    /// Deletes, with `DeleteOptions`.
    pub(crate) async fn delete_with(&self, path: &str, options: &Value) -> Result<Value, ApiError> {
        let call = self.call(Method::DELETE, path).json(options);
        self.answer(call.timeout(self.timeout)).await
    }

    /// Watches a list; the stream has no time limit.
    pub(crate) async fn watch(&self, path: &str, query: Query<'_>) -> Result<Watch, ApiError> {
        let call = self.call(Method::GET, path).query(query).query(&[("watch", "true")]);
        let response = self.send(call).await?;
        Ok(Watch::new(self.server.clone(), response))
    }

    /// Reads what has no end that is known; without a time limit.
    pub(crate) async fn stream(&self, path: &str, query: Query<'_>) -> Result<Response, ApiError> {
        self.send(self.call(Method::GET, path).query(query)).await
    }

    /// A call that both sides speak in.
    pub(crate) async fn speak(&self, path: &str, query: Query<'_>) -> Result<Line, ApiError> {
        let call = line::asking(self.call(Method::GET, path).query(query));
        let broken = |source| ApiError::Broken { server: self.server.clone(), source };
        let upgraded = self.send(call).await?.upgrade().await.map_err(broken)?;
        Ok(line::of(upgraded).await)
    }

    fn call(&self, method: Method, path: &str) -> RequestBuilder {
        let call = self.http.request(method, format!("{}{path}", self.server));
        let call = call.header("accept", "application/json");
        if self.token.is_set() { call.bearer_auth(self.token.reveal()) } else { call }
    }

    async fn send(&self, call: RequestBuilder) -> Result<Response, ApiError> {
        let unreachable = |source| ApiError::Unreachable { server: self.server.clone(), source };
        let response = call.send().await.map_err(unreachable)?;
        let code = response.status();
        if code.is_success() || code == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(response);
        }
        let body = response.text().await.unwrap_or_default();
        Err(ApiError::refused(code.as_u16(), &body))
    }

    async fn answer(&self, call: RequestBuilder) -> Result<Value, ApiError> {
        let response = self.send(call).await?;
        if response.status() == StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        let broken = |source| ApiError::Broken { server: self.server.clone(), source };
        response.json().await.map_err(broken)
    }
}

fn certificates(path: &str) -> Result<Vec<Certificate>, Failure> {
    let what = || Failure::usage(format!("failed to read the certificates in {path}"));
    let pem = std::fs::read(path).map_err(|error| what().at("client.ca", error))?;
    Certificate::from_pem_bundle(&pem).map_err(|error| what().at("client.ca", error))
}

fn is_loopback(server: &str) -> bool {
    let host = server.split_once("://").map_or(server, |(_, rest)| rest);
    ["127.", "localhost", "[::1]"].iter().any(|local| host.starts_with(local))
}
