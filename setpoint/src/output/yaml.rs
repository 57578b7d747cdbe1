//! JSON and YAML for machines.

use serde::Serialize;

/// JSON, indented.
pub(crate) fn json(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap_or_else(|error| error.to_string())
}

/// YAML that any YAML 1.1 or 1.2 parser reads back as the same.
pub(crate) fn yaml(value: &impl Serialize) -> String {
    serde_saphyr::to_string(value).unwrap_or_else(|error| error.to_string())
}
