//! The past of a fleet: its recorded epochs stepped again, beside the engine that leads.
//!
//! Guarantee: the log is only read, and nothing else is touched.

mod compare;
pub(crate) mod moment;
mod read_only;
pub(crate) mod replay;
pub(crate) mod served;
