//! kubectl's JSONPath: a text in which `{…}` stands for what is found in an object.
//!
//! The dialect is kubectl's (kubernetes.io/docs/reference/kubectl/jsonpath), which is older than RFC 9535 and
//! another one: fields begin at the current value, dots in names are escaped, and around the paths there is a
//! template with `{range …}` and `{end}`.
//! Guarantee: the same template and object give the same text; maps are walked in the order of their keys, where
//! kubectl's order is any.
//! Absent: regular expressions and joined conditions, which kubectl's has not either.

mod path;
mod cursor;
mod filter;
mod parse;
mod compare;
mod walk;

use serde_json::Value;

pub(crate) use path::Path;
use path::Piece;
pub(crate) use walk::Missing;

/// Why a template or a path means nothing, or found nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Mistake(String);

impl Mistake {
    pub(crate) fn new(why: impl Into<String>) -> Mistake {
        Mistake(why.into())
    }
}

/// A text with paths in it.
#[derive(Debug, Clone)]
pub(crate) struct Template(Vec<Piece>);

impl Template {
    /// Parses the form of `-o jsonpath=`.
    pub(crate) fn parse(text: &str) -> Result<Template, Mistake> {
        if text.trim().is_empty() {
            return Err(Mistake("the template is empty".to_owned()));
        }
        if !text.contains('{') {
            let path = text.trim().trim_start_matches(['$', '@']);
            let dot = if path.starts_with(['.', '[']) { "" } else { "." };
            return Err(Mistake(format!("it has no path; write {{{dot}{path}}}")));
        }
        parse::template(text).map(Template)
    }

    /// The text with what the paths find in this value.
    pub(crate) fn filled(&self, value: &Value, missing: Missing) -> Result<String, Mistake> {
        let mut text = String::new();
        walk::fill(&self.0, value, missing, &mut text)?;
        Ok(text)
    }
}

impl Path {
    /// Parses a path of `--sort-by` and of a column: `{.metadata.name}`, without its braces and its first dot too.
    pub(crate) fn relaxed(text: &str) -> Result<Path, Mistake> {
        let inner = text.trim();
        let inner = match inner.strip_prefix('{') {
            Some(rest) => rest.strip_suffix('}').ok_or_else(|| {
                Mistake(format!("{text:?} begins with a brace that nothing closes"))
            })?,
            None => inner,
        };
        if inner.is_empty() {
            return Err(Mistake("the path is empty".to_owned()));
        }
        let begins = inner.starts_with(['.', '[', '$', '@']);
        parse::whole_path(&if begins { inner.to_owned() } else { format!(".{inner}") })
    }

    /// What it finds in this value; nothing where a part is missing.
    pub(crate) fn find<'a>(&'a self, value: &'a Value) -> Result<Vec<&'a Value>, Mistake> {
        walk::found(self, vec![value], Missing::Allowed)
    }
}

/// A value as it stands in a filled text: a text as it is, all else as JSON in one line.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            // 4, not 4.0, as kubectl has it.
            Some(fraction) => fraction.to_string(),
            None => number.to_string(),
        },
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
