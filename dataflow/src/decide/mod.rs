//! How an epoch is decided: inputs into state, facts into views, changes into plans.
//!
//! One room for each thing that is decided about. `requests/` takes in what people ask for, `nodes/`
//! and `pods/` what nodes say; `claims/` lets data be where pods are, and pods where their data is;
//! `owners/` lets what is owned go with its owners; `plan/` makes steps of what the views tell, and
//! placements of these; `jobs/` looks at what is to end, and starts it in time; `cold/` tells people how
//! things stand; `follow/` makes the state what another leader recorded, or what a checkpoint holds;
//! `reverting.rs` takes updates back that fail. All of them are turns at the state: `turn.rs` has what they
//! share.

mod ahead;
mod claims;
mod cold;
mod devices;
mod follow;
mod jobs;
mod kinds;
mod nodes;
mod owners;
mod plan;
mod pods;
mod requests;
mod reverting;
mod turn;

pub(crate) use ahead::AHEAD;
pub(crate) use follow::{
    Before, generation_of, history_of, own_claims_of, standing_of, template_of,
};
pub(crate) use kinds::{is_cron_job, is_managed_group, is_namespace, node_key};
pub(crate) use nodes::NodeStatus;
pub(crate) use owners::LOOKED_AT_MAX;
pub(crate) use plan::placement_of;
pub(crate) use pods::{LOOK_MS, with_orphans};
pub(crate) use requests::{Compiled, Judge, compile, is_terminating};
pub(crate) use turn::Turn;
