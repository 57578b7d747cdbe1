//! From items to the leader's verdict, and from the verdict to an answer.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use setpoint_schemas::{REQUEST_BYTES_MAX, Request, RequestItem};

use super::Call;
use crate::KindInfo;
use crate::auth::Actor;
use crate::ports::{ItemVerdict, SubmitError, Verdict};
use crate::state::{Shared, now_ms};
use crate::status::ApiError;

/// A verdict is committed before it is told, so the model follows within moments; a reader that
/// would wait longer is answered all the same.
const MODEL_PATIENCE: Duration = Duration::from_secs(5);

/// Submits items as one request and waits until their outcome can be read.
pub(crate) async fn submit(
    state: &Shared,
    actor: &Actor,
    manager: (String, bool),
    items: Vec<RequestItem>,
) -> Result<Verdict, ApiError> {
    let request = request_of(state, actor, manager, items)?;
    let verdict = state.parts.requests.submit(request).await?;
    state.parts.model.reached(verdict.epoch, MODEL_PATIENCE).await;
    Ok(verdict)
}

/// Items as one request, within the bound of its record.
pub(crate) fn request_of(
    state: &Shared,
    actor: &Actor,
    (manager, force): (String, bool),
    items: Vec<RequestItem>,
) -> Result<Request, ApiError> {
    let bytes = items.iter().map(size_of).sum::<usize>();
    if bytes > REQUEST_BYTES_MAX {
        return Err(SubmitError::TooLarge { bytes, max: REQUEST_BYTES_MAX }.into());
    }
    Ok(Request {
        id: state.request_id(),
        time_ms: now_ms(),
        actor: actor.name.clone(),
        field_manager: manager,
        force,
        items,
    })
}

impl Call {
    /// Submits one item; a refusal becomes an error.
    pub(crate) async fn submit_one(
        &self,
        kind: &KindInfo,
        item: RequestItem,
    ) -> Result<ItemVerdict, ApiError> {
        let name = item.name.clone();
        let creates = item.verb == setpoint_schemas::Verb::Create;
        let manager = (self.params.manager(&self.headers), self.params.flag("force"));
        let verdict = submit(&self.app.state, &self.actor, manager, vec![item]).await?;
        only_item(kind, &name, verdict, creates)
    }
}

/// The answer to the only item of a request; a refusal becomes an error.
pub(crate) fn only_item(
    kind: &KindInfo,
    name: &str,
    verdict: Verdict,
    creates: bool,
) -> Result<ItemVerdict, ApiError> {
    match verdict.items.into_iter().next() {
        Some(item) if verdict.accepted => Ok(item),
        Some(item) => Err(refused(kind, name, &item, &verdict.reason, creates)),
        None => Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, verdict.reason)),
    }
}

/// The error of a refused item.
fn refused(
    kind: &KindInfo,
    name: &str,
    item: &ItemVerdict,
    reason: &str,
    creates: bool,
) -> ApiError {
    let said = if item.message.is_empty() { reason } else { &item.message };
    match item.code {
        404 => ApiError::not_found(kind, name),
        409 if creates => {
            let message = format!("{} {name:?} already exists", kind.qualified());
            ApiError::new(StatusCode::CONFLICT, message).because("AlreadyExists").about(
                kind,
                name,
                &[],
            )
        }
        409 => {
            let message =
                format!("Operation cannot be fulfilled on {} {name:?}: {said}", kind.qualified());
            ApiError::new(StatusCode::CONFLICT, message).about(kind, name, &[])
        }
        422 => {
            // The leader says the beginning of Kubernetes' sentence too.
            let beginning = format!("{} {name:?} is invalid: ", kind.kind);
            let mistake = said.strip_prefix(&beginning).unwrap_or(said);
            ApiError::invalid(kind, name, &[mistake.to_owned()])
        }
        code => {
            let code = StatusCode::from_u16(code).ok().filter(|code| !code.is_success());
            let code = code.unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
            ApiError::new(code, said).about(kind, name, &[])
        }
    }
}

/// Warnings as HTTP headers, which kubectl prints.
pub(crate) fn warning_headers(warnings: &[String]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for warning in warnings.iter().take(WARNINGS_MAX) {
        let plain: String = warning
            .chars()
            .map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' })
            .collect();
        let text = format!("299 - \"{}\"", plain.replace('\\', "\\\\").replace('"', "\\\""));
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.append(header::WARNING, value);
        }
    }
    headers
}

/// Headers are bounded in clients; the first few warnings say enough.
const WARNINGS_MAX: usize = 20;

/// At least the bytes of an item's Avro encoding.
fn size_of(item: &RequestItem) -> usize {
    item.body.len() + item.name.len() + item.namespace.len() + item.kind.len() + 32
}
