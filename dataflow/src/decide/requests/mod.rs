//! Requests: what people ask for. Each is judged as a whole, and done whole or not at all.

mod accept;
mod judge;
mod namespaces;
mod workloads;

pub(crate) use judge::Judge;
pub(super) use workloads::advanced;
pub(crate) use workloads::{Compiled, compile};
