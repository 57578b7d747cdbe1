//! Following: from what the log holds to an engine that is up to date, before it leads and while
//! another does.

pub(crate) mod origin;
mod rebuilding;
mod inputs;
pub(crate) mod follower;
pub(crate) mod recorded;
mod stray;
pub(crate) mod stall;
pub(crate) mod ends;
