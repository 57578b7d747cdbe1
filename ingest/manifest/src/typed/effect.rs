//! What a field of a manifest does here, and with which values.

use serde_json::Value;

use Effect::{Acted, Changes, Harmless};

/// What a field does here.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Effect {
    /// We act upon it, or upon the fields within it.
    Acted,
    /// It has no effect on what runs.
    Harmless,
    /// It changes what runs and we do not act upon it, when it has such a value; and why.
    Changes(When, &'static str),
}

impl Effect {
    /// Why this value is not acted upon; `None` when it is, or changes nothing.
    pub(crate) fn not_acted_on(self, value: &Value) -> Option<&'static str> {
        match self {
            Changes(when, why) => when.holds(value).then_some(why),
            Acted | Harmless => None,
        }
    }
}

/// Which values of a field change what runs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum When {
    /// Every one, an empty one too.
    Present,
    /// Every one but the empty ones: nothing, `false`, `""`, `[]`, `{}`.
    Filled,
    /// Every one but the empty ones and this default, which is what we do anyway.
    Not(&'static str),
    /// Every one but this default; `false` too.
    Unlike(&'static str),
}

impl When {
    /// Whether this value changes what runs.
    pub(crate) fn holds(self, value: &Value) -> bool {
        match self {
            When::Present => !value.is_null(),
            When::Filled => !is_empty(value),
            When::Unlike(default) => !value.is_null() && text_of(value) != default,
            When::Not(default) => !is_empty(value) && text_of(value) != default,
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(_) => false,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.values().all(is_empty),
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
