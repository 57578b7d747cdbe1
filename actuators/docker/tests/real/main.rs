//! The actuator on real engines, each started here and gone afterwards.

mod common;

mod conformance;
mod pods;
mod given;
mod engines;
mod registry;
mod devices;
mod health;
mod terminals;
