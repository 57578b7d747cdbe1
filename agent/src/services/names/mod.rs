//! Who answers names on this node: those of Services and their pods from what is known here, all others
//! by asking on.
//!
//! Guarantee: bounded; a question that finds no room is not answered, and is asked again by who asked it.

mod forward;
mod message;
mod serve;
mod zone;

pub(super) use serve::serve;
pub(super) use zone::Zone;
