//! YAML and JSON as a tree with lines, before anything is typed.
//!
//! Guarantee: a tree is no deeper and no larger than the bounds, its keys are unique, aliases and
//! merge keys are expanded. Malformed input is an error with its line, never a panic.

mod node;
mod parsed;
mod lines;
mod scalar;
mod build;
mod parse;
mod json;

pub(crate) use node::{Content, Node, Tag};
pub(crate) use parse::parse;
pub(crate) use parsed::{Broken, Parsed};
pub(crate) use scalar::{boolean, number};
