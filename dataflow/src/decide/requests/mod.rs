//! Requests: what people ask for. Each is judged as a whole, and done whole or not at all.

mod accept;
mod judge;
mod kinds;
mod namespaces;
mod workloads;

pub(crate) use judge::Judge;
pub(crate) use kinds::is_managed_group;
pub(super) use kinds::is_namespace;
pub(super) use workloads::advanced;
pub(crate) use workloads::{Compiled, compile};
