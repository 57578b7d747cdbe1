//! What every call passes first: who asks, whether its body can be read, and no panic gets out.
//!
//! Absent: room, which is taken behind the decision whether the caller may ([`crate::room`]).

use std::panic::AssertUnwindSafe;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use tracing::error;

use super::Shared;
use crate::auth::Actor;
use crate::connections::Connection;
use crate::door::{self, Caller};
use crate::status::ApiError;

/// Authenticates, refuses bodies that nobody reads, and turns a panic into an error.
pub(crate) async fn guard(State(app): State<Shared>, call: Request, next: Next) -> Response {
    let caller = call.extensions().get::<ConnectInfo<Caller>>().map(|info| info.0.0.clone());
    let on = caller.as_ref().map(Connection::call);
    let response = authenticated(&app, caller.as_deref(), call, next).await;
    match on {
        Some(on) => door::lasting(response, on),
        None => response,
    }
}

async fn authenticated(
    app: &Shared,
    caller: Option<&Connection>,
    mut call: Request,
    next: Next,
) -> Response {
    let path = call.uri().path();
    let is_open = is_open(path);
    let actor = match actor_of(app, call.headers(), path) {
        Ok(actor) => actor,
        Err(error) => return error.into_response(),
    };
    if let (false, Some(caller)) = (is_open, caller) {
        caller.is_known();
    }
    call.extensions_mut().insert(actor);
    let reads = matches!(*call.method(), Method::GET | Method::HEAD);
    if let (false, Err(error)) = (reads, readable(call.headers())) {
        return error.into_response();
    }
    match AssertUnwindSafe(next.run(call)).catch_unwind().await {
        Ok(response) => response,
        Err(_) => {
            error!("a handler panicked");
            let message = "an internal error occurred; it is in the server's log";
            ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, message).into_response()
        }
    }
}

/// Whether the body is of a kind that is read here; nothing of it is looked at yet.
fn readable(headers: &HeaderMap) -> Result<(), ApiError> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let refused = |message: String| ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message);
    let coding = text(header::CONTENT_ENCODING).unwrap_or("identity");
    if !coding.trim().eq_ignore_ascii_case("identity") {
        return Err(refused(format!("the body is encoded as {coding:?}; send it as it is")));
    }
    let Some(given) = text(header::CONTENT_TYPE) else { return Ok(()) };
    let kind = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let known = ["/json", "+json", "/yaml", "+yaml", "/x-yaml"];
    if known.iter().any(|ending| kind.ends_with(ending)) {
        return Ok(());
    }
    // kubectl and client-go may choose it by themselves, so it is told in words, not as a type.
    let what = if kind.ends_with(".protobuf") { "protocol buffers" } else { given };
    Err(refused(format!("the body is {what:?}; JSON and YAML are understood here")))
}

/// Whether anyone may ask.
fn is_open(path: &str) -> bool {
    matches!(path, "/livez" | "/healthz" | "/readyz")
}

fn actor_of(app: &Shared, headers: &HeaderMap, path: &str) -> Result<Actor, ApiError> {
    match &app.tokens {
        _ if is_open(path) => Ok(Actor::local()),
        Some(tokens) => tokens.actor(headers).cloned().ok_or_else(|| {
            let message = "Unauthorized: a valid bearer token is needed";
            ApiError::new(StatusCode::UNAUTHORIZED, message)
        }),
        None if is_local(headers) => Ok(Actor::local()),
        None => Err(ApiError::forbidden(
            "without tokens only callers that address this machine itself are served",
        )),
    }
}

/// Without credentials the address is all that protects us, so a web page that the user visits
/// must not reach us under a name of its own.
fn is_local(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    let host_is_local = text(header::HOST).is_none_or(is_local_authority);
    let origin_is_local = text(header::ORIGIN).is_none_or(|origin| {
        origin.split_once("://").is_some_and(|(_, authority)| is_local_authority(authority))
    });
    host_is_local && origin_is_local
}

fn is_local_authority(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let address = host.parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_of_other_kinds_are_refused_before_they_are_read() {
        for (name, value, read) in [
            ("content-type", "application/json", true),
            ("content-type", "application/json; charset=utf-8", true),
            ("content-type", "application/strategic-merge-patch+json", true),
            ("content-type", "application/apply-patch+yaml", true),
            ("content-type", "text/yaml", true),
            ("content-type", "image/png", false),
            ("content-type", "application/vnd.kubernetes.protobuf", false),
            ("content-type", "application/x-www-form-urlencoded", false),
            ("content-encoding", "identity", true),
            ("content-encoding", "gzip", false),
            ("accept", "image/png", true),
        ] {
            let value = value.parse().expect("a header");
            let headers = HeaderMap::from_iter([(name.parse().expect("a name"), value)]);
            let code = readable(&headers).map_err(|error| error.code.as_u16());
            assert_eq!(code, if read { Ok(()) } else { Err(415) }, "{headers:?}");
        }
    }

    #[test]
    fn only_this_machine_is_local() {
        for (authority, local) in [
            ("localhost:6440", true),
            ("127.0.0.1", true),
            ("[::1]:6440", true),
            ("example.com", false),
            ("127.0.0.1.example.com", false),
            ("10.0.0.1:6440", false),
        ] {
            assert_eq!(is_local_authority(authority), local, "{authority}");
        }
    }
}
