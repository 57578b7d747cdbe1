//! The verbs, one a file: what it takes, and what it does. All but the roles are pure clients.

pub(crate) mod role;

pub(crate) mod apply;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod describe;
pub(crate) mod diff;
pub(crate) mod explain;
pub(crate) mod decisions;
pub(crate) mod replay;
pub(crate) mod edit;
pub(crate) mod patch;
pub(crate) mod mark;
pub(crate) mod scale;
pub(crate) mod rollout;
mod progress;
pub(crate) mod cordon;
pub(crate) mod drain;
pub(crate) mod wait_for;
pub(crate) mod logs;
pub(crate) mod exec;
pub(crate) mod port_forward;
pub(crate) mod node;
pub(crate) mod deadletter;
pub(crate) mod status;
pub(crate) mod api_resources;
pub(crate) mod config;
pub(crate) mod completion;
pub(crate) mod complete;
pub(crate) mod absent;

mod manifest;
mod selector;
mod object;
mod past;
mod subject;
mod culprits;
mod health;
mod wait;
mod terminal;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tour_tests;
