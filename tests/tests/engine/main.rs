//! The engine by example: epochs in, decisions out, each a small story.

mod story;

mod placing;
mod devices;
mod devices_preempted;
mod preemption;
mod evictions;
mod reschedules;
mod claims;
mod stages;
mod followers;
mod dependencies;
mod readiness_gates;
mod gates;
mod priorities;
mod pressure;
mod pods;
mod nodes;
mod own_claims;
mod ephemeral;
mod taints;
mod rollout;
mod reverting;
mod jobs;
mod cronjobs;
mod statefulsets;
mod requests;
mod services;
mod immutable;
mod namespaces;
mod quotas;
mod quotas_by_chance;
mod cold;
mod questions;
