//! Whether the server lives, whether it is up to date, and its figures.

use axum::Extension;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus::TextEncoder;

use super::access::people_only;
use super::{Params, Shared};
use crate::auth::Actor;
use crate::status::ApiError;

/// It answers, so it lives.
pub(crate) async fn livez() -> &'static str {
    "ok"
}

/// Ready when the model holds all that is committed, epochs come, and the server does not close.
pub(crate) async fn readyz(State(app): State<Shared>, Query(params): Query<Params>) -> Response {
    let closes = app.closing.is_cancelled().then(|| "the server closes".to_owned());
    let checks = [("model", app.state.parts.model.doubt()), ("shutdown", closes)];
    let ready = checks.iter().all(|(_, doubt)| doubt.is_none());
    let code = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    if ready && !params.has("verbose") {
        return (code, "ok".to_owned()).into_response();
    }
    let mut text = String::new();
    for (name, doubt) in checks {
        text += &match doubt {
            None => format!("[+]{name} ok\n"),
            Some(why) => format!("[-]{name} failed: {why}\n"),
        };
    }
    text += if ready { "readyz check passed\n" } else { "readyz check failed\n" };
    (code, text).into_response()
}

/// Prometheus' text format.
pub(crate) async fn metrics(
    State(app): State<Shared>,
    Extension(actor): Extension<Actor>,
) -> Result<Response, ApiError> {
    people_only(&actor)?;
    let families = app.state.parts.registry.gather();
    let text = TextEncoder::new().encode_to_string(&families).map_err(|error| {
        ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("failed to encode metrics: {error}"),
        )
    })?;
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    Ok((kind, text).into_response())
}
