//! What every call passes first: who asks, whether there is room, and no panic gets out.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::{FutureExt, StreamExt};
use setpoint_schemas::REQUEST_BYTES_MAX;
use tracing::error;

use super::Shared;
use crate::auth::Actor;
use crate::status::ApiError;

/// A body that becomes a request: it cannot be larger than the record.
pub(crate) const REQUEST_BODY_BYTES_MAX: usize = REQUEST_BYTES_MAX;
/// A node's report: a snapshot of some ten thousand pods with their containers.
pub(crate) const REPORT_BODY_BYTES_MAX: usize = 8 << 20;
/// What of a body over its bound is read only to be dropped; a caller of more is cut off.
const DROPPED_BYTES_MAX: usize = 256 << 20;
/// A body that takes longer is not coming.
const BODY_PATIENCE: Duration = Duration::from_secs(30);

/// Authenticates, bounds, and turns a panic into an error.
pub(crate) async fn guard(State(app): State<Shared>, mut call: Request, next: Next) -> Response {
    let actor = match actor_of(&app, call.headers(), call.uri().path()) {
        Ok(actor) => actor,
        Err(error) => return error.into_response(),
    };
    call.extensions_mut().insert(actor);
    let reads = matches!(*call.method(), Method::GET | Method::HEAD);
    let _permit = if reads { None } else { app.state.writes.acquire().await.ok() };
    match AssertUnwindSafe(next.run(call)).catch_unwind().await {
        Ok(response) => response,
        Err(_) => {
            error!("a handler panicked");
            let message = "an internal error occurred; it is in the server's log";
            ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, message).into_response()
        }
    }
}

/// The whole body, within a bound and in time.
pub(crate) async fn body_of(body: Body, max: usize) -> Result<Bytes, ApiError> {
    let read = tokio::time::timeout(BODY_PATIENCE, bounded(body, max)).await;
    let slow = |_| ApiError::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time");
    read.map_err(slow)?
}

/// What is over the bound is read on and dropped: a caller who is cut off while it still sends
/// learns of a broken connection, and never of the bound.
async fn bounded(body: Body, max: usize) -> Result<Bytes, ApiError> {
    let (mut stream, mut held, mut bytes) = (body.into_data_stream(), Vec::new(), 0_usize);
    while let Some(part) = stream.next().await {
        let part = part.map_err(|_| ApiError::bad_request("the body broke off"))?;
        bytes = bytes.saturating_add(part.len());
        match bytes {
            _ if bytes <= max => held.extend_from_slice(&part),
            _ if bytes <= DROPPED_BYTES_MAX => held = Vec::new(),
            _ => break,
        }
    }
    if bytes <= max {
        return Ok(held.into());
    }
    let message = format!("the body is larger than {max} bytes");
    Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, message))
}

fn actor_of(app: &Shared, headers: &HeaderMap, path: &str) -> Result<Actor, ApiError> {
    let open = matches!(path, "/livez" | "/healthz" | "/readyz");
    match &app.tokens {
        _ if open => Ok(Actor::local()),
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
