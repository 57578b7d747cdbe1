//! How an epoch is decided: inputs into state, facts into views, changes into plans.

mod causes;
mod load;
mod nodes;
mod planning;
mod placing;
mod pods;
mod requests;
mod statuses;
mod turn;
mod workloads;

pub(crate) use causes::cause_of;
pub(crate) use placing::placement_of;
pub(crate) use turn::Turn;
