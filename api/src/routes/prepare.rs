//! An object on its way in: parsed, held against its path, checked by the gate, sealed.

use std::sync::Arc;

use axum::http::{HeaderMap, header};
use serde_json::{Map, Value, json};
use setpoint_schemas::{Namespace, ResourceName, strip_server_fields};

use crate::KindInfo;
use crate::json::{self, Wrong};
use crate::ports::Ignored;
use crate::secrets;
use crate::state::Shared;
use crate::status::ApiError;

/// An object that may become part of a request.
pub(crate) struct Prepared {
    pub(crate) kind: Arc<KindInfo>,
    /// As applied: without status and server metadata, Secrets sealed.
    pub(crate) object: Value,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) api_version: String,
    /// The version that the object must still have, if it says so.
    pub(crate) version: Option<i64>,
    pub(crate) warnings: Vec<String>,
}

/// A body as JSON; YAML is read too where the content type says so. A key that stands twice in one
/// map is refused in both.
pub(crate) fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Value, ApiError> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or("application/json");
    // No serde message is passed on: it may quote a Secret's value.
    let wrong = |what: &str, line: usize, column: usize| {
        ApiError::bad_request(format!("the body is not {what} (line {line}, column {column})"))
    };
    let (line, column) = match json::read(body) {
        Ok(value) => return Ok(value),
        // Kubernetes' words when it validates strictly; it is never less strict here.
        Err(Wrong::Twice(path)) => {
            let message = format!("strict decoding error: duplicate field {path:?}");
            return Err(ApiError::bad_request(message));
        }
        Err(Wrong::Syntax { line, column }) => (line, column),
    };
    if kind.contains("yaml") {
        let text = std::str::from_utf8(body).map_err(|_| wrong("UTF-8", 0, 0))?;
        return serde_saphyr::from_str(text).map_err(|_| wrong("YAML", 0, 0));
    }
    Err(wrong("JSON", line, column))
}

/// Prepares an object. `namespace` and `name` come from the path; empty ones are not demanded.
pub(crate) fn prepare(
    state: &Shared,
    mut object: Value,
    (namespace, name): (&str, &str),
    ignored: Ignored<'_>,
) -> Result<Prepared, ApiError> {
    let kind = kind_of(state, &object)?;
    settle_place(&kind, &mut object, namespace, name)?;
    let namespace = text(&object["metadata"]["namespace"]);
    let name = text(&object["metadata"]["name"]);
    let version = version_of(&object)?;
    strip_server_fields(&mut object);
    let gated = state.parts.gate.check(&object, ignored);
    let secret = secrets::is_secret(&object);
    let hide = |text: &String| {
        if secret { secrets::redacted(&object, text) } else { text.clone() }
    };
    let gated = gated.map_err(|mistakes| {
        let mistakes: Vec<String> = mistakes.iter().map(hide).collect();
        ApiError::invalid(&kind, &name, &mistakes)
    })?;
    let warnings = gated.warnings.iter().map(hide).collect();
    if secret {
        object = secrets::sealed(&state.parts.sealer, object)
            .map_err(|mistakes| ApiError::invalid(&kind, &name, &mistakes))?;
    }
    let api_version = text(&object["apiVersion"]);
    Ok(Prepared { kind, object, namespace, name, api_version, version, warnings })
}

/// The version that an object or patch wants to have been made from.
pub(crate) fn version_of(object: &Value) -> Result<Option<i64>, ApiError> {
    let text = match &object["metadata"]["resourceVersion"] {
        Value::String(text) if !text.is_empty() => text,
        _ => return Ok(None),
    };
    let wrong = |_| ApiError::bad_request(format!("invalid resourceVersion {text:?}"));
    text.parse().map(Some).map_err(wrong)
}

fn kind_of(state: &Shared, object: &Value) -> Result<Arc<KindInfo>, ApiError> {
    if !object.is_object() {
        return Err(ApiError::bad_request("the body is not an object"));
    }
    let (api_version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
    if api_version.is_empty() || kind.is_empty() {
        return Err(ApiError::bad_request("the object has no apiVersion or no kind"));
    }
    let found = state.catalogue.of_object(&api_version, &kind);
    found.cloned().ok_or_else(|| {
        let message = format!("no matches for kind {kind:?} in version {api_version:?}");
        ApiError::bad_request(message)
    })
}

/// Namespace and name: the path's, the object's, or the defaults; they must not disagree.
fn settle_place(
    kind: &KindInfo,
    object: &mut Value,
    namespace: &str,
    name: &str,
) -> Result<(), ApiError> {
    if !object["metadata"].is_object() {
        object["metadata"] = Value::Object(Map::new());
    }
    let metadata = &mut object["metadata"];
    let own = text(&metadata["namespace"]);
    let own_name = text(&metadata["name"]);
    if kind.namespaced {
        if !own.is_empty() && !namespace.is_empty() && own != namespace {
            return Err(ApiError::bad_request(format!(
                "the namespace of the object ({own}) does not match the one of the path ({namespace})"
            )));
        }
        let settled = [own.as_str(), namespace, "default"].into_iter().find(|ns| !ns.is_empty());
        metadata["namespace"] = json!(settled);
    } else if let Some(metadata) = metadata.as_object_mut() {
        metadata.remove("namespace");
    }
    if !name.is_empty() && !own_name.is_empty() && name != own_name {
        return Err(ApiError::bad_request(format!(
            "the name of the object ({own_name}) does not match the one of the path ({name})"
        )));
    }
    let settled = if own_name.is_empty() { name.to_owned() } else { own_name };
    object["metadata"]["name"] = json!(settled);
    let named = ResourceName::parse(&settled).map(drop);
    let housed = match kind.namespaced {
        true => Namespace::parse(&text(&object["metadata"]["namespace"])).map(drop),
        false => Ok(()),
    };
    named.and(housed).map_err(|error| ApiError::invalid(kind, &settled, &[error.to_string()]))
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
