//! A value at its path: walks an object and collects what is wrong with it.

use serde_json::{Map, Value};

use crate::bounds::PROBLEMS_MAX;
use crate::problem::{Fault, FieldPath, Problem};

/// A value at its path.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'v> {
    pub(crate) value: &'v Value,
    pub(crate) path: FieldPath,
}

static ABSENT: Value = Value::Null;

impl<'v> Cursor<'v> {
    pub(crate) fn new(value: &'v Value) -> Self {
        Cursor { value, path: FieldPath::root() }
    }

    /// A field, or nothing when it is absent.
    pub(crate) fn get(&self, name: &str) -> Option<Cursor<'v>> {
        let value = self.value.get(name).filter(|value| !value.is_null())?;
        Some(Cursor { value, path: self.path.field(name) })
    }

    /// A field, an absent one as no value at its path.
    pub(crate) fn field(&self, name: &str) -> Cursor<'v> {
        let value = self.value.get(name).unwrap_or(&ABSENT);
        Cursor { value, path: self.path.field(name) }
    }

    /// The items of a list; none when it is no list.
    pub(crate) fn items(&self) -> Vec<Cursor<'v>> {
        let items = self.value.as_array().map_or(&[][..], Vec::as_slice);
        let at = |(index, value)| Cursor { value, path: self.path.index(index) };
        items.iter().enumerate().map(at).collect()
    }

    /// The entries of a map; none when it is no map.
    pub(crate) fn entries(&self) -> Vec<(&'v str, Cursor<'v>)> {
        let at = |(name, value): (&'v String, &'v Value)| {
            (name.as_str(), Cursor { value, path: self.path.field(name) })
        };
        self.map().map_or_else(Vec::new, |entries| entries.iter().map(at).collect())
    }

    pub(crate) fn map(&self) -> Option<&'v Map<String, Value>> {
        self.value.as_object()
    }

    /// The text, or an empty one.
    pub(crate) fn text(&self) -> &'v str {
        self.value.as_str().unwrap_or_default()
    }

    /// The whole number.
    pub(crate) fn int(&self) -> Option<i64> {
        self.value.as_i64()
    }
}

/// Collects problems of values, up to a bound.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    pub(crate) problems: Vec<Problem>,
}

impl Checker {
    /// The value at this cursor is not allowed.
    pub(crate) fn refuse(&mut self, at: &Cursor<'_>, reason: impl Into<String>) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(Problem::new(Fault::Value, at.path.clone(), reason));
        }
    }

    /// The text at this cursor must be one of these; an absent or empty one is allowed, as
    /// Kubernetes reads an empty text as absent.
    pub(crate) fn one_of(&mut self, at: &Cursor<'_>, allowed: &[&str]) {
        let text = at.text();
        if !text.is_empty() && !allowed.contains(&text) {
            let shown = crate::problem::shortened(text);
            self.refuse(at, format!("{shown:?} is none of {}", allowed.join(", ")));
        }
    }

    /// The number at this cursor must not be below zero; an absent one is allowed.
    pub(crate) fn not_negative(&mut self, at: &Cursor<'_>) {
        if let Some(number) = at.int().filter(|number| *number < 0) {
            self.refuse(at, format!("is {number} and must not be negative"));
        }
    }

    /// A path within a volume must not leave it.
    pub(crate) fn relative(&mut self, at: &Cursor<'_>) {
        if at.text().starts_with('/') || at.text().split('/').any(|part| part == "..") {
            self.refuse(at, "must be a relative path without '..'");
        }
    }

    /// A text is required here.
    pub(crate) fn required(&mut self, at: &Cursor<'_>) -> bool {
        let absent = at.text().is_empty();
        if absent {
            self.refuse(at, "is required");
        }
        !absent
    }
}
