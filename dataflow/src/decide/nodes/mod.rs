//! Nodes: what they report, their leases, and their loss and return.

mod away;
mod evictions;
mod leases;
mod loss;
mod records;
mod release;

pub(crate) use evictions::Asked;
pub(crate) use loss::NodeStatus;
