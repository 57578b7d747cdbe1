//! The API against a tiny leader: routes, watches, agents, Secrets, roles, and a real kubectl.

#![allow(clippy::unwrap_used, reason = "tests may, helpers of tests too")]

mod common;

mod room;
mod connections;
mod routes;
mod deletions;
mod refusals;
mod watch;
mod agent;
mod secrets;
mod auth;
mod calls;
mod kubectl;
mod health;
mod events;
mod stages;
mod states;
