//! Requests: what people ask for. Each is judged as a whole, and done whole or not at all.

mod accept;
mod again;
mod budgets;
mod crons;
mod evictions;
mod claims;
mod conditions;
mod deletions;
mod dependants;
mod judge;
mod limits;
mod namespaces;
mod pinned;
mod priorities;
mod quotas;
mod sources;
mod services;
mod taints;
mod workloads;
mod bare;

pub(crate) use crons::job_of;
pub(crate) use judge::{Judge, workload_kind};
pub(crate) use namespaces::{is_terminating, labels_of};
pub(super) use priorities::class_of;
pub(super) use workloads::advanced;
pub(crate) use workloads::{Compiled, compile};
