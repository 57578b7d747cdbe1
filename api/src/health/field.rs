//! Fields of an object, with a plain value for what is absent.

use serde_json::Value;

/// The number of this name in the status; 0 when there is none.
pub(super) fn count(object: &Value, name: &str) -> i64 {
    object["status"][name].as_i64().unwrap_or(0)
}

/// The text there; empty when there is none.
pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// What stands in a list; nothing where there is none.
pub(super) fn each(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// The condition of this type.
pub(super) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    each(&object["status"]["conditions"]).find(|condition| condition["type"] == kind)
}

/// The condition of this type, when it holds.
pub(super) fn held<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    condition(object, kind).filter(|condition| condition["status"] == "True")
}

/// What a condition says: its message, or its reason.
pub(super) fn said(condition: &Value) -> String {
    let message = text(&condition["message"]);
    if message.is_empty() { text(&condition["reason"]).to_owned() } else { message.to_owned() }
}
