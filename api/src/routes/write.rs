//! Create, update and patch: each becomes one request with one item.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use setpoint_schemas::{RequestItem, Verb, strip_server_fields};

use super::object::{find, shown};
use super::patch::{patched, verb_of, without_version};
use super::prepare::{Prepared, parse, prepare, text, version_of};
use super::submit::warning_headers;
use super::{Call, answer, conditions, pod, scale};
use crate::KindInfo;
use crate::model::Entry;
use crate::ports::Ignored;
use crate::secrets;
use crate::status::ApiError;

/// A Secret's patch is tried on the open object and then sent whole; so often when others write
/// it at the same time.
const SECRET_PATCH_TRIES: usize = 5;

/// `POST` on a collection.
pub(crate) async fn create(call: Call) -> Result<Response, ApiError> {
    let kind = call.kind()?;
    let mut object = parse(&call.headers, &call.body)?;
    held_against(&kind, &object)?;
    name_generated(&call, &mut object);
    let prepared = call.prepare(object, None)?;
    let item = item_of(&prepared, Verb::Create, None);
    if call.params.dry_run() {
        return dry(&call, StatusCode::CREATED, &prepared, item).await;
    }
    call.submit_one(&kind, item).await?;
    Ok(written(&call, &prepared, StatusCode::CREATED))
}

/// `PUT` on an object.
pub(crate) async fn update(call: Call) -> Result<Response, ApiError> {
    let kind = call.kind()?;
    let mut object = parse(&call.headers, &call.body)?;
    if call.target.subresource == "scale" {
        return scale::set(&call, &kind, &object).await;
    }
    held_against(&kind, &object)?;
    let entry = find(&call, &kind)?;
    if call.target.subresource == "finalize" {
        return finalize(&call, &kind, &entry, &object).await;
    }
    if call.target.subresource == "status" {
        return status(&call, &kind, Verb::Update, &object).await;
    }
    pod::may_change(&kind, &entry)?;
    pod::without_its_place(&mut object, &entry);
    let prepared = call.prepare(object, Some(&entry))?;
    let version = expected(&kind, &entry, prepared.version)?;
    // A node that registered itself has no Node resource until someone asks something of it.
    let verb = if entry.resource().is_some() { Verb::Update } else { Verb::Create };
    let item = item_of(&prepared, verb, version);
    if call.params.dry_run() {
        return dry(&call, StatusCode::OK, &prepared, item).await;
    }
    call.submit_one(&kind, item).await?;
    Ok(written(&call, &prepared, StatusCode::OK))
}

/// `PATCH` on an object.
pub(crate) async fn patch(call: Call) -> Result<Response, ApiError> {
    let kind = call.kind()?;
    let verb = verb_of(&call.headers)?;
    let patch = parse(&call.headers, &call.body)?;
    match (call.target.subresource.as_str(), verb) {
        ("scale", _) => scale::patch(&call, &kind, verb, &patch).await,
        ("status", _) => status(&call, &kind, verb, &patch).await,
        ("", Verb::Apply) => apply(&call, &kind, patch).await,
        ("", _) => patch_object(&call, &kind, verb, patch).await,
        _ => Err(ApiError::no_such_path()),
    }
}

impl Call {
    /// Prepares an object that is to stand where `stored` does.
    fn prepare(&self, object: Value, stored: Option<&Entry>) -> Result<Prepared, ApiError> {
        let place = (self.target.namespace.as_str(), self.target.name.as_str());
        let stored = stored.map(|entry| {
            let mut stored = shown(self, entry);
            strip_server_fields(&mut stored);
            stored
        });
        let ignored = match &stored {
            _ if self.params.flag("allowIgnored") => Ignored::Allowed,
            Some(stored) => Ignored::AsStored(stored),
            None => Ignored::Refused,
        };
        prepare(&self.app.state, object, place, ignored)
    }
}

async fn patch_object(
    call: &Call,
    kind: &KindInfo,
    verb: Verb,
    patch: Value,
) -> Result<Response, ApiError> {
    let mut tries = SECRET_PATCH_TRIES;
    loop {
        tries -= 1;
        let entry = find(call, kind)?;
        pod::may_change(kind, &entry)?;
        let mut object = shown(call, &entry);
        patched(verb, &mut object, &patch)?;
        held_against(kind, &object)?;
        let prepared = call.prepare(object, Some(&entry))?;
        let asked = if patch.is_object() { version_of(&patch)? } else { None };
        let asked = expected(kind, &entry, asked)?;
        let secret = secrets::is_secret(&prepared.object);
        let item = match entry.resource() {
            None => item_of(&prepared, Verb::Create, None),
            // The values of a Secret are sealed where they stand, so the whole is sent.
            Some(resource) if secret => item_of(&prepared, Verb::Update, Some(resource.version)),
            Some(_) => {
                let body = without_version(patch.clone()).to_string();
                RequestItem { body, ..item_of(&prepared, verb, asked) }
            }
        };
        if call.params.dry_run() {
            return dry(call, StatusCode::OK, &prepared, item).await;
        }
        match call.submit_one(kind, item).await {
            Ok(_) => return Ok(written(call, &prepared, StatusCode::OK)),
            Err(error)
                if secret && error.code == StatusCode::CONFLICT && asked.is_none() && tries > 0 => {
            }
            Err(error) => return Err(error),
        }
    }
}

/// Server-side apply of one object.
async fn apply(call: &Call, kind: &KindInfo, object: Value) -> Result<Response, ApiError> {
    held_against(kind, &object)?;
    let entry = find(call, kind).ok();
    let mut prepared = call.prepare(object, entry.as_ref())?;
    let code = if entry.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    let item = item_of(&prepared, Verb::Apply, prepared.version);
    if call.params.dry_run() {
        return dry(call, code, &prepared, item).await;
    }
    let told = call.submit_one(kind, item).await?.message;
    prepared.warnings.extend(Some(told).filter(|told| !told.is_empty()));
    Ok(written(call, &prepared, code))
}

/// A write to `…/status` is answered as Kubernetes answers one that changes nothing, by the object as it is:
/// its status is the leader's to write, and the rest of it is not written there. Of pods others set
/// conditions.
async fn status(
    call: &Call,
    kind: &KindInfo,
    verb: Verb,
    body: &Value,
) -> Result<Response, ApiError> {
    let entry = find(call, kind)?;
    if !matches!(entry, Entry::Pod(_)) {
        return Ok(answer(shown(call, &entry)));
    }
    let asked = if body.is_object() { version_of(body)? } else { None };
    expected(kind, &entry, asked)?;
    conditions::write(call, kind, entry, (verb, body, asked.is_some())).await
}

/// A write to `…/finalize` of a namespace: of the body its `spec.finalizers` count.
async fn finalize(
    call: &Call,
    kind: &KindInfo,
    entry: &Entry,
    object: &Value,
) -> Result<Response, ApiError> {
    if kind.kind != "Namespace" || !kind.group.is_empty() {
        return Err(ApiError::no_such_path());
    }
    let item = RequestItem {
        verb: Verb::Update,
        api_version: kind.api_version(),
        kind: kind.kind.clone(),
        namespace: String::new(),
        name: entry.name().to_owned(),
        subresource: "finalize".to_owned(),
        body: object.to_string(),
        expected_version: expected(kind, entry, version_of(object)?)?,
    };
    if call.params.dry_run() {
        return Ok(answer(call.foreseen_object(kind, item).await?));
    }
    call.submit_one(kind, item).await?;
    let left = find(call, kind);
    Ok(answer(left.map_or_else(|_| object.clone(), |entry| shown(call, &entry))))
}

/// One item of a request.
pub(crate) fn item_of(prepared: &Prepared, verb: Verb, version: Option<i64>) -> RequestItem {
    RequestItem {
        verb,
        api_version: prepared.api_version.clone(),
        kind: prepared.kind.kind.clone(),
        namespace: prepared.namespace.clone(),
        name: prepared.name.clone(),
        subresource: String::new(),
        body: prepared.object.to_string(),
        expected_version: version,
    }
}

/// The answer to a write: the object as it is now.
fn written(call: &Call, prepared: &Prepared, code: StatusCode) -> Response {
    let kind = prepared.kind.group_kind();
    let model = &call.app.state.parts.model;
    let entry = model.get(&kind, &prepared.namespace, &prepared.name);
    let object = match &entry {
        Some(entry) => shown(call, entry),
        None => secrets::opened(&call.app.state.parts.sealer, prepared.object.clone()),
    };
    (code, warning_headers(&prepared.warnings), answer(object)).into_response()
}

/// The answer to a dry run: the object as it would be.
async fn dry(
    call: &Call,
    code: StatusCode,
    prepared: &Prepared,
    item: RequestItem,
) -> Result<Response, ApiError> {
    let object = call.foreseen_object(&prepared.kind, item).await?;
    Ok((code, warning_headers(&prepared.warnings), answer(object)).into_response())
}

/// The version that the *resource* must have when the asker names the one of the object. A pod
/// and a node change by observation too, so theirs are held against what is served.
pub(crate) fn expected(
    kind: &KindInfo,
    entry: &Entry,
    asked: Option<i64>,
) -> Result<Option<i64>, ApiError> {
    let Some(asked) = asked else { return Ok(None) };
    if matches!(entry, Entry::Resource(_)) {
        return Ok(Some(asked));
    }
    if asked == entry.version() {
        return Ok(entry.resource().map(|resource| resource.version));
    }
    let message = format!(
        "Operation cannot be fulfilled on {} {:?}: the object has been modified; please apply your \
         changes to the latest version and try again",
        kind.qualified(),
        entry.name()
    );
    Err(ApiError::new(StatusCode::CONFLICT, message).about(kind, entry.name(), &[]))
}

/// The body's kind must be the path's.
fn held_against(kind: &KindInfo, object: &Value) -> Result<(), ApiError> {
    let found = text(&object["kind"]);
    let group = text(&object["apiVersion"]);
    let group = group.split_once('/').map_or("", |(group, _)| group);
    if found == kind.kind && group == kind.group {
        return Ok(());
    }
    Err(ApiError::bad_request(format!(
        "the object is a {:?} of group {group:?}, the path is of {:?} of group {:?}",
        found, kind.kind, kind.group
    )))
}

fn name_generated(call: &Call, object: &mut Value) {
    let prefix = text(&object["metadata"]["generateName"]);
    if text(&object["metadata"]["name"]).is_empty() && !prefix.is_empty() {
        let id = call.app.state.request_id();
        let suffix: String = id.as_str().chars().rev().filter(|c| *c != '-').take(8).collect();
        object["metadata"]["name"] = json!(format!("{prefix}{suffix}"));
    }
}
