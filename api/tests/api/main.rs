//! The API against a tiny leader: routes, watches, agents, Secrets, roles, and a real kubectl.

mod common;

mod routes;
mod watch;
mod agent;
mod secrets;
mod auth;
mod kubectl;
