//! What reading a text gives: the trees of its documents, or why and where it broke.

use super::node::Node;
use crate::problem::Fault;

/// A document's tree; absent documents (nothing between two `---`) have no tree.
#[derive(Debug)]
pub(crate) struct Parsed {
    /// The document within its source, from 1, empty ones counted.
    pub(crate) number: usize,
    pub(crate) node: Node,
    /// Whether its nodes know their lines: JSON's reader does not tell them.
    pub(crate) is_lined: bool,
}

/// Why and where a text could not be read.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) fault: Fault,
    pub(crate) line: usize,
    pub(crate) path: String,
    pub(crate) reason: String,
}
