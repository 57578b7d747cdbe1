//! A request of HTTP that is answered with a status from 200 to 399.
//!
//! Source: the kubelet's `pkg/probe/http`: redirects are followed on the same host and up to ten;
//! one that leads elsewhere has passed. Certificates are not verified, no proxy is asked, no connection
//! is kept.

use std::time::Duration;

use reqwest::header::{ACCEPT, CONNECTION, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, Url};
use setpoint_schemas::HttpGetAction;

use super::dial;
use crate::probes::checkup::Answer;

/// Some programs tell probes by the name that the kubelet gives itself.
const AGENT: &str = concat!("kube-probe/1.37 setpoint/", env!("CARGO_PKG_VERSION"));
/// Go's bound, which is the kubelet's.
const REDIRECTS_MAX: usize = 10;
/// So much of an answer must come in time: the kubelet reads as much.
const BODY_BYTES_MAX: usize = 10 << 10;

/// The client of all probes of an agent.
pub(super) fn client() -> Result<Client, String> {
    // Somebody else in this process may have chosen a provider already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .tls_danger_accept_invalid_certs(true)
        .no_proxy()
        .http1_only()
        .pool_max_idle_per_host(0)
        .redirect(Policy::custom(redirected));
    client.build().map_err(|error| format!("failed to make a client: {error}"))
}

fn redirected(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let first = attempt.previous().first();
    if first.is_some_and(|first| first.host() != attempt.url().host()) {
        return attempt.stop();
    }
    if attempt.previous().len() >= REDIRECTS_MAX {
        return attempt.error("stopped after 10 redirects");
    }
    attempt.follow()
}

/// Asks at this place.
pub(super) async fn ask(
    client: &Client,
    action: &HttpGetAction,
    to: (&str, u16),
    within: Duration,
) -> Answer {
    let (url, headers) = match (url(action, to), headers(action)) {
        (Ok(url), Ok(headers)) => (url, headers),
        (Err(why), _) | (_, Err(why)) => return Answer::Unknown(why),
    };
    let answer = client.get(url.clone()).headers(headers).timeout(within).send().await;
    match answer {
        Ok(answer) => judged(&url, answer).await,
        Err(error) => Answer::Failed(failed(&url, to, &error)),
    }
}

async fn judged(url: &Url, mut answer: reqwest::Response) -> Answer {
    let mut bytes = 0;
    while bytes < BODY_BYTES_MAX {
        match answer.chunk().await {
            Ok(Some(chunk)) => bytes += chunk.len(),
            Ok(None) => break,
            // As the kubelet's, which counts an answer that breaks off, or does not end, as none.
            Err(error) if error.is_timeout() => return Answer::Unknown(late(url, "reading body")),
            Err(error) => return Answer::Unknown(dial::deepest(&error)),
        }
    }
    match answer.status().as_u16() {
        200..400 => Answer::Passed,
        status => Answer::Failed(format!("HTTP probe failed with statuscode: {status}")),
    }
}

fn failed(url: &Url, to: (&str, u16), error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return late(url, "awaiting headers");
    }
    let why = match dial::cause(error) {
        Some(cause) if error.is_connect() => dial::refused(to, cause),
        _ => dial::deepest(error),
    };
    format!("Get \"{url}\": {why}")
}

fn late(url: &Url, doing: &str) -> String {
    let why = format!("context deadline exceeded (Client.Timeout exceeded while {doing})");
    format!("Get \"{url}\": {why}")
}

fn url(action: &HttpGetAction, to: (&str, u16)) -> Result<Url, String> {
    let scheme = action.scheme.as_deref().unwrap_or("HTTP").to_ascii_lowercase();
    let path = action.path.as_deref().unwrap_or_default();
    let slash = if path.starts_with('/') { "" } else { "/" };
    let text = format!("{scheme}://{}{slash}{path}", dial::authority(to));
    Url::parse(&text).map_err(|error| format!("{text} is no URL: {error}"))
}

/// The probe's own headers come before the usual ones. An empty `Accept` is sent empty, where the kubelet
/// sends none.
fn headers(action: &HttpGetAction) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for header in &action.http_headers {
        let invalid = || format!("header {:?} is not valid", header.name);
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| invalid())?;
        let value = HeaderValue::from_str(&header.value).map_err(|_| invalid())?;
        headers.append(name, value);
    }
    headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
    headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use axum::extract::Path;
    use axum::http::{HeaderMap as Sent, StatusCode};
    use axum::response::Redirect;
    use axum::routing::get;
    use setpoint_schemas::HttpHeader;

    use super::*;

    /// A program that answers as it is asked to.
    async fn serve() -> u16 {
        let app = axum::Router::new()
            .route("/", get(|| async { "well" }))
            .route("/status/{code}", get(|Path(code): Path<u16>| async move { status(code) }))
            .route("/away", get(|| async { Redirect::temporary("http://elsewhere.invalid/") }))
            .route("/here", get(|| async { Redirect::temporary("/status/503") }))
            .route("/loop", get(|| async { Redirect::temporary("/loop") }))
            .route("/slow", get(|| async { tokio::time::sleep(Duration::from_secs(60)).await }))
            .route("/host", get(|sent: Sent| async move { status(told(&sent)) }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        tokio::spawn(async move { axum::serve(listener, app).await });
        port
    }

    fn status(code: u16) -> StatusCode {
        StatusCode::from_u16(code).expect("a status")
    }

    fn told(sent: &Sent) -> u16 {
        let is = |name: &str, value: &str| sent.get(name).is_some_and(|sent| sent == value);
        let is_probe = sent["user-agent"].to_str().is_ok_and(|a| a.starts_with("kube-probe/"));
        if is("host", "shop.example") && is("x-a", "1") && is_probe { 200 } else { 400 }
    }

    fn action(path: &str) -> HttpGetAction {
        let header =
            |name: &str, value: &str| HttpHeader { name: name.into(), value: value.into() };
        HttpGetAction {
            path: Some(path.to_owned()),
            http_headers: vec![header("Host", "shop.example"), header("X-A", "1")],
            ..HttpGetAction::default()
        }
    }

    #[tokio::test]
    async fn a_status_below_400_passes_and_redirects_are_followed_as_the_kubelet_does() {
        let (port, client) = (serve().await, client().expect("a client"));
        let failed =
            |status: u16| Answer::Failed(format!("HTTP probe failed with statuscode: {status}"));
        let table = [
            ("/", Answer::Passed),
            ("", Answer::Passed),
            ("/status/204", Answer::Passed),
            ("/status/399", Answer::Passed),
            ("/status/400", failed(400)),
            ("status/503?why=no", failed(503)),
            ("/nothing", failed(404)),
            ("/away", Answer::Passed),
            ("/here", failed(503)),
            ("/host", Answer::Passed),
        ];
        for (path, expected) in table {
            let within = Duration::from_secs(10);
            let answer = ask(&client, &action(path), ("127.0.0.1", port), within).await;
            assert_eq!(answer, expected, "{path}");
        }
        let answer =
            ask(&client, &action("/loop"), ("127.0.0.1", port), Duration::from_secs(10)).await;
        let Answer::Failed(why) = answer else { panic!("{answer:?}") };
        assert!(why.contains("stopped after 10 redirects"), "{why}");
    }

    #[tokio::test]
    async fn who_does_not_answer_in_time_or_at_all_fails() {
        let (port, client) = (serve().await, client().expect("a client"));
        let within = Duration::from_millis(300);
        let late = ask(&client, &action("/slow"), ("127.0.0.1", port), within).await;
        let why = format!(
            "Get \"http://127.0.0.1:{port}/slow\": context deadline exceeded (Client.Timeout \
             exceeded while awaiting headers)"
        );
        assert_eq!(late, Answer::Failed(why));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let free = listener.local_addr().expect("it is bound").port();
        drop(listener);
        let within = Duration::from_secs(10);
        let refused = ask(&client, &action("/"), ("127.0.0.1", free), within).await;
        let why = format!(
            "Get \"http://127.0.0.1:{free}/\": dial tcp 127.0.0.1:{free}: connect: connection \
             refused"
        );
        assert_eq!(refused, Answer::Failed(why));
    }

    #[test]
    fn a_url_is_made_of_what_the_probe_says() {
        let https = HttpGetAction { scheme: Some("HTTPS".into()), ..action("/a b?c=d") };
        let table = [
            (https, ("::1", 8443), "https://[::1]:8443/a%20b?c=d"),
            (action("x"), ("10.0.0.1", 80), "http://10.0.0.1/x"),
            (HttpGetAction::default(), ("h", 81), "http://h:81/"),
        ];
        for (action, to, expected) in table {
            assert_eq!(url(&action, to).map(String::from), Ok(expected.to_owned()));
        }
        let broken = HttpHeader { name: "a b".into(), value: "c".into() };
        let action = HttpGetAction { http_headers: vec![broken], ..HttpGetAction::default() };
        assert!(headers(&action).is_err());
    }
}
