//! Types, strictly: an object is read into its Kubernetes type, and each of its fields is looked up
//! in the field table.
//!
//! Guarantee: an unknown field is a problem with its path; so is a value of another type.
//! Absent: whether values make sense; that is the gate's.

pub(crate) mod effect;
pub(crate) mod fields;

mod findings;
mod path;
mod reader;

#[cfg(test)]
mod coverage;

use serde_json::Value;

pub(crate) use findings::{Findings, Look};
pub(crate) use reader::check;

/// The sort of a value, in words.
pub(crate) fn sort_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}
