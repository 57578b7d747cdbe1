//! Pods: what nodes say that they have, be it placed there or not, and what is left of those that are
//! gone.

mod early;
mod observed;
mod orphans;
mod remains;
mod watched;

pub(crate) use early::LOOK_MS;
pub(super) use observed::standing_since;
pub(crate) use orphans::with_orphans;
