//! What can be wrong with a pod's demands.

use std::borrow::Cow;

/// A pod spec whose demands cannot be compiled. Permanent: the same spec fails again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot compile {path}: {why}")]
pub struct CompileError {
    /// The field, as in the manifest.
    pub path: String,
    /// What is wrong with it.
    pub why: Cow<'static, str>,
}

impl CompileError {
    pub(crate) fn new(path: &str, why: impl Into<Cow<'static, str>>) -> CompileError {
        CompileError { path: path.to_owned(), why: why.into() }
    }
}
