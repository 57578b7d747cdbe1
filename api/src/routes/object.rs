//! The objects that a call means, found in the model and as its caller may see them.

use axum::http::{HeaderMap, header};
use serde_json::Value;

use super::Call;
use crate::KindInfo;
use crate::model::Entry;
use crate::render;
use crate::secrets;
use crate::select::Selection;
use crate::status::ApiError;

/// The object at the path, as the caller may see it.
pub(crate) fn find(call: &Call, kind: &KindInfo) -> Result<Entry, ApiError> {
    let (namespace, name) = (&call.target.namespace, &call.target.name);
    let found = call.app.state.parts.model.get(&kind.group_kind(), namespace, name);
    found.filter(|entry| call.sees(entry)).ok_or_else(|| ApiError::not_found(kind, name))
}

/// The object in JSON. Secrets are opened: whoever comes here may read them.
pub(crate) fn shown(call: &Call, entry: &Entry) -> Value {
    let object = render::object(entry);
    if secrets::is_secret(&object) {
        secrets::opened(&call.app.state.parts.sealer, object)
    } else {
        object
    }
}

/// Whether the caller wants a table.
pub(crate) fn wants_table(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accepted.is_some_and(|accept| accept.contains("as=Table"))
}

/// Whether an object belongs to what the call asks for.
pub(crate) fn chosen(call: &Call, selection: &Selection, entry: &Entry) -> bool {
    let namespace = &call.target.namespace;
    let inside = namespace.is_empty() || entry.namespace() == namespace;
    inside && call.sees(entry) && selection.matches(entry)
}
