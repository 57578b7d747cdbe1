//! JSON documents, one after another. JSON is nearly a subset of YAML; where it is not (escapes),
//! JSON's own reader decides. Keys that stand twice are refused here too.

use std::collections::HashSet;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::node::{Content, Node, Tag};
use super::parsed::{Broken, Parsed};
use crate::bounds::{DOCUMENT_CHARS_MAX, DOCUMENTS_MAX, NODES_MAX};
use crate::problem::Fault;

const TWICE: &str = "stands twice in one map";

/// The documents when the text is JSON; `None` when it is not, so that YAML's reader may try.
pub(crate) fn parse(text: &str) -> Option<Result<Vec<Parsed>, (usize, Broken)>> {
    if !text.trim_start().starts_with('{') || is_large(text) {
        return None;
    }
    let mut parsed = Vec::new();
    for tree in serde_json::Deserializer::from_str(text).into_iter::<Tree>() {
        let number = parsed.len() + 1;
        match tree {
            Ok(Tree(node)) if number <= DOCUMENTS_MAX => {
                parsed.push(Parsed { number, node, is_lined: false });
            }
            Ok(_) => return None,
            Err(error) if error.to_string().contains(TWICE) => {
                let line = error.line();
                let reason = error.to_string();
                let broken = Broken { fault: Fault::Syntax, line, path: String::new(), reason };
                return Some(Err((number, broken)));
            }
            Err(_) => return None,
        }
    }
    Some(Ok(parsed))
}

/// What may exceed a bound is left to YAML's reader, which counts as it reads.
fn is_large(text: &str) -> bool {
    let values = text.bytes().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count();
    text.len() > DOCUMENT_CHARS_MAX || values > NODES_MAX / 2
}

struct Tree(Node);

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

fn scalar<E>(text: impl ToString, plain: bool) -> Result<Tree, E> {
    Ok(tree(Content::Scalar { text: text.to_string(), plain }))
}

fn tree(content: Content) -> Tree {
    Tree(Node { line: 1, tag: Tag::None, content })
}

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E: de::Error>(self) -> Result<Tree, E> {
        scalar("null", true)
    }
    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Tree, E> {
        scalar(value, true)
    }
    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Tree, E> {
        scalar(value, true)
    }
    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Tree, E> {
        scalar(value, true)
    }
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Tree, E> {
        scalar(value, true)
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Tree, E> {
        scalar(text, false)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(Tree(node)) = seq.next_element()? {
            items.push(node);
        }
        Ok(tree(Content::List(items)))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let (mut entries, mut seen) = (Vec::new(), HashSet::new());
        while let Some(key) = map.next_key::<String>()? {
            if !seen.insert(key.clone()) {
                let key = crate::problem::shortened(&key);
                return Err(de::Error::custom(format_args!("the key {key:?} {TWICE}")));
            }
            let Tree(node) = map.next_value()?;
            entries.push((key, node));
        }
        Ok(tree(Content::Map(entries)))
    }
}
