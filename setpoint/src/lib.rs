//! Setpoint keeps a fleet of containers at its setpoint: the wiring of the roles, and the verbs.
//!
//! Guarantee: a client verb is a pure client of the API; what it cannot do, nobody else can
//! do through it. Every verb ends with 0 (done), 1 (failed, or different) or 2 (wrong usage).
//! Absent: decisions; they are in the engine.

mod cli;
mod verbs;
mod demo;

pub mod roles;

mod client;
mod output;
mod failure;
mod remedy;
mod context;
mod clock;
mod raw;
mod trace;

pub use cli::main;
