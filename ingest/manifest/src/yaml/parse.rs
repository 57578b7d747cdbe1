//! A source's text to the trees of its documents.

use std::borrow::Cow;

use granit_parser::{Event, Parser, ScalarStyle};

use super::build::Builder;
use super::json;
use super::node::Tag;
use super::parsed::{Broken, Parsed};
use crate::bounds::{DEPTH_MAX, DOCUMENT_CHARS_MAX, DOCUMENTS_MAX};
use crate::problem::Fault;

/// Parses every document of a text. After the first that is broken nothing more is read.
///
/// # Errors
/// The number of the broken document and what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Vec<Parsed>, (usize, Broken)> {
    match json::parse(text) {
        Some(outcome) => outcome,
        None => yaml(text),
    }
}

fn yaml(text: &str) -> Result<Vec<Parsed>, (usize, Broken)> {
    let mut options = granit_parser::options! {
        // One more than ours, so that our own bound speaks first, with its name.
        flow_nesting_limit: DEPTH_MAX + 1,
        block_nesting_limit: DEPTH_MAX + 1,
    };
    options.set_emit_comments(false);
    let mut documents = Documents::default();
    for event in Parser::new_from_str_with_options(text, options) {
        let number = documents.number.max(1);
        let (event, span) = event.map_err(|error| (number, syntax(&error)))?;
        documents
            .take(event, span.start.line(), span.start.index())
            .map_err(|broken| (documents.number.max(1), broken))?;
    }
    Ok(documents.parsed)
}

#[derive(Default)]
struct Documents {
    number: usize,
    begins: usize,
    builder: Builder,
    parsed: Vec<Parsed>,
}

impl Documents {
    fn take(&mut self, event: Event<'_>, line: usize, index: usize) -> Result<(), Broken> {
        if index.saturating_sub(self.begins) > DOCUMENT_CHARS_MAX {
            let reason = format!("one document has more than {DOCUMENT_CHARS_MAX} characters");
            return Err(Broken { fault: Fault::TooLarge, line, path: String::new(), reason });
        }
        match event {
            Event::DocumentStart(..) => {
                (self.number, self.begins) = (self.number + 1, index);
                Ok(())
            }
            Event::DocumentEnd => {
                if let Some(node) = self.builder.finish().filter(|node| !node.is_null()) {
                    self.bounded(line)?;
                    self.parsed.push(Parsed { number: self.number, node, is_lined: true });
                }
                Ok(())
            }
            Event::Alias(id) => self.builder.alias(id, line),
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let (tag, plain) = scalar_tag(tag, plain, line)?;
                self.builder.scalar(text.into_owned(), plain, tag, anchor, line)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.builder.open(true, tag_of(tag, "seq", line)?, anchor, line)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.builder.open(false, tag_of(tag, "map", line)?, anchor, line)
            }
            Event::SequenceEnd | Event::MappingEnd => self.builder.close(),
            _ => Ok(()),
        }
    }

    /// An empty document, such as the one behind a last `---`, is none.
    fn bounded(&self, line: usize) -> Result<(), Broken> {
        if self.parsed.len() < DOCUMENTS_MAX {
            return Ok(());
        }
        let reason = format!("one source has more than {DOCUMENTS_MAX} documents");
        Err(Broken { fault: Fault::TooLarge, line, path: String::new(), reason })
    }
}

fn scalar_tag(
    tag: Option<Cow<'_, granit_parser::Tag>>,
    plain: bool,
    line: usize,
) -> Result<(Tag, bool), Broken> {
    let core = tag.as_ref().and_then(|tag| tag.core_suffix().map(str::to_owned));
    match core.as_deref() {
        Some("str") => Ok((Tag::Text, plain)),
        Some("int" | "float" | "bool" | "null") => Ok((Tag::None, true)),
        _ => Ok((tag_of(tag, "", line)?, plain)),
    }
}

fn tag_of(
    tag: Option<Cow<'_, granit_parser::Tag>>,
    core: &str,
    line: usize,
) -> Result<Tag, Broken> {
    let Some(tag) = tag else { return Ok(Tag::None) };
    if tag.core_suffix() == Some(core) {
        return Ok(Tag::None);
    }
    match tag.original().as_str() {
        "!" => Ok(Tag::Text),
        "!reset" => Ok(Tag::Reset),
        "!override" => Ok(Tag::Override),
        other => {
            let reason = format!("the tag {} is not supported", crate::problem::shortened(other));
            Err(Broken { fault: Fault::Syntax, line, path: String::new(), reason })
        }
    }
}

fn syntax(error: &granit_parser::ScanError) -> Broken {
    let (line, column) = (error.marker().line(), error.marker().col() + 1);
    let reason = format!("line {line} column {column}: {}", error.info());
    Broken { fault: Fault::Syntax, line, path: String::new(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn values(text: &str) -> Vec<Value> {
        parse(text).expect(text).iter().map(|parsed| parsed.node.value()).collect()
    }

    fn refused(text: &str) -> String {
        let (number, broken) = parse(text).expect_err("refused");
        format!("document {number}: {}: {}", broken.path, broken.reason)
    }

    #[test]
    fn documents_anchors_and_merge_keys_are_read() {
        let text = "a: &x {b: 1, c: 2}\n---\n---\nd: &y {b: 1, c: 2}\ne: {<<: *y, c: 3}\n";
        assert_eq!(
            values(text),
            [json!({"a": {"b": 1, "c": 2}}), json!({"d": {"b": 1, "c": 2}, "e": {"b": 1, "c": 3}})]
        );
        assert_eq!(parse(text).expect("read")[1].number, 3);
    }

    #[test]
    fn json_documents_are_read_with_their_escapes() {
        let text = "{\"a\": \"\\ud83d\\ude00\\/\"}\n{\"a\": 1.0}";
        assert_eq!(values(text), [json!({"a": "😀/"}), json!({"a": 1})]);
    }

    #[test]
    fn a_key_that_stands_twice_is_refused_with_its_path() {
        assert_eq!(
            refused("a:\n  b:\n  - c: 1\n    c: 2\n"),
            "document 1: a.b[0].c: the key stands twice in one map"
        );
        assert!(refused("{\"a\": {\"b\": 1, \"b\": 2}}").contains("stands twice"));
    }

    #[test]
    fn a_bomb_of_aliases_stops_at_its_bound() {
        let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..12 {
            let inner = vec![format!("*a{}", level - 1); 10].join(",");
            text.push_str(&format!("a{level}: &a{level} [{inner}]\n"));
        }
        assert!(refused(&text).contains("aliases expand to more than"));
    }

    #[test]
    fn deep_nesting_is_refused_in_every_form() {
        let depth = 200_000;
        let block: String = (0..300).map(|level| " ".repeat(level) + "a:\n").collect();
        let many = ["[", "{\"a\":", "- "].map(|text| text.repeat(depth));
        for text in many.iter().chain([&block]) {
            let reason = refused(text);
            assert!(reason.contains("nest") || reason.contains("recursion limit"), "{reason}");
        }
    }

    #[test]
    fn an_alias_inside_its_own_anchor_is_refused() {
        assert!(refused("a: &x\n  b: *x\n").contains("inside its own anchor"));
    }
}
