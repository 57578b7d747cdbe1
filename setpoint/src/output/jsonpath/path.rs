//! What a template consists of, once it is understood.

use serde_json::Value;

/// A part of a template.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    /// Stands as it is.
    Text(String),
    /// Stands for what it finds, with blanks between.
    Found(Path),
    /// The pieces once for each value that the path finds, which is the current one there.
    Range(Path, Vec<Piece>),
}

/// A way from the current value to others.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Path(pub(super) Vec<Step>);

/// From some values to others.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// `.name`: that entry of each map.
    Field(String),
    /// `.*`: all entries of maps and lists.
    All,
    /// `..`: each map and list, and all within it.
    Deep,
    /// `[1]`: one element of each list; a negative one counts from the end.
    At(i64),
    /// `[from:to:by]`: some elements of each list.
    Slice(Slice),
    /// `[a,b]`: what each of these finds, one after the other.
    Union(Vec<Path>),
    /// `[?(…)]`: the elements of each list of which this holds.
    Filter(Test),
    /// A text, a number or a truth value in place of what there was.
    Literal(Value),
}

/// Elements of a list from one on, up to another that is left out; negative ones count from the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slice {
    pub(super) from: Option<i64>,
    pub(super) to: Option<i64>,
    /// At least 1.
    pub(super) by: usize,
}

/// What must hold of an element.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    /// The path finds something.
    Exists(Path),
    /// What both paths find compares so.
    Compares(Path, Operator, Path),
}

/// How two values compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}
