//! An engine by hand: what a careful programmer writes for exactly this job and no other, as the
//! yardstick of what our generality costs.
//!
//! It takes the same bytes, keeps the status of each pod, the tally of each workload and what is free
//! of each node, and decides the same: who ended is stopped, who is missing is started under the same
//! uid, on a node that has room.
//!
//! Guarantee: nothing is allocated for a status, and no map is asked that an index can answer.
//! Absent: everything else that an engine is: a ledger with reasons, filters and scores, leases, a
//! checkpoint, deadlines, other kinds of workload.

mod decode;
mod hash;
mod pods;
mod engine;

pub(crate) use engine::{Action, ByHand, Decision, Effects, number_of};
