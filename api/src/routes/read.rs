//! Get and list: as JSON or as a table, whole or in pages.

use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value, json};

use super::object::{chosen, find, shown, wants_table};
use super::{Call, answer, version, watch};
use crate::KindInfo;
use crate::model::Entry;
use crate::render;
use crate::state::now_ms;
use crate::status::ApiError;

/// Get, list or watch, as the path and the query say.
pub(crate) async fn read(call: Call) -> Result<Response, ApiError> {
    let kind = call.kind()?;
    if !call.app.state.parts.model.is_ready() {
        return Err(ApiError::unavailable("this server is not up to date yet"));
    }
    let version = version::awaited(&call).await?;
    let watched = call.target.watch || call.params.flag("watch");
    match (call.target.name.is_empty(), call.target.subresource.as_str()) {
        (_, "") if watched => watch::watch(call, kind, version),
        (true, _) => list(&call, &kind),
        (false, "" | "status") => get(&call, &kind),
        _ => Err(ApiError::no_such_path()),
    }
}

fn get(call: &Call, kind: &KindInfo) -> Result<Response, ApiError> {
    let entry = find(call, kind)?;
    let object = shown(call, &entry);
    if !wants_table(&call.headers) {
        return Ok(answer(object));
    }
    let metadata = json!({"resourceVersion": entry.version().to_string()});
    Ok(answer(render::table(&kind.group, &kind.kind, &[object], &metadata, now_ms())))
}

fn list(call: &Call, kind: &KindInfo) -> Result<Response, ApiError> {
    let selection = call.params.selection()?;
    let max = call.params.number("limit")?.filter(|limit| *limit > 0);
    let max = max.and_then(|max| usize::try_from(max).ok()).unwrap_or(usize::MAX);
    let after = page_after(call.params.get("continue"))?;
    let keep = |entry: &Entry| chosen(call, &selection, entry);
    let page = call.app.state.parts.model.list(&kind.group_kind(), after, max, keep);
    let mut metadata = json!({"resourceVersion": page.epoch.to_string()});
    if let Some((namespace, name)) = &page.next {
        metadata["continue"] = json!(BASE64.encode(format!("{namespace}/{name}")));
    }
    let objects: Vec<Value> = page.entries.iter().map(|entry| shown(call, entry)).collect();
    if wants_table(&call.headers) {
        let table = render::table(&kind.group, &kind.kind, &objects, &metadata, now_ms());
        return Ok(answer(table));
    }
    Ok(answer(json!({
        "kind": format!("{}List", kind.kind), "apiVersion": kind.api_version(),
        "metadata": metadata, "items": objects,
    })))
}

/// Where the earlier page ended.
fn page_after(token: &str) -> Result<Option<(String, String)>, ApiError> {
    if token.is_empty() {
        return Ok(None);
    }
    let text = BASE64.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let parts = text.as_deref().and_then(|text| text.split_once('/'));
    let wrong = || ApiError::bad_request("the continue token is not one of this server");
    let (namespace, name) = parts.ok_or_else(wrong)?;
    Ok(Some((namespace.to_owned(), name.to_owned())))
}
