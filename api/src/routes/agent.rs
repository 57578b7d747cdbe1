//! What agents say and ask: their node, their lease, their pods, their usage, their placements.
//!
//! Guarantee: a node speaks only for itself and of no other's pods; a placement list is complete or not given.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::{Extension, Json};
use serde::de::DeserializeOwned;
use setpoint_schemas::{Lease, NodeAnswer, NodeName, NodeRecord, NodeReport, UsageSample};

use super::access::node_only;
use super::heard::{possible, without_others};
use super::{Params, Shared, answer};
use crate::auth::Actor;
use crate::room::{REPORT_BODY_BYTES_MAX, Stay};
use crate::status::ApiError;

/// How long a poll waits for news; below the timeouts of common proxies.
pub(super) const POLL_PATIENCE: Duration = Duration::from_secs(20);

type Done = Result<StatusCode, ApiError>;
type Heard = Result<Json<NodeAnswer>, ApiError>;

/// `PUT /nodes/{node}`.
pub(crate) async fn register(
    State(app): State<Shared>,
    Extension(actor): Extension<Actor>,
    Path(node): Path<String>,
    body: Body,
) -> Heard {
    let node = node_of(&node, &actor)?;
    let (record, _stay): (NodeRecord, _) = read(&app, &node, body).await?;
    same(&node, [&record.node])?;
    app.state.parts.observations.node(record).await?;
    Ok(heard(&app))
}

/// `POST /nodes/{node}/lease`. The interval is said here as well: an engine that comes back with
/// another one knows the node, so nobody registers anew.
pub(crate) async fn lease(
    State(app): State<Shared>,
    Extension(actor): Extension<Actor>,
    Path(node): Path<String>,
    body: Body,
) -> Heard {
    let node = node_of(&node, &actor)?;
    let (lease, _stay): (Lease, _) = read(&app, &node, body).await?;
    same(&node, [&lease.node])?;
    possible(&node, lease.sequence, lease.time_ms)?;
    app.state.parts.observations.lease(lease).await?;
    Ok(heard(&app))
}

/// `POST /nodes/{node}/pods`. Of a report that speaks of another node's pods the rest is taken; the
/// answer is 422 and names them.
pub(crate) async fn pods(
    State(app): State<Shared>,
    Extension(actor): Extension<Actor>,
    Path(node): Path<String>,
    body: Body,
) -> Done {
    let node = node_of(&node, &actor)?;
    let (mut report, _stay): (NodeReport, _) = read(&app, &node, body).await?;
    let observed = report.observed.iter().map(|observed| &observed.node);
    same(&node, observed.chain(report.snapshot.iter().map(|snapshot| &snapshot.node)))?;
    let numbers = report.observed.iter().map(|pod| (pod.sequence, pod.time_ms));
    let snapshot = report.snapshot.iter().map(|snapshot| (snapshot.sequence, snapshot.time_ms));
    for (sequence, time_ms) in numbers.chain(snapshot) {
        possible(&node, sequence, time_ms)?;
    }
    let others = without_others(&app.state.parts.model, &node, &mut report);
    if others.is_ok() || !report.observed.is_empty() || report.snapshot.is_some() {
        app.state.parts.observations.pods(node, report).await?;
    }
    others.map(|()| StatusCode::NO_CONTENT)
}

/// `POST /nodes/{node}/usage`.
pub(crate) async fn usage(
    State(app): State<Shared>,
    Extension(actor): Extension<Actor>,
    Path(node): Path<String>,
    body: Body,
) -> Done {
    let node = node_of(&node, &actor)?;
    let (samples, _stay): (Vec<UsageSample>, _) = read(&app, &node, body).await?;
    same(&node, samples.iter().map(|sample| &sample.node))?;
    app.state.parts.observations.usage(node, samples).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /nodes/{node}/placements?after=EPOCH&term=TERM`: a long poll.
pub(crate) async fn placements(
    State(app): State<Shared>,
    Extension(actor): Extension<Actor>,
    Path(node): Path<String>,
    Query(params): Query<Params>,
) -> Result<Response, ApiError> {
    let node = node_of(&node, &actor)?;
    let seen = (params.number("term")?.unwrap_or(0), params.number("after")?.unwrap_or(-1));
    let _permit = app.state.polls.try_acquire().map_err(|_| {
        let message = "too many polls at once: try again later";
        ApiError::new(StatusCode::TOO_MANY_REQUESTS, message)
    })?;
    let parts = &app.state.parts;
    let list = tokio::select! {
        list = parts.model.poll(&parts.fleet, &node, seen, POLL_PATIENCE) => list,
        () = app.closing.cancelled() => return Err(ApiError::unavailable("the server closes")),
    };
    let list = list.map_err(|error| ApiError::unavailable(error.to_string()))?;
    Ok(answer(serde_json::to_value(list).map_err(|error| {
        let message = format!("failed to render the placements: {error}");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    })?))
}

/// What a node is told that registers or renews its lease.
fn heard(app: &Shared) -> Json<NodeAnswer> {
    Json(NodeAnswer { lease_renew_ms: app.state.parts.lease_renew_ms })
}

pub(super) fn node_of(text: &str, actor: &Actor) -> Result<NodeName, ApiError> {
    let node = NodeName::parse(text).map_err(|error| ApiError::bad_request(error.to_string()))?;
    node_only(actor, &node)?;
    Ok(node)
}

/// Everything in the body must be of the node in the path.
fn same<'a>(
    node: &NodeName,
    named: impl IntoIterator<Item = &'a NodeName>,
) -> Result<(), ApiError> {
    match named.into_iter().find(|named| *named != node) {
        None => Ok(()),
        Some(other) => Err(ApiError::bad_request(format!(
            "the path speaks of node {node}, the body of node {other}"
        ))),
    }
}

/// What the body says, and the node's place in the room while it is worked on.
async fn read<'a, T: DeserializeOwned>(
    app: &'a Shared,
    node: &NodeName,
    body: Body,
) -> Result<(T, Stay<'a>), ApiError> {
    let stay = app.state.nodes.enter(node.as_str(), body, REPORT_BODY_BYTES_MAX).await?;
    let wrong = |error: serde_json::Error| {
        ApiError::bad_request(format!("the body does not read: {error}"))
    };
    let said = serde_json::from_slice(&stay.body).map_err(wrong)?;
    Ok((said, stay))
}
