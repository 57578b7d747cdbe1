//! `/openapi/v2`: as much as makes kubectl use what we have, above all dry runs by the server.
//!
//! Absent: schemas. Without them kubectl leaves judging fields to the gate, which knows more.

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::{Shared, answer};
use crate::KindInfo;

/// The extension by which kubectl finds the path of a kind.
const KIND_OF_PATH: &str = "x-kubernetes-group-version-kind";
/// The content type of an OpenAPI document in protocol buffers.
const PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// The document, in the form that is asked for.
pub(crate) async fn openapi(State(app): State<Shared>, headers: HeaderMap) -> Response {
    let kinds = app.state.catalogue.all().iter().map(AsRef::as_ref);
    let accepted = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    if accepted.is_some_and(|accept| accept.contains("protobuf")) {
        return ([(header::CONTENT_TYPE, PROTOBUF)], as_protobuf(kinds)).into_response();
    }
    answer(as_json(kinds))
}

fn as_json<'a>(kinds: impl Iterator<Item = &'a KindInfo>) -> Value {
    let path = |kind: &KindInfo| {
        let patch = json!({
            "parameters": [{"name": "dryRun", "in": "query", "type": "string"}],
            "responses": {"200": {"description": "the object"}},
            KIND_OF_PATH: {"group": kind.group, "version": kind.version, "kind": kind.kind},
        });
        (path_of(kind), json!({"patch": patch}))
    };
    json!({
        "swagger": "2.0", "info": {"title": "Setpoint", "version": "v1"},
        "paths": kinds.map(path).collect::<Map<_, _>>(), "definitions": {},
    })
}

/// The same in protocol buffers. The numbers are those of gnostic's `OpenAPIv2.proto`.
fn as_protobuf<'a>(kinds: impl Iterator<Item = &'a KindInfo>) -> Vec<u8> {
    let paths: Vec<Vec<u8>> =
        kinds.map(|kind| field(2, &named(&path_of(kind), &item(kind)))).collect();
    let info = [field(1, b"Setpoint"), field(2, b"v1")].concat();
    [field(1, b"2.0"), field(2, &info), field(8, &paths.concat())].concat()
}

/// A path with its `PATCH`: the parameter `dryRun`, and the kind.
fn item(kind: &KindInfo) -> Vec<u8> {
    let query = [field(2, b"query"), field(4, b"dryRun"), field(6, b"string")].concat();
    let parameter = field(1, &field(2, &field(3, &query)));
    let (group, version, kind) = (&kind.group, &kind.version, &kind.kind);
    let yaml = json!({"group": group, "version": version, "kind": kind}).to_string();
    let extension = named(KIND_OF_PATH, &field(2, yaml.as_bytes()));
    field(8, &[field(8, &parameter), field(13, &extension)].concat())
}

/// A name and a value, as gnostic writes an entry of a map.
fn named(name: &str, value: &[u8]) -> Vec<u8> {
    [field(1, name.as_bytes()), field(2, value)].concat()
}

/// A field of bytes: its number and wire type 2, its length, itself.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(bytes);
    out
}

fn path_of(kind: &KindInfo) -> String {
    let root =
        if kind.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", kind.group) };
    let home = if kind.namespaced { "/namespaces/{namespace}" } else { "" };
    format!("{root}/{}{home}/{}/{{name}}", kind.version, kind.plural)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_protocol_buffers_has_its_number_and_length_before_it() {
        assert_eq!(field(1, b"ab"), [0x0a, 2, b'a', b'b']);
        let long = field(13, &[7; 300]);
        assert_eq!((long[..3].to_vec(), long.len()), (vec![0x6a, 0xac, 0x02], 303));
    }
}
