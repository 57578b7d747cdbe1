//! Leading: epochs are cut, decided, and committed, each step on its own.

pub(crate) mod epochs;
mod cutting;
mod record;
pub(crate) mod queue;
pub(crate) mod committer;
pub(crate) mod burying;
