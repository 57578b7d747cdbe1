//! Calls of the registry that block their thread, from within a runtime too.
//!
//! Guarantee: a call returns within its time.

use std::sync::mpsc;
use std::time::Duration;

use reqwest::{Certificate, Client, Method, RequestBuilder};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::{RegistryError, Settings};

/// The registry's own media type.
const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";
/// Registries answer in kilobytes; a schema of ours has four at most.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// A registry's own words, as far as a log line should carry them.
const MESSAGE_CHARS_MAX: usize = 300;
/// Beyond a call's own time: what the runtime may take to say so.
const GRACE: Duration = Duration::from_secs(1);

pub(crate) struct Http {
    /// Its one thread does the waiting. `None` only while it is dropped.
    runtime: Option<Runtime>,
    client: Client,
    settings: Settings,
}

/// An answer: its status, and its body where it is JSON.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Http {
    pub(crate) fn new(settings: Settings) -> Result<Self, RegistryError> {
        let failed = |why: String| RegistryError::Client { why };
        // A second installation in one process is refused, and the first one serves.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut builder = Client::builder().user_agent("setpoint");
        if let Some(pem) = &settings.ca_pem {
            let certificates = Certificate::from_pem_bundle(pem);
            builder = builder.tls_certs_merge(certificates.map_err(|e| failed(e.to_string()))?);
        }
        let client = builder.build().map_err(|error| failed(error.to_string()))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("registry")
            .enable_all()
            .build()
            .map_err(|error| failed(error.to_string()))?;
        Ok(Http { runtime: Some(runtime), client, settings })
    }

    pub(crate) fn url(&self) -> &str {
        &self.settings.url
    }

    /// Asks, within the settings' time or this one if it is shorter. Any status is an answer.
    pub(crate) fn call(
        &self,
        attempt: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
        within: Duration,
    ) -> Result<Answer, RegistryError> {
        let within = within.min(self.settings.timeout);
        let request = self.request(method, path, body).timeout(within);
        let (send, receive) = mpsc::sync_channel(1);
        if let Some(runtime) = &self.runtime {
            // Whoever asked may have given up: then nobody receives.
            runtime.spawn(async move { drop(send.send(answered(request).await)) });
        }
        let answer = receive
            .recv_timeout(within + GRACE)
            .unwrap_or_else(|_| Err("it did not answer in time".to_owned()));
        answer.map_err(|why| RegistryError::Unreachable {
            attempt: attempt.to_owned(),
            url: self.settings.url.clone(),
            why,
        })
    }

    fn request(&self, method: Method, path: &str, body: Option<&Value>) -> RequestBuilder {
        let url = format!("{}{path}", self.settings.url.trim_end_matches('/'));
        let mut request = self.client.request(method, url).header("accept", MEDIA_TYPE);
        if let Some((user, password)) = &self.settings.credentials {
            request = request.basic_auth(user, Some(password));
        }
        if let Some(body) = body {
            request = request.header("content-type", MEDIA_TYPE).body(body.to_string());
        }
        request
    }
}

impl Drop for Http {
    /// Without waiting: this may run on a thread that must not.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Answer {
    pub(crate) fn is_well(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The answer is no, and why.
    pub(crate) fn refused(&self, attempt: &str, url: &str) -> RegistryError {
        let said = self.body["message"].as_str().map_or(self.body.to_string(), str::to_owned);
        let message = said.chars().take(MESSAGE_CHARS_MAX).collect();
        let (attempt, url) = (attempt.to_owned(), url.to_owned());
        RegistryError::Refused { attempt, url, status: self.status, message }
    }
}

async fn answered(request: RequestBuilder) -> Result<Answer, String> {
    let mut response = request.send().await.map_err(|error| causes(&error))?;
    let status = response.status().as_u16();
    let mut bytes = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|error| causes(&error))? {
        bytes.extend_from_slice(&part);
        if bytes.len() > ANSWER_BYTES_MAX {
            return Err(format!("its answer has more than {ANSWER_BYTES_MAX} bytes"));
        }
    }
    let body = serde_json::from_slice(&bytes)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
    Ok(Answer { status, body })
}

/// An error with its causes: the library's own text leaves out why.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
