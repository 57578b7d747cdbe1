//! How an epoch is decided: inputs into state, facts into views, changes into plans.

mod causes;
mod cold;
mod load;
mod namespaces;
mod nodes;
mod orphans;
mod planning;
mod placing;
mod pods;
mod watched;
mod requests;
mod judge;
mod statuses;
mod tallies;
mod turn;
mod waiting;
mod workloads;

pub(crate) use causes::cause_of;
pub(crate) use judge::Judge;
pub(crate) use orphans::with_orphans;
pub(crate) use placing::placement_of;
pub(crate) use turn::Turn;
