//! What agents ask: which calls there are to their node, and to open their end of one.
//!
//! Guarantee: a node takes and opens only calls to itself.

use axum::Extension;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::agent::{POLL_PATIENCE, node_of};
use super::{Shared, answer};
use crate::auth::Actor;
use crate::calls::Opened;
use crate::connections::Connection;
use crate::door::Caller;
use crate::line::NODE_MESSAGE_BYTES_MAX;
use crate::status::ApiError;

/// `GET /nodes/{node}/calls`: a long poll.
pub(crate) async fn take(
    State(app): State<Shared>,
    Extension(actor): Extension<Actor>,
    Path(node): Path<String>,
) -> Result<Response, ApiError> {
    let node = node_of(&node, &actor)?;
    let _permit = app.state.asking.try_acquire().map_err(|_| {
        let message = "too many polls at once: try again later";
        ApiError::new(StatusCode::TOO_MANY_REQUESTS, message)
    })?;
    let calls = tokio::select! {
        calls = app.state.calls.take(&node, POLL_PATIENCE) => calls,
        () = app.closing.cancelled() => return Err(ApiError::unavailable("the server closes")),
    };
    Ok(answer(json!({"calls": calls})))
}

/// `GET /nodes/{node}/calls/{id}`: becomes a WebSocket.
pub(crate) async fn open(
    State(app): State<Shared>,
    Extension(actor): Extension<Actor>,
    Path((node, id)): Path<(String, String)>,
    caller: Option<Extension<ConnectInfo<Caller>>>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, ApiError> {
    let node = node_of(&node, &actor)?;
    let expected = app.state.calls.expected(&node, &id).ok_or_else(|| {
        ApiError::new(StatusCode::NOT_FOUND, format!("nobody waits for call {id} any more"))
    })?;
    let on = caller.map(|caller| Connection::call(&caller.0.0.0));
    let upgrade =
        upgrade.max_message_size(NODE_MESSAGE_BYTES_MAX).max_frame_size(NODE_MESSAGE_BYTES_MAX);
    Ok(upgrade.on_upgrade(async move |socket| {
        // Who waited may have gone meanwhile: then the connection is closed.
        let _ = expected.send(Opened { socket, on });
    }))
}
