//! Sources to documents: every object by itself, lists taken apart.

use serde_json::Value;

use crate::bounds::DOCUMENTS_MAX;
use crate::problem::{Fault, FieldPath, Origin, Problem};
use crate::source::{self, ReadOptions, Source, Text};
use crate::yaml::{self, Broken, Parsed};

/// One object, and where it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// File, document and line.
    pub origin: Origin,
    /// Its place within the document: empty, or `items[3]` within a list.
    pub within: FieldPath,
    /// The object as written.
    pub value: Value,
}

/// Reads every document of every source, the items of a `List` each by itself.
///
/// # Errors
/// What could not be read or is no YAML or JSON, one problem for each source.
pub fn read(sources: &[Source], options: &ReadOptions) -> Result<Vec<Document>, Vec<Problem>> {
    let (mut documents, mut problems) = (Vec::new(), Vec::new());
    for source in sources {
        match source::texts(source, options) {
            Ok(texts) => {
                for text in &texts {
                    match trees(text).and_then(|parsed| flattened(text, &parsed)) {
                        Ok(found) => documents.extend(found),
                        Err(problem) => problems.push(problem),
                    }
                }
            }
            Err(problem) => problems.push(problem),
        }
    }
    if documents.len() > DOCUMENTS_MAX {
        problems.push(too_many());
    }
    if problems.is_empty() { Ok(documents) } else { Err(problems) }
}

/// The trees of a text.
pub(crate) fn trees(text: &Text) -> Result<Vec<Parsed>, Problem> {
    yaml::parse(&text.text).map_err(|(number, broken)| problem_of(&text.name, number, &broken))
}

/// A broken text as a problem of its source.
pub(crate) fn problem_of(name: &str, document: usize, broken: &Broken) -> Problem {
    let origin = Origin { file: name.to_owned(), document, line: broken.line };
    let at_line = broken.reason.starts_with("line ") || broken.line == 0;
    let reason = if at_line {
        broken.reason.clone()
    } else {
        format!("{} (line {})", broken.reason, broken.line)
    };
    Problem::new(broken.fault, FieldPath::of(&broken.path), reason).at(&origin)
}

/// The objects of a text's documents.
pub(crate) fn flattened(text: &Text, parsed: &[Parsed]) -> Result<Vec<Document>, Problem> {
    let mut documents = Vec::new();
    for tree in parsed {
        let origin =
            Origin { file: text.name.clone(), document: tree.number, line: tree.node.line };
        let document = Document { origin, within: FieldPath::root(), value: tree.node.value() };
        flatten(document, &mut documents)?;
    }
    Ok(documents)
}

fn flatten(mut document: Document, into: &mut Vec<Document>) -> Result<(), Problem> {
    let Document { origin, within, value } = &mut document;
    if !is_list(value) {
        into.push(document);
        return Ok(());
    }
    let path = within.field("items");
    let items = match value.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => items,
        None | Some(Value::Null) => Vec::new(),
        Some(_) => {
            return Err(Problem::new(Fault::Type, path, "expected a list").at(origin));
        }
    };
    for (index, value) in items.into_iter().enumerate() {
        if into.len() >= DOCUMENTS_MAX {
            return Err(too_many().at(origin));
        }
        let within = path.index(index);
        flatten(Document { origin: origin.clone(), within, value }, into)?;
    }
    Ok(())
}

/// `List` of the core group, and the typed lists that the API answers (`PodList`).
fn is_list(value: &Value) -> bool {
    let text = |key| value.get(key).and_then(Value::as_str).unwrap_or_default();
    let kind = text("kind");
    kind == "List" && text("apiVersion") == "v1"
        || kind.ends_with("List") && value.get("items").is_some_and(Value::is_array)
}

fn too_many() -> Problem {
    let reason = format!("more than {DOCUMENTS_MAX} documents in one request");
    Problem::new(Fault::TooLarge, FieldPath::root(), reason)
}
