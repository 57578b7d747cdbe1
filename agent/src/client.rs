//! The agent's client of the API: several addresses, the one that answered last first.
//!
//! Absent: waiting. Whoever calls decides when to try again.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::{Method, RequestBuilder, Response, StatusCode, Upgraded};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{OnceCell, watch};
use tracing::{debug, warn};

use crate::{AgentError, AgentOptions};

/// An API on the same network connects in milliseconds; beyond this the next address is tried.
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// A write waits for its commit on the log.
const CALL_MAX: Duration = Duration::from_secs(10);
/// The API answers a long poll after 20 s at the latest.
const POLL_MAX: Duration = Duration::from_secs(35);
/// Whoever starts an engine and agents together has an API within this; until then nobody needs to
/// hear that it does not answer.
const START_MAX: Duration = Duration::from_secs(5);
/// An API that is ready says so at once; one that hangs must not keep us from the next.
const GREETING_MAX: Duration = Duration::from_secs(1);
/// How often a starting API is looked for.
const START_POLL: Duration = Duration::from_millis(100);
/// What of an error's text is kept: enough for a line of the log.
const ERROR_CHARS_MAX: usize = 300;
/// Reasons that are told apart; an API that finds a new one each time is told of each time.
const TOLD_MAX: usize = 32;

/// A client of the API.
pub(crate) struct Api {
    http: reqwest::Client,
    urls: Vec<String>,
    token: Option<String>,
    /// The address that answered last.
    current: watch::Sender<usize>,
    is_down: AtomicBool,
    /// Why calls failed since the API answered last, as far as that was told.
    told: Told,
    connections: watch::Sender<u64>,
    greeted: OnceCell<()>,
}

/// A call that failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("no API answers: {0}")]
    Unreachable(String),
    #[error("the API answered {status}: {message}")]
    Refused { status: StatusCode, message: String },
    #[error("failed to read the API's answer: {0}")]
    Answer(String),
}

impl CallError {
    /// Whether what was asked for is not there.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, CallError::Refused { status, .. } if *status == StatusCode::NOT_FOUND)
    }

    /// Whether asking the same again would be answered the same.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            CallError::Refused { status, .. } => {
                status.is_client_error()
                    && !matches!(
                        *status,
                        StatusCode::TOO_MANY_REQUESTS
                            | StatusCode::REQUEST_TIMEOUT
                            | StatusCode::CONFLICT
                            | StatusCode::UNAUTHORIZED
                            | StatusCode::FORBIDDEN
                            | StatusCode::NOT_FOUND
                    )
            }
            CallError::Unreachable(_) | CallError::Answer(_) => false,
        }
    }
}

impl Api {
    pub(crate) fn new(options: &AgentOptions) -> Result<Self, AgentError> {
        let http = match &options.http {
            Some(shared) => shared.clone(),
            None => http(options.ca_pem.as_deref())?,
        };
        if options.api_urls.is_empty() {
            return Err(AgentError::Client { why: "no address of the API is given".into() });
        }
        let trimmed = |url: &String| url.trim_end_matches('/').to_owned();
        Ok(Api {
            http,
            urls: options.api_urls.iter().map(trimmed).collect(),
            token: options.token.clone(),
            current: watch::Sender::new(0),
            is_down: AtomicBool::new(false),
            told: Told::default(),
            connections: watch::channel(0).0,
            greeted: OnceCell::new(),
        })
    }

    /// Waits until the API is ready for the first time, or has had its time for that.
    pub(crate) async fn greeted(&self) {
        let ready = async {
            let begin = Instant::now();
            while begin.elapsed() < START_MAX {
                match self.call(Method::GET, "/readyz", |r| r.timeout(GREETING_MAX)).await {
                    // A certificate does not become right by waiting a moment.
                    Err(CallError::Unreachable(why)) if why.contains("certificate") => return,
                    Err(CallError::Unreachable(_)) => {}
                    Err(CallError::Refused { status, .. }) if status.is_server_error() => {}
                    _ => return,
                }
                tokio::time::sleep(START_POLL).await;
            }
        };
        self.greeted.get_or_init(|| ready).await;
    }

    /// Tells what failed and why: each reason once, until the API answers again.
    pub(crate) fn tell(&self, what: &str, error: &CallError) {
        if self.told.is_new(error.to_string()) {
            warn!(%error, "{what}; told once for each reason until the API answers");
        } else {
            debug!(%error, "{what}");
        }
    }

    /// Counts up each time when the API answers again after it did not.
    pub(crate) fn connections(&self) -> watch::Receiver<u64> {
        self.connections.subscribe()
    }

    /// Sends a body and expects no answer.
    pub(crate) async fn send<B: Serialize + ?Sized + Sync>(
        &self,
        method: Method,
        path: &str,
        body: &B,
    ) -> Result<(), CallError> {
        let with_body = |request: RequestBuilder| request.timeout(CALL_MAX).json(body);
        self.call(method, path, with_body).await.map(drop)
    }

    /// Sends a body and reads the answer, where there is one: an API of an earlier version may have
    /// nothing to say, or something else.
    pub(crate) async fn ask<B, T>(
        &self,
        method: Method,
        path: &str,
        body: &B,
    ) -> Result<Option<T>, CallError>
    where
        B: Serialize + ?Sized + Sync,
        T: DeserializeOwned,
    {
        let with_body = |request: RequestBuilder| request.timeout(CALL_MAX).json(body);
        Ok(said(self.call(method, path, with_body).await?).await)
    }

    /// Sends a body that is of no use later than `within`. Each address has its share of the time:
    /// one that hangs must not use up what the next one needs.
    pub(crate) async fn ask_within<B, T>(
        &self,
        within: Duration,
        method: Method,
        path: &str,
        body: &B,
    ) -> Result<Option<T>, CallError>
    where
        B: Serialize + ?Sized + Sync,
        T: DeserializeOwned,
    {
        let share = within / u32::try_from(self.urls.len()).unwrap_or(u32::MAX);
        let with_body = |request: RequestBuilder| request.timeout(share).json(body);
        Ok(said(self.call(method, path, with_body).await?).await)
    }

    /// Asks and reads the answer.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CallError> {
        let answer = self.call(Method::GET, path, |request| request.timeout(CALL_MAX)).await?;
        answer.json().await.map_err(|error| CallError::Answer(chain(&error)))
    }

    /// Asks for what goes on without an end, and returns the answer's beginning.
    /// Who reads on is to listen for the end of an [`Outage`] beside it.
    pub(crate) async fn stream(&self, path: &str) -> Result<Response, CallError> {
        let mut outage = self.outage();
        let call = self.call(Method::GET, path, |request| request);
        let late = |_| CallError::Unreachable("it does not begin to answer".to_owned());
        tokio::select! {
            // This call's own success ends one too.
            biased;
            answer = tokio::time::timeout(POLL_MAX, call) => answer.map_err(late)?,
            error = outage.over() => Err(error),
        }
    }

    /// What happens to the API from now on.
    pub(crate) fn outage(&self) -> Outage {
        Outage { moved: self.current.subscribe(), again: self.connections.subscribe() }
    }

    /// Asks and waits for news; no longer at an address that hangs, once another call has found
    /// one that answers, and no longer on a connection from before an outage: who was cut off may wait in
    /// vain for what was said meanwhile.
    pub(crate) async fn poll<T: DeserializeOwned>(&self, path: &str) -> Result<T, CallError> {
        let mut outage = self.outage();
        let call = self.call(Method::GET, path, |request| request.timeout(POLL_MAX));
        let answer = tokio::select! {
            // This call's own success ends one too.
            biased;
            answer = call => answer?,
            error = outage.over() => return Err(error),
        };
        answer.json().await.map_err(|error| CallError::Answer(chain(&error)))
    }

    /// How many addresses there are.
    pub(crate) fn servers(&self) -> usize {
        self.urls.len()
    }

    /// Asks one address and waits for news.
    pub(crate) async fn poll_at<T: DeserializeOwned>(
        &self,
        server: usize,
        path: &str,
    ) -> Result<T, CallError> {
        let request = self.request(Method::GET, server, path).timeout(POLL_MAX);
        answer(request).await?.json().await.map_err(|error| CallError::Answer(chain(&error)))
    }

    /// Opens a connection to one address that speaks WebSocket from then on.
    pub(crate) async fn upgrade_at(
        &self,
        server: usize,
        path: &str,
    ) -> Result<Upgraded, CallError> {
        // Not a secret: it only keeps caches from answering (RFC 6455, 4.1). The hasher's keys are the
        // standard library's own random numbers.
        let random = || RandomState::new().hash_one(()).to_le_bytes();
        let key = BASE64.encode([random(), random()].concat());
        let request = self.request(Method::GET, server, path);
        let request = request.header("connection", "Upgrade").header("upgrade", "websocket");
        let request = request.header("sec-websocket-version", "13");
        let open = async {
            let answered = answer(request.header("sec-websocket-key", key)).await?;
            answered.upgrade().await.map_err(|error| CallError::Answer(chain(&error)))
        };
        let late = |_| CallError::Unreachable("it does not open the connection".to_owned());
        tokio::time::timeout(CALL_MAX, open).await.map_err(late)?
    }

    fn request(&self, method: Method, server: usize, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.urls[server]));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Tries each address once, beginning with the one that answered last. One that is not the
    /// leader or is just starting says 503; the next may do better.
    async fn call(
        &self,
        method: Method,
        path: &str,
        with: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, CallError> {
        let first = *self.current.borrow();
        let mut last_error = None;
        for turn in 0..self.urls.len() {
            let index = (first + turn) % self.urls.len();
            match answer(with(self.request(method.clone(), index, path))).await {
                Err(error @ CallError::Unreachable(_)) => last_error = Some(error),
                Err(CallError::Refused { status, message }) if status.is_server_error() => {
                    last_error = Some(CallError::Refused { status, message });
                }
                result => {
                    let moves = |current: &mut usize| std::mem::replace(current, index) != index;
                    self.current.send_if_modified(moves);
                    self.note_up();
                    return result;
                }
            }
        }
        self.is_down.store(true, Ordering::Relaxed);
        Err(last_error.unwrap_or_else(|| CallError::Unreachable("no address is given".into())))
    }

    fn note_up(&self) {
        if self.is_down.swap(false, Ordering::Relaxed) {
            self.told.forget();
            self.connections.send_modify(|count| *count += 1);
        }
    }
}

/// Who asked before an outage may wait in vain after it: the connection leads nowhere, and nobody says so.
pub(crate) struct Outage {
    moved: watch::Receiver<usize>,
    again: watch::Receiver<u64>,
}

impl Outage {
    /// Waits until another address answers, or the API answers again after it was away.
    pub(crate) async fn over(&mut self) -> CallError {
        let why = tokio::select! {
            _ = self.moved.changed() => "another address answers now",
            _ = self.again.changed() => "it was asked before the API was away",
        };
        CallError::Unreachable(why.to_owned())
    }
}

/// A client of HTTP that trusts these certificates, in PEM, beside the system's. Agents of one
/// process can share it.
///
/// # Errors
/// [`AgentError::Client`] when the certificates do not read.
pub fn http(ca_pem: Option<&[u8]>) -> Result<reqwest::Client, AgentError> {
    // Somebody else in this process may have chosen a provider already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let refused = |error: reqwest::Error| AgentError::Client { why: error.to_string() };
    let mut builder = reqwest::Client::builder().connect_timeout(CONNECT_MAX);
    if let Some(pem) = ca_pem {
        let certificates = reqwest::Certificate::from_pem_bundle(pem).map_err(refused)?;
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(refused)
}

/// What an answer says; `None` when that cannot be read.
async fn said<T: DeserializeOwned>(answer: Response) -> Option<T> {
    serde_json::from_slice(&answer.bytes().await.ok()?).ok()
}

async fn answer(request: RequestBuilder) -> Result<Response, CallError> {
    let response = request.send().await;
    // Whatever was asked for, the reason is the same.
    let response = response.map_err(|error| CallError::Unreachable(chain(&error.without_url())))?;
    let status = response.status();
    if status.is_success() || status == StatusCode::SWITCHING_PROTOCOLS {
        return Ok(response);
    }
    let text = response.text().await.unwrap_or_default();
    let json = serde_json::from_str::<serde_json::Value>(&text).unwrap_or_default();
    let message = json.get("message").and_then(|m| m.as_str()).unwrap_or(&text);
    Err(CallError::Refused { status, message: message.chars().take(ERROR_CHARS_MAX).collect() })
}

/// An error and what caused it, in a line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// What was told already.
#[derive(Default)]
struct Told(Mutex<BTreeSet<String>>);

impl Told {
    /// Whether it is told for the first time.
    fn is_new(&self, reason: String) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= TOLD_MAX {
            told.clear();
        }
        told.insert(reason)
    }

    /// From now on everything is new.
    fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Waits that grow from a short one to a longest one, and begin anew after a success; each a little
/// shorter by chance, so that a fleet does not come all at once.
pub(crate) struct Backoff {
    next: Duration,
    longest: Duration,
}

impl Backoff {
    /// The first wait: a leader that changes is back within it more often than not.
    const FIRST: Duration = Duration::from_millis(100);

    pub(crate) fn new(longest: Duration) -> Self {
        Backoff { next: Self::FIRST.min(longest), longest }
    }

    pub(crate) fn reset(&mut self) {
        self.next = Self::FIRST.min(self.longest);
    }

    pub(crate) async fn wait(&mut self) {
        let wait = self.next;
        self.next = (wait * 2).min(self.longest);
        // The hasher's keys are the standard library's own random numbers.
        let random = RandomState::new().hash_one(());
        let shorter = wait.mul_f64(random as f64 / u64::MAX as f64 / 2.0);
        tokio::time::sleep(wait - shorter).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_told_once_until_the_api_answers_and_another_one_too() {
        let told = Told::default();
        let tell = |reason: &str| told.is_new(reason.to_owned());
        assert_eq!(["a", "a", "b", "a"].map(tell), [true, false, true, false]);
        told.forget();
        assert!(tell("a"));
        (0..TOLD_MAX).for_each(|number| assert!(tell(&number.to_string())));
        assert_eq!(told.0.lock().expect("no panic").len(), 1, "it does not grow without bound");
    }
}
