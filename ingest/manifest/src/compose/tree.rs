//! A Compose file's tree as JSON: variables replaced before anything is typed.
//!
//! The tags `!reset` and `!override` become markers that merging takes away again.

use serde_json::{Map, Value, json};

use super::interpolate::{Variables, interpolate};
use crate::problem::{Fault, FieldPath, Problem};
use crate::yaml::{Content, Node, Tag, number};

/// Keys that no file can have: a control character cannot be written in a plain key, and a file
/// that writes it in a quoted one is refused.
pub(crate) const RESET: &str = "\u{0}reset";
pub(crate) const OVERRIDE: &str = "\u{0}override";

/// The value of a node, with its variables replaced.
pub(crate) fn value(
    node: &Node,
    path: &FieldPath,
    variables: &mut Variables<'_>,
) -> Result<Value, Problem> {
    let value = match &node.content {
        Content::Scalar { text, plain } => scalar(text, *plain && node.tag != Tag::Text, variables)
            .map_err(|why| Problem::new(Fault::Value, path.clone(), why))?,
        Content::List(items) => {
            let mut values = Vec::new();
            for (index, item) in items.iter().enumerate() {
                values.push(self::value(item, &path.index(index), variables)?);
            }
            Value::Array(values)
        }
        Content::Map(entries) => {
            let mut values = Map::new();
            for (name, item) in entries {
                let at = path.field(name);
                if name.starts_with('\u{0}') {
                    return Err(Problem::new(Fault::Syntax, at, "a key has a control character"));
                }
                values.insert(name.clone(), self::value(item, &at, variables)?);
            }
            Value::Object(values)
        }
    };
    Ok(match node.tag {
        Tag::Reset => json!({RESET: true}),
        Tag::Override => json!({OVERRIDE: value}),
        Tag::None | Tag::Text => value,
    })
}

/// A plain scalar with a variable is text: the variable's value decides nothing about types.
/// Only `true` and `false` are truth values here, as in YAML 1.2.
fn scalar(text: &str, plain: bool, variables: &mut Variables<'_>) -> Result<Value, String> {
    if text.contains('$') {
        return interpolate(text, variables).map(Value::String);
    }
    if !plain {
        return Ok(Value::String(text.to_owned()));
    }
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
    })
}
