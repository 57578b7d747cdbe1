//! The engine by example: epochs in, decisions out, each a small story.

mod story;

mod placing;
mod devices;
mod devices_preempted;
mod preemption;
mod gates;
mod priorities;
mod pods;
mod nodes;
mod taints;
mod rollout;
mod requests;
mod immutable;
mod namespaces;
mod cold;
mod questions;
