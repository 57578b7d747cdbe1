//! The routes: Kubernetes' paths, the agents' paths, our own verbs, health.

mod guard;
mod params;
mod access;

mod health;
mod discovery;
mod openapi;
mod object;
mod version;
mod read;
mod watch;
mod events;
mod write;
mod conditions;
mod prepare;
mod patch;
mod submit;
mod foresee;
mod scale;
mod pod;
mod delete;

mod meant;
mod logs;
mod exec;
mod forward;

mod agent;
mod heard;
mod calls;
mod apply;
mod verbs;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, Method, Uri};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post, put};
use axum::{Extension, extract::Query};
use tokio_util::sync::CancellationToken;

use access::Act;

use crate::auth::{Actor, Tokens};
use crate::connections::Connection;
use crate::door::Caller;
use crate::elsewhere;
use crate::room::REQUEST_BODY_BYTES_MAX;
use crate::status::ApiError;
use crate::target::Target;

pub(crate) use params::Params;

/// A server: its state, who may call, and whether it closes.
pub(crate) struct App {
    pub(crate) state: Arc<crate::state::Shared>,
    /// Without tokens every caller is the local admin; only allowed at the loopback interface.
    pub(crate) tokens: Option<Tokens>,
    pub(crate) closing: CancellationToken,
}

/// What every handler is given.
pub(crate) type Shared = Arc<App>;

/// All routes.
pub(crate) fn router(app: Shared) -> Router {
    let own = Router::new()
        .route("/nodes/{node}", put(agent::register))
        .route("/nodes/{node}/lease", post(agent::lease))
        .route("/nodes/{node}/placements", get(agent::placements))
        .route("/nodes/{node}/pods", post(agent::pods))
        .route("/nodes/{node}/usage", post(agent::usage))
        .route("/nodes/{node}/calls", get(calls::take))
        .route("/nodes/{node}/calls/{id}", get(calls::open))
        .route("/nodes/{node}/confirm-lost", post(verbs::confirm_lost))
        .route("/namespaces/{namespace}/{kind}/{name}/undo", post(verbs::undo))
        .route("/namespaces/{namespace}/{kind}/{name}/history", get(verbs::history))
        .route("/apply", post(apply::apply))
        .route("/explain", get(verbs::explain))
        .route("/decisions", get(verbs::decisions))
        .route("/log", get(verbs::extent))
        .route("/log/{topic}/{partition}", get(verbs::log))
        .route("/deadletter", get(verbs::dead_letters))
        .route("/deadletter/{topic}/{partition}/{offset}/replay", post(verbs::replay))
        .route("/status", get(verbs::status));
    Router::new()
        .route("/livez", get(health::livez))
        .route("/healthz", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .route("/version", get(discovery::version))
        .route("/api", get(discovery::core_versions))
        .route("/apis", get(discovery::groups))
        .route("/openapi/v2", get(openapi::openapi))
        .nest("/setpoint/v1", own)
        .fallback(any(kubernetes))
        .layer(from_fn_with_state(app.clone(), guard::guard))
        .with_state(app)
}

/// One call to a Kubernetes path.
pub(crate) struct Call {
    pub(crate) app: Shared,
    pub(crate) actor: Actor,
    pub(crate) target: Target,
    pub(crate) params: Params,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Whether a call offers to speak on over a WebSocket.
type Offered = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

async fn kubernetes(
    State(app): State<Shared>,
    Extension(actor): Extension<Actor>,
    Query(params): Query<Params>,
    (caller, offer): (Option<Extension<ConnectInfo<Caller>>>, Offered),
    (method, uri, headers): (Method, Uri, HeaderMap),
    body: axum::body::Body,
) -> Result<Response, ApiError> {
    if let Some(answer) = discovery::resources(&app, &method, uri.path()) {
        return Ok(answer);
    }
    let target = Target::parse(uri.path()).ok_or_else(ApiError::no_such_path)?;
    let act = match method {
        // To run a command, or to speak with a program, is to change what runs, by whatever method.
        Method::GET | Method::POST
            if matches!(target.subresource.as_str(), "exec" | "portforward") =>
        {
            Act::Write
        }
        Method::GET => Act::Read,
        Method::DELETE if !target.name.is_empty() => Act::Delete,
        Method::POST | Method::PUT | Method::PATCH | Method::DELETE => Act::Write,
        _ => return Err(ApiError::method_not_allowed()),
    };
    let mut call = Call { app: app.clone(), actor, target, params, headers, body: Bytes::new() };
    if call.target.group.is_empty() && call.target.plural == "events" {
        return events::list(call).await;
    }
    let kind = call.kind()?;
    call.allow(act, &kind)?;
    if let ("pods", Some(where_it_is)) =
        (call.target.plural.as_str(), elsewhere::of_pod(&call.target.subresource))
    {
        let code = axum::http::StatusCode::NOT_IMPLEMENTED;
        return Err(ApiError::new(code, where_it_is));
    }
    match (call.target.plural.as_str(), call.target.subresource.as_str(), &method) {
        ("pods", "log", &Method::GET) => return logs::log(call).await,
        ("pods", "exec", &Method::GET | &Method::POST) => {
            let on = caller.map(|caller| Connection::call(&caller.0.0.0));
            return exec::exec(call, exec::words(uri.query()), (offer.ok(), on)).await;
        }
        ("pods", "portforward", &Method::GET | &Method::POST) => {
            let on = caller.map(|caller| Connection::call(&caller.0.0.0));
            return forward::forward(call, (offer.ok(), on)).await;
        }
        _ => {}
    }
    // From here on the caller may: only now its body is waited for, and only then it has a turn.
    let stay = match act {
        Act::Read => None,
        Act::Write | Act::Delete => {
            let clients = &app.state.clients;
            Some(clients.enter(&call.actor.name, body, REQUEST_BODY_BYTES_MAX).await?)
        }
    };
    call.body = stay.as_ref().map_or_else(Bytes::new, |stay| stay.body.clone());
    let collection = call.target.name.is_empty();
    match method {
        Method::GET if call.target.subresource == "scale" => scale::get(&call),
        Method::GET => read::read(call).await,
        Method::POST if collection => Box::pin(write::create(call)).await,
        Method::POST if call.target.subresource == "eviction" => delete::delete(call).await,
        Method::PUT if !collection => Box::pin(write::update(call)).await,
        Method::PATCH if !collection => Box::pin(write::patch(call)).await,
        Method::DELETE if collection => delete::delete_collection(call).await,
        Method::DELETE => delete::delete(call).await,
        _ => Err(ApiError::method_not_allowed()),
    }
}

/// A JSON answer.
pub(crate) fn answer(value: serde_json::Value) -> Response {
    axum::Json(value).into_response()
}
