//! What is wrong, and where: file, document, field, reason.

use std::fmt;

/// Where a document was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The file as it was named, or `-` for standard input.
    pub file: String,
    /// The document within the file, from 1; 0 for the file as a whole.
    pub document: usize,
    /// The line at which the document begins, from 1; 0 for the file as a whole.
    pub line: usize,
}

impl Origin {
    /// A file of which no document could be read.
    #[must_use]
    pub fn whole(file: &str) -> Self {
        Origin { file: file.to_owned(), document: 0, line: 0 }
    }
}

impl fmt::Display for Origin {
    /// `web.yaml: document 2`, or `web.yaml` for all of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.document == 0 {
            return f.write_str(&self.file);
        }
        write!(f, "{}: document {}", self.file, self.document)
    }
}

/// A field's path, such as `spec.template.spec.containers[0].image`; empty for the whole object.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath(String);

impl FieldPath {
    /// The path of the whole object.
    #[must_use]
    pub fn root() -> Self {
        FieldPath(String::new())
    }

    /// A path from its text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        FieldPath(text.to_owned())
    }

    /// The path of a field or a map's key below this one. A key with other characters than
    /// letters, digits, `-` and `_` is written in brackets.
    #[must_use]
    pub fn field(&self, name: &str) -> Self {
        let mut text = self.0.clone();
        push_field(&mut text, name);
        FieldPath(text)
    }

    /// The path of a list's item below this one, from 0.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        FieldPath(format!("{}[{index}]", self.0))
    }

    /// This path below another one.
    #[must_use]
    pub fn within(&self, above: &str) -> Self {
        match (above, self.0.as_str()) {
            ("", _) => self.clone(),
            (_, "") => FieldPath(above.to_owned()),
            (_, path) if path.starts_with('[') => FieldPath(format!("{above}{path}")),
            (_, path) => FieldPath(format!("{above}.{path}")),
        }
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Appends `.name`, or `[name]` when the name has odd characters.
pub(crate) fn push_field(path: &mut String, name: &str) {
    let name = shortened(name);
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '$');
    if name.is_empty() || !name.chars().all(plain) {
        path.push('[');
        path.push_str(&name);
        path.push(']');
        return;
    }
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(&name);
}

/// Longest name shown in a path or a reason: a line.
const SHOWN_CHARS_MAX: usize = 80;

/// The text, cut to one line's length, without line breaks.
pub(crate) fn shortened(text: &str) -> String {
    let shown: String =
        text.chars().take(SHOWN_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(SHOWN_CHARS_MAX).is_some() { shown + "…" } else { shown }
}

/// The sort of a problem; says who has to do what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The file cannot be read.
    Unreadable,
    /// A bound of ours is exceeded.
    TooLarge,
    /// The text is no YAML, JSON or Compose.
    Syntax,
    /// A field is unknown or has another type.
    Type,
    /// A value is not allowed.
    Value,
    /// The kind is unknown.
    Kind,
    /// The field changes what runs and we do not act upon it; accepted with `--allow-ignored`.
    NotActedOn,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problem {
    /// Where the document was read; absent for an object that came over the API.
    pub origin: Option<Origin>,
    /// The field.
    pub path: FieldPath,
    /// The line of the field, or of what it is missing from; absent where it is not known.
    pub line: Option<usize>,
    /// What is wrong with it.
    pub reason: String,
    /// The sort of problem.
    pub fault: Fault,
}

impl Problem {
    /// A problem of a field, without an origin yet.
    #[must_use]
    pub fn new(fault: Fault, path: FieldPath, reason: impl Into<String>) -> Self {
        Problem { origin: None, path, line: None, reason: reason.into(), fault }
    }

    /// The same problem, found in this document.
    #[must_use]
    pub fn at(mut self, origin: &Origin) -> Self {
        self.origin = Some(origin.clone());
        self
    }
}

impl fmt::Display for Problem {
    /// `web.yaml: document 2: spec.replicas: must not be negative`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            write!(f, "{origin}: ")?;
        }
        if !self.path.as_str().is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.reason)
    }
}
