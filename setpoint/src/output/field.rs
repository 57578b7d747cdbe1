//! Fields of a JSON object by pointer, with a plain value for what is absent.

use serde_json::Value;

/// The text at this pointer; empty when there is none.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The number at this pointer; 0 when there is none.
pub(crate) fn number(value: &Value, pointer: &str) -> i64 {
    value.pointer(pointer).and_then(Value::as_i64).unwrap_or_default()
}

/// The list at this pointer; empty when there is none.
pub(crate) fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Whether there is `true` at this pointer.
pub(crate) fn is_true(value: &Value, pointer: &str) -> bool {
    value.pointer(pointer).and_then(Value::as_bool).unwrap_or_default()
}

/// How many entries the object at this pointer has.
pub(crate) fn entries(value: &Value, pointer: &str) -> usize {
    value.pointer(pointer).and_then(Value::as_object).map_or(0, serde_json::Map::len)
}

/// `a=b,c=d` of the texts in the object at this pointer; `<none>` when it is empty.
pub(crate) fn pairs(value: &Value, pointer: &str) -> String {
    let object = value.pointer(pointer).and_then(Value::as_object);
    let pair = |(key, value): (&String, &Value)| format!("{key}={}", value.as_str().unwrap_or(""));
    let pairs: Vec<String> = object.into_iter().flatten().map(pair).collect();
    if pairs.is_empty() { NONE.to_owned() } else { pairs.join(",") }
}

/// A text, or `<none>`.
pub(crate) fn or_none(text: &str) -> String {
    if text.is_empty() { NONE.to_owned() } else { text.to_owned() }
}

/// What stands for nothing, as kubectl writes it.
pub(crate) const NONE: &str = "<none>";

/// The name of an object.
pub(crate) fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

/// An object for people, as kubectl writes it.
pub(crate) fn shown(object: &Value) -> String {
    let kind = text(object, "/kind").to_lowercase();
    match text(object, "/apiVersion").split_once('/') {
        Some((group, _)) => format!("{kind}.{group}/{}", name(object)),
        None => format!("{kind}/{}", name(object)),
    }
}

/// The namespace of an object.
pub(crate) fn namespace(object: &Value) -> &str {
    text(object, "/metadata/namespace")
}

/// The status of a condition of this type, such as `True`.
pub(crate) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    list(object, "/status/conditions").iter().find(|c| text(c, "/type") == kind)
}
