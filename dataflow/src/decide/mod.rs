//! How an epoch is decided: inputs into state, facts into views, changes into plans.

mod causes;
mod kinds;
mod cold;
mod early;
mod load;
mod inferred;
mod follow;
mod follow_pods;
mod namespaces;
mod nodes;
mod orphans;
mod planning;
mod daemons;
mod placing;
mod pods;
mod watched;
mod remains;
mod requests;
mod judge;
mod statuses;
mod tallies;
mod turn;
mod waiting;
mod workloads;

pub(crate) use causes::cause_of;
pub(crate) use early::LOOK_MS;
pub(crate) use follow::Before;
pub(crate) use inferred::{history_of, standing_of, template_of};
pub(crate) use judge::Judge;
pub(crate) use kinds::is_managed_group;
pub(crate) use nodes::{NodeStatus, node_key};
pub(crate) use orphans::with_orphans;
pub(crate) use placing::placement_of;
pub(crate) use turn::Turn;
pub(crate) use workloads::{Compiled, compile};
