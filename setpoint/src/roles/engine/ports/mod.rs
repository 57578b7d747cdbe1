//! What stands between the API and the engine: what comes in, what is asked, what is shown.
//!
//! Guarantee: nothing of an epoch is shown or answered here before the log has acknowledged it.

pub(crate) mod inbox;
pub(crate) mod waiters;
pub(crate) mod gate;
pub(crate) mod feed;
pub(crate) mod history;
pub(crate) mod reader;
pub(crate) mod looks;
pub(crate) mod revisions;
pub(crate) mod questions;
mod raw;
mod letters;
mod ledger;
