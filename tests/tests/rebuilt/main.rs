//! An engine rebuilt from the compacted topics, and one that follows what it would not have
//! decided: each a small story.

#![allow(clippy::unwrap_used, reason = "tests may, helpers of tests too")]

mod fleet;
mod followed;
mod rebuilt;
