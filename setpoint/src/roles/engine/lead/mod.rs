//! Leading: epochs are cut, decided, and committed, each step on its own.

pub(crate) mod epochs;
mod intake;
mod cutting;
pub(crate) mod record;
pub(crate) mod queue;
pub(crate) mod committer;
pub(crate) mod burying;
