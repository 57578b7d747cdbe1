//! The system as a whole: the real program as processes on this machine.
//!
//! Every test starts its own engine and agents on free ports and in a folder of its own, and leaves
//! nothing behind. One test at a time where it wants the machine's cores for itself; those that mostly wait
//! run beside each other (`house.rs` says which are which).

mod api;
mod house;
mod load;
mod fleet;
mod ledger;
mod kafka_house;
mod kafka_log;

mod docker_application;
mod docker_engines;
mod networks;
mod docker_networked;
mod docker_drain;
mod docker_elsewhere;
mod docker_locks;
mod docker_partitions;

mod docker_fleet;
mod docker_superseded;
mod docker_watched;

mod docker_images;
mod docker_bridged;
mod load_by_clock;
mod docker_three_tiers;
mod docker_tiers;
mod docker_web;
mod docker_updates;
mod docker_reverts;
mod docker_bad_images;
mod docker_bad_sets;

mod engine_kill;
mod kafka_standby;
mod kafka_outage;
mod kafka_kill;
mod kcat;
mod figures;
mod immutable;
mod containers;
mod dependencies;
mod readiness_gates;
mod kubectl;
mod command_line;
mod lease_interval;
mod reasons;
mod given;
mod jobs;
mod folders;
mod claims;
mod volumes;
mod own_claims;
mod evicted;
mod outage;
mod ground;
mod simulated_fleet;
mod two_agents;
mod several_workers;
mod flood;
mod disk_full;
mod append_rates;
mod bad_input;
mod guarded_kafka;
mod schema_registry;

mod past;
mod probes;
mod whole_pods;
mod services;
mod settled;
mod statefulset;
mod stopped;

mod burial;
mod recovery_checkpoint;
mod recovery_kill;
mod recovery_rules;
mod recovery_trim;

use setpoint_actuator_process::outside as processes;
