//! Our own verbs under `/setpoint/v1`: why, what was decided, what is on the log, how things stand.

use std::str::FromStr;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};
use setpoint_schemas::{PodUid, RequestItem, Verb};

use super::access::{admin_only, people_only};
use super::prepare::parse;
use super::submit::submit;
use super::{Params, Shared, answer};
use crate::auth::Actor;
use crate::model::Kept;
use crate::room::REQUEST_BODY_BYTES_MAX;
use crate::status::ApiError;

/// Decisions in one answer, unless fewer are asked for.
const DECISIONS_LISTED_MAX: i64 = 1_000;
/// Records of the log in one answer.
const RECORDS_LISTED_MAX: i64 = 1_000;
/// When the caller does not say how many.
const LISTED_DEFAULT: i64 = 100;

type Answer = Result<Response, ApiError>;

/// `GET /explain?kind=&namespace=&name=`.
pub(crate) async fn explain(
    State(app): State<Shared>,
    Extension(actor): Extension<Actor>,
    Query(params): Query<Params>,
) -> Answer {
    people_only(&actor)?;
    let word = params.get("kind");
    let kind = app.state.catalogue.of_word(word);
    let kind = kind.ok_or_else(|| ApiError::bad_request(format!("unknown kind {word:?}")))?;
    let name = params.get("name");
    if name.is_empty() {
        return Err(ApiError::bad_request("explain needs a name"));
    }
    let given = Some(params.get("namespace")).filter(|namespace| !namespace.is_empty());
    let namespace = if kind.namespaced { given.unwrap_or("default") } else { "" };
    let explain = &app.state.parts.explain;
    let told = explain.explain(kind.kind.clone(), namespace.to_owned(), name.to_owned()).await?;
    Ok(answer(told))
}

/// `GET /decisions?pod=&namespace=&resource=&since=&limit=`: newest first. `pod` is a uid, or a name
/// with or without `pod/` before it, in the namespace or in all; `resource` a key or a part of one,
/// `since` an epoch.
pub(crate) async fn decisions(
    State(app): State<Shared>,
    Extension(actor): Extension<Actor>,
    Query(params): Query<Params>,
) -> Answer {
    people_only(&actor)?;
    let model = &app.state.parts.model;
    let (pod, resource) = (params.get("pod"), params.get("resource"));
    let pod = pod.strip_prefix("pod/").or_else(|| pod.strip_prefix("pods/")).unwrap_or(pod);
    let namespace = Some(params.get("namespace")).filter(|namespace| !namespace.is_empty());
    let since = params.number("since")?.unwrap_or(0);
    let limit = limit_of(&params, "limit", DECISIONS_LISTED_MAX)?;
    let mut meant = if pod.is_empty() { Vec::new() } else { model.pod_uids(namespace, pod) };
    meant.extend(PodUid::parse(pod));
    let keep = |decision: &dyn Kept| {
        let about = decision.about();
        let of_pod = pod.is_empty() || about.pod.is_some_and(|uid| meant.contains(&uid));
        let of_resource = resource.is_empty() || about.resource.contains(resource);
        of_pod && of_resource && decision.epoch() >= since
    };
    let decisions = model.decisions(limit, keep);
    let decisions: Vec<Value> = decisions.iter().map(|kept| model.told(&kept.record())).collect();
    Ok(answer(json!({"decisions": decisions})))
}

/// `POST /nodes/{node}/confirm-lost?force=`: a node that renews its lease is lost by force only.
pub(crate) async fn confirm_lost(
    State(app): State<Shared>,
    Extension(actor): Extension<Actor>,
    Path(node): Path<String>,
    Query(params): Query<Params>,
) -> Answer {
    admin_only(&actor)?;
    let _stay = app.state.clients.enter(&actor.name, Body::empty(), 0).await?;
    let item = item(Verb::ConfirmLost, ("v1", "Node"), "", &node, String::new());
    decide(&app, &actor, item, params.flag("force")).await
}

/// The kind with revisions of this plural.
fn with_revisions(plural: &str) -> Result<&'static str, ApiError> {
    match plural {
        "deployments" => Ok("Deployment"),
        "statefulsets" => Ok("StatefulSet"),
        "daemonsets" => Ok("DaemonSet"),
        other => {
            let message =
                format!("{other} have no revisions; deployments, statefulsets and daemonsets have");
            Err(ApiError::new(StatusCode::NOT_FOUND, message))
        }
    }
}

/// `POST /namespaces/{ns}/{deployments|statefulsets|daemonsets}/{name}/undo` with `{"toRevision": n}`, 0 for the one before.
pub(crate) async fn undo(
    State(app): State<Shared>,
    Extension(actor): Extension<Actor>,
    Path((namespace, plural, name)): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    admin_only(&actor)?;
    let kind = ("apps/v1", with_revisions(&plural)?);
    let stay = app.state.clients.enter(&actor.name, body, REQUEST_BODY_BYTES_MAX).await?;
    let asked = if stay.body.is_empty() { json!({}) } else { parse(&headers, &stay.body)? };
    let revision = match &asked["toRevision"] {
        Value::Null => 0,
        value => value
            .as_i64()
            .filter(|revision| *revision >= 0)
            .ok_or_else(|| ApiError::bad_request("toRevision is a number of at least 0"))?,
    };
    let body = json!({"toRevision": revision}).to_string();
    decide(&app, &actor, item(Verb::RolloutUndo, kind, &namespace, &name, body), false).await
}

/// `GET /namespaces/{ns}/{deployments|statefulsets|daemonsets}/{name}/history`.
pub(crate) async fn history(
    State(app): State<Shared>,
    Extension(actor): Extension<Actor>,
    Path((namespace, plural, name)): Path<(String, String, String)>,
) -> Answer {
    people_only(&actor)?;
    let kind = with_revisions(&plural)?;
    Ok(answer(app.state.parts.explain.history(kind, namespace, name).await?))
}

/// `GET /log`: which partitions there are, and what they hold.
pub(crate) async fn extent(
    State(app): State<Shared>,
    Extension(actor): Extension<Actor>,
) -> Answer {
    people_only(&actor)?;
    Ok(answer(app.state.parts.log.extent().await?))
}

/// `GET /log/{topic}/{partition}?from=&max=&raw=`: decoded for people, or with `raw=true` as the records
/// stand there, for an administrator: environments of Pods are among them.
pub(crate) async fn log(
    State(app): State<Shared>,
    Extension(actor): Extension<Actor>,
    Path((topic, partition)): Path<(String, String)>,
    Query(params): Query<Params>,
) -> Answer {
    people_only(&actor)?;
    let partition = number_of("partition", &partition)?;
    let from = params.number("from")?.unwrap_or(0);
    let max = limit_of(&params, "max", RECORDS_LISTED_MAX)?;
    if params.flag("raw") {
        admin_only(&actor)?;
        return Ok(answer(app.state.parts.log.raw(topic, partition, from, max).await?));
    }
    Ok(answer(app.state.parts.log.log(topic, partition, from, max).await?))
}

/// `GET /deadletter?limit=`.
pub(crate) async fn dead_letters(
    State(app): State<Shared>,
    Extension(actor): Extension<Actor>,
    Query(params): Query<Params>,
) -> Answer {
    people_only(&actor)?;
    let limit = limit_of(&params, "limit", RECORDS_LISTED_MAX)?;
    Ok(answer(app.state.parts.log.dead_letters(limit).await?))
}

/// `POST /deadletter/{topic}/{partition}/{offset}/replay`.
pub(crate) async fn replay(
    State(app): State<Shared>,
    Extension(actor): Extension<Actor>,
    Path((topic, partition, offset)): Path<(String, String, String)>,
) -> Answer {
    admin_only(&actor)?;
    let partition = number_of("partition", &partition)?;
    let offset = number_of("offset", &offset)?;
    let _stay = app.state.clients.enter(&actor.name, Body::empty(), 0).await?;
    Ok(answer(app.state.parts.log.replay(topic, partition, offset).await?))
}

/// `GET /status`.
pub(crate) async fn status(
    State(app): State<Shared>,
    Extension(actor): Extension<Actor>,
) -> Answer {
    people_only(&actor)?;
    let summary = app.state.parts.model.summary();
    Ok(answer(json!({
        "fleet": app.state.parts.fleet, "version": app.state.parts.version,
        "term": summary.term, "epoch": summary.epoch, "timeMs": summary.time_ms,
        "role": summary.role, "ready": summary.ready,
        "nodes": {
            "total": summary.nodes, "lost": summary.nodes_lost,
            "notReady": summary.nodes_not_ready,
        },
        "pods": {
            "placed": summary.placed, "ready": summary.pods_ready,
            "waiting": summary.waiting, "stopping": summary.stopping,
        },
        "holds": summary.holds,
        "behind": { "records": summary.behind_records },
    })))
}

/// Submits one item and answers with its outcome.
async fn decide(app: &Shared, actor: &Actor, item: RequestItem, force: bool) -> Answer {
    let verdict = submit(&app.state, actor, ("setpoint".to_owned(), force), vec![item]).await?;
    let outcome = verdict.items.first();
    if verdict.accepted {
        let message = outcome.map_or("", |item| &item.message);
        return Ok(answer(json!({
            "accepted": true, "epoch": verdict.epoch, "message": message,
            "result": outcome.map_or("unchanged", |item| item.outcome.word()),
        })));
    }
    let code = outcome.and_then(|item| StatusCode::from_u16(item.code).ok());
    let code = code.filter(|code| !code.is_success()).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
    let said = outcome.map(|item| item.message.as_str()).filter(|message| !message.is_empty());
    Err(ApiError::new(code, said.unwrap_or(&verdict.reason)))
}

fn item(
    verb: Verb,
    (api_version, kind): (&str, &str),
    namespace: &str,
    name: &str,
    body: String,
) -> RequestItem {
    RequestItem {
        verb,
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        subresource: String::new(),
        body,
        expected_version: None,
    }
}

/// A number in the path.
fn number_of<T: FromStr>(what: &str, text: &str) -> Result<T, ApiError> {
    text.parse().map_err(|_| ApiError::bad_request(format!("there is no {what} {text:?}")))
}

fn limit_of(params: &Params, name: &str, max: i64) -> Result<usize, ApiError> {
    let limit = params.number(name)?.unwrap_or(LISTED_DEFAULT).clamp(1, max);
    Ok(usize::try_from(limit).unwrap_or(1))
}
