//! An object for people: everything it has, as an indented outline, and what was decided about it.

use std::fmt::Write as _;

use serde_json::Value;

use crate::output::decision_lines;
use crate::output::field::{name, namespace, text};

/// Longest value on its own line; a longer one is cut, `get -o yaml` has all of it.
const VALUE_CHARS_MAX: usize = 120;
/// Two spaces a level, as YAML.
const INDENT: usize = 2;
/// What would only repeat the rest.
const LEFT_OUT: [&str; 3] = ["managedFields", "kind", "apiVersion"];

/// The outline of an object, then the decisions about it, latest last.
pub(crate) fn describe(object: &Value, decisions: &[Value]) -> String {
    let mut out = String::new();
    let mut head = |title: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(out, "{:<12}{value}", format!("{title}:"));
        }
    };
    head("Name", name(object));
    head("Namespace", namespace(object));
    head("Kind", &format!("{} ({})", text(object, "/kind"), text(object, "/apiVersion")));
    for (key, value) in object.as_object().into_iter().flatten() {
        if !LEFT_OUT.contains(&key.as_str()) {
            outline(&mut out, &title(key), value, 0);
        }
    }
    if !decisions.is_empty() {
        out.push_str("Decisions:\n");
        for line in decisions.iter().flat_map(decision_lines) {
            let _ = writeln!(out, "  {line}");
        }
    }
    out
}

fn outline(out: &mut String, key: &str, value: &Value, depth: usize) {
    let pad = " ".repeat(depth * INDENT);
    match value {
        Value::Object(fields) => {
            let _ = writeln!(out, "{pad}{key}:");
            for (key, value) in fields.iter().filter(|(key, _)| !LEFT_OUT.contains(&key.as_str())) {
                outline(out, key, value, depth + 1);
            }
        }
        Value::Array(values) if values.iter().any(|v| v.is_object() || v.is_array()) => {
            let _ = writeln!(out, "{pad}{key}:");
            for (index, value) in values.iter().enumerate() {
                let own = text(value, "/name");
                let own = if own.is_empty() { text(value, "/type") } else { own };
                let key = if own.is_empty() { format!("[{index}]") } else { format!("- {own}") };
                outline(out, &key, value, depth + 1);
            }
        }
        Value::Array(values) => {
            let all: Vec<String> = values.iter().map(plain).collect();
            let _ = writeln!(out, "{pad}{key}: {}", shortened(&all.join(", ")));
        }
        value => drop(writeln!(out, "{pad}{key}: {}", shortened(&plain(value)))),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), |text| text.replace('\n', "\\n"))
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(VALUE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn title(key: &str) -> String {
    let mut chars = key.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
