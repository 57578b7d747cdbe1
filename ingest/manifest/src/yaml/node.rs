//! The tree: scalars still as text, so that interpolation can come before typing.

use serde_json::{Map, Value};

use super::scalar;

/// A node and the line at which it stands, from 1.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) tag: Tag,
    pub(crate) content: Content,
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    /// Text as written; `plain` when it stood without quotes and is typed by its looks.
    Scalar { text: String, plain: bool },
    /// A list.
    List(Vec<Node>),
    /// A map with unique keys, in their order.
    Map(Vec<(String, Node)>),
}

/// The tags that mean something to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tag {
    None,
    /// `!!str`: text, however it looks.
    Text,
    /// `!reset`: Compose, take the value of the file below away.
    Reset,
    /// `!override`: Compose, replace instead of merge.
    Override,
}

impl Node {
    /// A plain scalar at a line.
    pub(crate) fn text(line: usize, text: &str) -> Self {
        let content = Content::Scalar { text: text.to_owned(), plain: false };
        Node { line, tag: Tag::None, content }
    }

    /// Whether the node is an absent value: `~`, `null` or nothing.
    pub(crate) fn is_null(&self) -> bool {
        match &self.content {
            Content::Scalar { text, plain } => {
                *plain && self.tag != Tag::Text && scalar::is_null(text)
            }
            _ => false,
        }
    }

    /// The JSON value, plain scalars typed by their looks.
    pub(crate) fn value(&self) -> Value {
        match &self.content {
            Content::Scalar { text, plain } if *plain && self.tag != Tag::Text => {
                scalar::typed(text)
            }
            Content::Scalar { text, .. } => Value::String(text.clone()),
            Content::List(items) => Value::Array(items.iter().map(Node::value).collect()),
            Content::Map(entries) => {
                let pairs = entries.iter().map(|(key, node)| (key.clone(), node.value()));
                Value::Object(pairs.collect::<Map<_, _>>())
            }
        }
    }
}
